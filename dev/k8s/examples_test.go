package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// What a site has besides the service, each in its value.
func TestASiteIsAMatterOfValues(t *testing.T) {
	count := func(all objects, has func(pod *pod) bool) (with, without int) {
		for _, pod := range newWorld(all, external{Any: true}, nil).pods {
			if has(pod) {
				with++
			} else {
				without++
			}
		}
		return with, without
	}
	for _, example := range []string{"deployments", "shim", "full"} {
		all := chart(t, example, "--set", "ca.secret=authorities", "--set", "dns.peers[0].ipBlock.cidr=169.254.20.10/32")
		trusting, others := count(all, func(pod *pod) bool {
			// The operator mounts what the executor names.
			if pod.of.kind() == "SpinApp" {
				return all.get("SpinAppExecutor", "blog-spin").text("spec", "deploymentConfig", "caCertSecret") == "authorities"
			}
			return slices.ContainsFunc(pod.spec.Volumes, func(volume corev1.Volume) bool {
				return volume.Secret != nil && volume.Secret.SecretName == "authorities"
			})
		})
		if trusting < 10 || others > 0 {
			t.Errorf("%s: %d pods trust the authority, %d do not", example, trusting, others)
		}
		if !strings.Contains(mustJSON(all.get("TriggerAuthentication", "blog-kafka")), "authorities") {
			t.Errorf("%s: KEDA does not trust the authority", example)
		}
		for _, name := range []string{"blog-toggle", "blog-read", "blog-queries", "blog-persister"} {
			if policy := mustJSON(all.get("NetworkPolicy", name)); !strings.Contains(policy, "169.254.20.10/32") {
				t.Errorf("%s: %s does not reach NodeLocal DNSCache", example, name)
			}
		}
	}
	for _, kind := range []string{"Gateway", "GatewayClass", "EnvoyProxy", "ClientTrafficPolicy", "Certificate"} {
		if found := chart(t, "shim").ofKind(kind); len(found) > 0 {
			t.Errorf("on a Gateway that is there already: %v", found[0])
		}
	}
	another := chart(t, "deployments", "--set", "gateway.mode=none", "--set", "gateway.peers[0].podSelector.matchLabels.app=proxy")
	for _, kind := range []string{"HTTPRoute", "SecurityPolicy", "BackendTrafficPolicy"} {
		if found := another.ofKind(kind); len(found) > 0 {
			t.Errorf("with another proxy: %v", found[0])
		}
	}
	rules := another.get("PrometheusRule", "blog-interaction")
	if text := mustJSON(rules); strings.Contains(text, "envoy_") || len(rules.list("spec", "groups", 0, "rules")) < 20 {
		t.Errorf("alerts with another proxy: %s", text)
	}
}

// Where pods run, for all but those of SpinApps, which the operator makes.
func TestEveryPodRunsWhereTheValuesSay(t *testing.T) {
	for _, example := range []string{"deployments", "full"} {
		all := chart(t, example, "--set", "scheduling.nodeSelector.pool=own", "--set", "scheduling.tolerations[0].key=own", "--set", "gateway.maxReplicas=4",
			"--set", "gateway.minReplicas=4", "--set", "gateway.service.loadBalancerClass=own")
		for _, pod := range newWorld(all, external{Any: true}, nil).pods {
			if there := pod.spec.NodeSelector["pool"] == "own" && pod.spec.Tolerations[0].Key == "own"; !there && pod.of.kind() != "SpinApp" {
				t.Errorf("%s: %v runs anywhere", example, pod)
			}
		}
		envoy := object(all.get("EnvoyProxy", "blog-gateway").in("spec", "provider", "kubernetes"))
		if envoy.text("envoyDeployment", "pod", "nodeSelector", "pool") != "own" || envoy.text("envoyService", "loadBalancerClass") != "own" ||
			envoy.text("envoyService", "externalTrafficPolicy") != "Local" {
			t.Errorf("%s: %s", example, mustJSON(envoy))
		}
		if envoy.number("envoyDeployment", "replicas") != 4 || envoy.at("envoyHpa") != nil {
			t.Errorf("%s: four Envoys, and no HPA: %s", example, mustJSON(envoy))
		}
	}
}

// A table of a billion rows takes longer than the defaults.
func TestJobsHaveTheTimeThatTheValuesSay(t *testing.T) {
	all := chart(t, "full")
	if seconds := all.get("Job", "blog-migrate").number("spec", "activeDeadlineSeconds"); seconds != 14400 {
		t.Errorf("the migration ends after %d s", seconds)
	}
	comparison := all.get("CronJob", "blog-reconcile-all")
	if comparison.text("spec", "schedule") != "23 1 * * 6" || comparison.number("spec", "jobTemplate", "spec", "activeDeadlineSeconds") != 36000 {
		t.Errorf("%s", mustJSON(comparison))
	}
}

