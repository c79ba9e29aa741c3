package main

import (
	"os"
	"strconv"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// documents are the objects of an example that is in no overlay.
func documents(t *testing.T, path string) objects {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all objects
	for _, document := range strings.Split("\n"+string(text), "\n---") {
		one, err := parse([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// k8s/examples/redis.yaml: nobody gets in without a password, and only who should gets there.
func TestTheExampleOfRedisIsClosed(t *testing.T) {
	loaded, all := load(t), documents(t, "../../k8s/examples/redis.yaml")
	secret := all.get("RedisReplication", "redis").textMap("spec", "kubernetesConfig", "redisSecret")
	reference := all.get("RedisSentinel", "redis").textMap("spec", "redisSentinelConfig", "redisReplicationPassword", "secretKeyRef")
	if secret["name"] == "" || secret["key"] == "" || reference["name"] != secret["name"] || reference["key"] != secret["key"] {
		t.Errorf("the password of Redis is %v, the sentinels have %v", secret, reference)
	}
	if findings := loaded.schemas.check(all.ofKind("NetworkPolicy")); len(findings) > 0 {
		t.Error(strings.Join(findings, "\n"))
	}
	policies := map[string][]networkingv1.NetworkPolicy{}
	for _, one := range all.ofKind("NetworkPolicy") {
		var typed networkingv1.NetworkPolicy
		if err := one.into(&typed); err != nil {
			t.Fatal(err)
		}
		policies[one.namespace()] = append(policies[one.namespace()], typed)
	}
	redis := end{namespace: "redis", labels: labels.Set{"app": "redis"}, pod: &pod{}}
	sentinel := end{namespace: "redis", labels: labels.Set{"app": "redis-sentinel"}, pod: &pod{}}
	for _, one := range []struct {
		from      end
		data, all bool
	}{
		{redis, true, true},
		{sentinel, true, true},
		{end{namespace: "redis-operator"}, true, true},
		{end{namespace: "interaction", labels: labels.Set{"app.kubernetes.io/name": "toggle"}}, true, false},
		{end{namespace: "interaction", labels: labels.Set{"app.kubernetes.io/name": "persister"}}, true, false},
		{end{namespace: "interaction", labels: labels.Set{"app": "stranger"}}, false, false},
		{end{namespace: "default", labels: labels.Set{"app.kubernetes.io/name": "persister"}}, false, false},
	} {
		data := allows(policies, redis, one.from, 6379, networkingv1.PolicyTypeIngress)
		orders := allows(policies, sentinel, one.from, 26379, networkingv1.PolicyTypeIngress)
		if data != one.data || orders != one.all {
			t.Errorf("%v with labels %v reaches Redis: %v, a sentinel: %v", one.from, one.from.labels, data, orders)
		}
	}
	// docs/stores.md says which lag is tested.
	text, err := os.ReadFile("../../docs/stores.md")
	if err != nil {
		t.Fatal(err)
	}
	settings := all.get("ConfigMap", "redis-settings").text("data", "redis-additional.conf")
	lag := `min-replicas-max-lag (\d+)`
	if set, said := first(lag, settings), first(lag, string(text)); set == "" || set != said {
		t.Errorf("the lag is %s, and docs/stores.md says %s", set, said)
	}
}

// What k8s/README.md and the example of MariaDB set is enough for every connection at once: KEDA's most, a pod more of each job while
// its Deployment is rolled out, the comparisons, and the migration. Each lock has a connection of its own.
func TestMysqlHasAConnectionForEverybody(t *testing.T) {
	number := func(pattern, text string) int64 {
		value, err := strconv.ParseInt(first(pattern, text), 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		return value
	}
	rust := rustIn("../../persister/src")
	each := number(`const CONNECTIONS: u32 = (\d+)`, rust)
	servers := number(`const DECLARED_AT_ONCE: usize = (\d+)`, rust) + number(`const REBUILT_AT_ONCE: usize = (\d+)`, rust)
	all := chart(t, "deployments")
	// One process at a time has the lock of the relay, of the rankings, and of a command.
	pods, locks := int64(0), int64(3)
	for _, pod := range newWorld(all, external{Any: true}, nil).pods {
		if pod.labels["app.kubernetes.io/name"] != "persister" {
			continue
		}
		count := int64(1)
		if pod.of.kind() == "Deployment" {
			count = pod.of.number("spec", "replicas")
			if scaler := all.find("ScaledObject", pod.namespace, pod.of.name()); scaler != nil {
				count = scaler.number("spec", "maxReplicaCount")
			}
			count += pod.of.number("spec", "strategy", "rollingUpdate", "maxSurge")
		}
		pods += count
		if pod.labels["app.kubernetes.io/component"] == "warm" {
			locks += count * servers
		}
	}
	readme, err := os.ReadFile("../../k8s/README.md")
	if err != nil {
		t.Fatal(err)
	}
	persister := pods*each + locks
	handlers := number("`MAX_USER_CONNECTIONS (\\d+)`", string(readme))
	if said := number(`at most (\d+) pods with 16 connections each`, string(readme)); said != pods || each != 16 {
		t.Errorf("%d pods with %d connections each", pods, each)
	}
	if said := number(`Locks take at most (\d+) more`, string(readme)); said != locks {
		t.Errorf("locks take %d connections, and the README says %d", locks, said)
	}
	example := documents(t, "../../k8s/examples/mariadb.yaml")
	most := map[string]int64{
		"k8s/README.md":             number("`max_connections` to (\\d+)", string(readme)),
		"k8s/examples/mariadb.yaml": number(`max_connections=(\d+)`, example.get("MariaDB", "mysql").text("spec", "myCnf")),
	}
	for file, most := range most {
		if most < persister+handlers {
			t.Errorf("%s: %d connections, and %d may be needed", file, most, persister+handlers)
		}
	}
	for name, wanted := range map[string]int64{"persister": persister, "handlers": handlers} {
		for _, one := range example.ofKind("User") {
			if one.name() == name && one.number("spec", "maxUserConnections") < wanted {
				t.Errorf("%s has %d connections, and may need %d", name, one.number("spec", "maxUserConnections"), wanted)
			}
		}
	}
}