// A CronJob's name has at most 52 characters, and what is too long must fail before the migration runs.
func TestALongReleaseNameIsRefused(t *testing.T) {
	values := "../../k8s/examples/values/deployments.yaml"
	for _, job := range release(t, strings.Repeat("a", 35), "deployments").ofKind("CronJob") {
		if len(job.name()) > 52 {
			t.Errorf("%v", job)
		}
	}
	if _, err := template("../..", strings.Repeat("a", 36), values); err == nil {
		t.Error("36 characters are not refused")
	}
}

// What Envoy takes for the client's address: that of the connection, until other proxies are in front.
func TestEnvoyCountsByAnAddressThatNoClientChooses(t *testing.T) {
	for _, one := range []struct{ hops, header, wanted string }{
		{"0", "X-Forwarded-For", "<nil>"},
		{"1", "X-Forwarded-For", "<nil>"},
		{"2", "X-Forwarded-For", "map[xForwardedFor:map[numTrustedHops:1]]"},
		{"1", "CF-Connecting-IP", "map[customHeader:map[name:CF-Connecting-IP]]"},
		{"2", "X-Real-IP", "map[customHeader:map[name:X-Real-IP]]"},
		// Envoy writes this one itself, but not with any clientIPDetection.
		{"0", "X-Envoy-External-Address", "<nil>"},
		{"1", "X-Envoy-External-Address", "<nil>"},
	} {
		set := "components.settings.trusted_proxy_hops=" + one.hops + ",components.settings.client_address_header=" + one.header
		policy := chart(t, "deployments", "--set-string", set).get("ClientTrafficPolicy", "blog-gateway")
		if found := fmt.Sprint(policy.at("spec", "clientIPDetection")); found != one.wanted {
			t.Errorf("%s proxies, %s: %s", one.hops, one.header, found)
		}
		if removed := policy.texts("spec", "headers", "earlyRequestHeaders", "remove"); slices.Contains(removed, strings.ToLower(one.header)) {
			t.Errorf("%s is removed", one.header)
		}
	}
}

// Envoy cannot read Forwarded, and writes X-Envoy-External-Address only if no other proxy is before it. Without Envoy, both fit.
func TestHeadersInWhichAClientCouldChooseTheAddressAreRefused(t *testing.T) {
	for _, one := range []struct{ hops, header, says string }{
		{"0", "Forwarded", "Envoy cannot read Forwarded"},
		{"1", "forwarded", "Envoy cannot read Forwarded"},
		{"2", "Forwarded", "Envoy cannot read Forwarded"},
		{"2", "X-Envoy-External-Address", "Envoy passes on the X-Envoy-External-Address that a client sends"},
		{"3", "x-envoy-external-address", "Envoy passes on the X-Envoy-External-Address that a client sends"},
	} {
		set := "components.settings.trusted_proxy_hops=" + one.hops + ",components.settings.client_address_header=" + one.header
		for _, example := range []string{"deployments", "shim"} {
			_, err := template("../..", "blog", "../../k8s/examples/values/"+example+".yaml", "--set-string", set)
			if err == nil || !strings.Contains(err.Error(), one.says) {
				t.Errorf("%s: %s proxies, %s: %v", example, one.hops, one.header, err)
			}
		}
		chart(t, "deployments", "--set-string", set, "--set", "gateway.mode=none", "--set", "gateway.peers[0].podSelector.matchLabels.app=proxy")
	}
}

// To the components, a slash at the end of an issuer makes no difference. Envoy compares every character.
func TestTheGatewayKnowsEachIssuerWithAndWithoutASlash(t *testing.T) {
	issuers := func(all ...string) string { return "components.settings.jwt_issuers=" + strings.Join(all, `\,`) }
	set := issuers("https://a.example.com", " https://b.example.com/", "https://a.example.com/")
	var found []string
	for _, provider := range chart(t, "deployments", "--set", set).get("SecurityPolicy", "blog-routes").list("spec", "jwt", "providers") {
		found = append(found, provider.text("name")+" "+provider.text("issuer"))
	}
	if wanted := []string{
		"issuer-0 https://a.example.com", "issuer-0-slash https://a.example.com/",
		"issuer-1 https://b.example.com", "issuer-1-slash https://b.example.com/",
	}; !slices.Equal(found, wanted) {
		t.Errorf("%q", found)
	}
	// Envoy Gateway takes 16 providers.
	var many []string
	for number := range 8 {
		many = append(many, fmt.Sprintf("https://%d.example.com", number))
	}
	if findings := load(t).schemas.check(chart(t, "deployments", "--set", issuers(many...))); len(findings) > 0 {
		t.Errorf("8 issuers: %s", strings.Join(findings, "\n"))
	}
	_, err := template("../..", "blog", "../../k8s/examples/values/deployments.yaml", "--set", issuers(append(many, "https://8.example.com")...))
	if err == nil || !strings.Contains(err.Error(), "9 issuers, but at most 8") {
		t.Errorf("9 issuers: %v", err)
	}
}

// The policies allow every port that the values name, and the migration has a policy of its own.
func TestThePoliciesFollowTheAddresses(t *testing.T) {
	all := chart(t, "deployments", "--set", `kafka.brokers=a:9092\,b:9093`, "--set", "kafka.ports={14001}",
		"--set", "components.settings.jwt_keys_address=https://issuer.example.com:8443", "--set", "keda.peers[0].namespaceSelector.matchLabels.name=autoscaling")
	for policy, ports := range map[string][]string{
		"blog-persister": {"9092", "9093", "14001"}, "blog-migrate": {"9092", "9093", "14001", "3306", "6380"}, "blog-toggle": {"8443"},
	} {
		for _, port := range ports {
			if found := mustJSON(all.get("NetworkPolicy", policy)); !strings.Contains(found, `"port":`+port) {
				t.Errorf("%s does not reach port %s: %s", policy, port, found)
			}
		}
	}
	if found := mustJSON(all.get("NetworkPolicy", "blog-metrics-to-keda")); !strings.Contains(found, `"name":"autoscaling"`) || strings.Contains(found, `"keda"`) {
		t.Errorf("KEDA is elsewhere: %s", found)
	}
	job := chart(t, "deployments", "--set", "persister.migrate.enabled=false").ofKind("Job")
	if len(job) > 0 {
		t.Errorf("a migration that is switched off: %v", job[0])
	}
}

func TestMistakesInValuesAreRefused(t *testing.T) {
	for _, set := range []string{
		"redis.address=redis.example.com:6380", "redis.address=rediss://user:password@redis.example.com:6380", "kafka.brokers=kafka", "mysql.peers=null",
		"components.kind=SpinApps", "components.image=app", "components.settings.redis_url=redis://x", "components.settings.cookie_secure=true",
		"components.toggle.minReplicas=0", "components.togle.minReplicas=2", "persister.environment.KAFKA=x", "persister.image=persister:latest version",
		"gateway.mode=shared", "gateway.mode=none", "gateway.hostname=", "kafka.mechanism=PLAINTEXT", "namePrefix=Blog-", "monitoring.runbook=docs/operations.md",
		"components.settings.jwt_keys_address=", "components.settings.jwt_issuers=", "components.settings.jwt_audiences=",
		"components.settings.client_address_header=Forwarded", "gateway.minReplicas=12", "scheduling.nodeName=x", "kafka.ports[0]=70000", "keda.peers=null", "monitoring.peers=null",
		"components.settings.toggle_user_limits=x", "components.otelEndpoint=http://otel:4318", "persister.environment.INTERACTION_REDIS_URL=x",
	} {
		if _, err := template("../..", "blog", "../../k8s/examples/values/deployments.yaml", "--set", set); err == nil {
			t.Errorf("%s is not refused", set)
		}
	}
}

// An older Kubernetes takes Deployments, and lacks what SpinApps need.
func TestSpinAppsNeedANewerKubernetesThanDeployments(t *testing.T) {
	for kind, fits := range map[string]bool{"Deployment": true, "SpinApp": false} {
		set := "components.kind=" + kind
		_, err := template("../..", "blog", "../../k8s/examples/values/deployments.yaml", "--kube-version", "1.34.0", "--set", set)
		if (err == nil) != fits {
			t.Errorf("%s on 1.34: %v", kind, err)
		}
	}
}

// What Argo CD and Flux are given is of their definitions, and the values in it are the chart's.
func TestTheExamplesForArgoAndFluxAreRight(t *testing.T) {
	loaded := load(t)
	for _, example := range []struct {
		file, kind string
		values     []any
	}{
		{"argo-cd", "Application", []any{"spec", "source", "helm", "valuesObject"}},
		{"flux", "HelmRelease", []any{"spec", "values"}},
	} {
		all := documents(t, "../../k8s/examples/"+example.file+".yaml")
		findings := loaded.schemas.check(all)
		values, err := yaml.Marshal(all.ofKind(example.kind)[0].at(example.values...))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, values, 0o644); err != nil {
			t.Fatal(err)
		}
		rendered, err := template("../..", "blog", file)
		if err != nil {
			t.Fatal(err)
		}
		findings = append(findings, check(rendered, external{Any: true}, loaded.schemas, loaded.repository)...)
		// KEDA sets the replicas of its targets, and whoever applies the chart those of all others.
		ignored := labels.Nothing()
		for _, rule := range all[len(all)-1].list("spec", "driftDetection", "ignore") {
			if ignored, err = labels.Parse(rule.text("target", "labelSelector")); err != nil {
				t.Fatal(err)
			}
		}
		for _, one := range rendered.ofKind("Deployment") {
			scaled := rendered.find("ScaledObject", one.namespace(), one.name()) != nil
			if ignored.Matches(setOf(one)) != scaled && example.file == "flux" || one.at("spec", "replicas") != nil == scaled {
				t.Errorf("%s: who sets the replicas of %v?", example.file, one)
			}
		}
		if len(findings) > 0 {
			t.Errorf("%s: %s", example.file, strings.Join(findings, "\n"))
		}
	}
}
