package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// rendered is what all tests begin with: the overlays as they are, in which nothing is found.
type rendered struct {
	schemas    *schemas
	repository *repository
	// By overlay, once for all tests: to render takes longer than to check.
	rendered map[string]objects
}

func load(t *testing.T) rendered {
	t.Helper()
	dir := os.Getenv("SCHEMAS")
	if dir == "" {
		t.Fatal("SCHEMAS must name the folder of schemas: run `make k8s-check`")
	}
	schemas, err := loadSchemas(dir)
	if err != nil {
		t.Fatal(err)
	}
	repository, err := readRepository("../..")
	if err != nil {
		t.Fatal(err)
	}
	read := rendered{schemas, repository, map[string]objects{}}
	for _, overlay := range overlays {
		if read.rendered[overlay], err = render("../..", overlay); err != nil {
			t.Fatal(err)
		}
	}
	return read
}

func (r rendered) find(t *testing.T, overlay string, spoil func(objects) objects) []string {
	t.Helper()
	var all objects
	for _, one := range r.rendered[overlay] {
		all = append(all, runtime.DeepCopyJSON(one))
	}
	external, err := readExternal("../..", overlay)
	if err != nil {
		t.Fatal(err)
	}
	return check(spoil(all), external, r.schemas, r.repository)
}

// get panics where a test spoils what is not there.
func (all objects) get(kind, name string) object {
	for _, one := range all {
		if one.kind() == kind && (one.name() == name || strings.HasPrefix(one.name(), name+"-")) {
			return one
		}
	}
	panic("no " + kind + " " + name)
}

func (o object) in(path ...any) map[string]any { return o.at(path...).(map[string]any) }

func without(all objects, kind, name string) objects {
	spoilt := all.get(kind, name)
	var rest objects
	for _, one := range all {
		if one.String() != spoilt.String() {
			rest = append(rest, one)
		}
	}
	return rest
}

// Each mistake is one that was made somewhere, and each must be found by the words that lead to it.
var mistakes = []struct {
	name    string
	overlay string
	spoil   func(objects) objects
	says    string
}{
	{"a typing error in a Deployment", "dev", change("Deployment", "relay", func(o object) {
		o.in("spec", "template", "spec", "containers", 0)["resuorces"] = map[string]any{}
	}), `unknown field "spec.template.spec.containers[0].resuorces"`},
	{"a typing error in a custom resource", "dev", change("ScaledObject", "like", func(o object) {
		o.in("spec")["maxReplicas"] = int64(3)
	}), "unknown field spec.maxReplicas"},
	{"a typing error in metadata", "dev", change("SpinApp", "like", func(o object) {
		o.in("metadata")["lables"] = map[string]any{}
	}), `unknown field "lables"`},
	{"a number where a text belongs", "dev", change("ScaledObject", "like", func(o object) {
		o.in("spec", "triggers", 0, "metadata")["value"] = int64(60)
	}), "must be of type string"},
	{"a required field left out", "dev", change("SpinApp", "like", func(o object) {
		delete(o.in("spec"), "image")
	}), "spec.image: Required value"},
	{"a value that a rule in CEL refuses", "dev", change("BackendTrafficPolicy", "interaction", func(o object) {
		o.in("spec", "responseOverride", 0, "match")["statusCodes"] = []any{map[string]any{"type": "Value"}}
	}), "value must be set for type Value"},
	{"an object of a kind that nobody knows", "dev", change("SpinApp", "like", func(o object) {
		o["apiVersion"] = "core.spinoperator.dev/v1alpha1"
	}), "no schema of core.spinoperator.dev/v1alpha1 SpinApp"},
	{"a Secret that is not there", "dev", func(all objects) objects { return without(all, "Secret", "persister") }, "no Secret persister-"},
	{"a Secret that is not expected from outside", "prod", change("Deployment", "warm", func(o object) {
		o.in("spec", "template", "spec", "volumes", 0, "secret")["secretName"] = "presister"
	}), "no Secret presister in interaction"},
	{"a key that a Secret has not", "dev", change("SpinApp", "like", func(o object) {
		o.in("spec", "variables", 2, "valueFrom", "secretKeyRef")["key"] = "redis-url"
	}), "key redis-url"},
	{"a variable that is not set", "dev", change("SpinApp", "like", func(o object) {
		in := o.in("spec")
		in["variables"] = in["variables"].([]any)[1:]
	}), "variable redis_address is not set"},
	{"a variable that spin.toml does not declare", "dev", change("SpinApp", "like", func(o object) {
		o.in("spec", "variables", 0)["name"] = "redis_adress"
	}), "spin.toml declares no variable redis_adress"},
	{"a secret given to a component that does not need it", "dev", change("SpinApp", "like", func(o object) {
		variable := o.in("spec", "variables", 3)
		delete(variable, "value")
		variable["valueFrom"] = map[string]any{"secretKeyRef": map[string]any{"name": "spin", "key": "mysql_url"}}
	}), "variable mysql_url is not used by like"},
	{"a component that is not deployed", "dev", func(all objects) objects { return without(all, "SpinApp", "queries") }, "component queries has no SpinApp"},
	{"a component of an app that leaves it out", "dev", change("SpinApp", "queries", func(o object) {
		o.in("spec")["components"] = []any{"queries"}
	}), "component docs has no SpinApp"},
	{"a component that is deployed twice", "dev", change("SpinApp", "like", func(o object) {
		o.in("spec")["components"] = []any{"like", "docs"}
	}), "component docs has another SpinApp"},
	{"a path of a component that shares its app", "dev", change("HTTPRoute", "queries", func(o object) {
		in := o.in("spec", "rules", 0)
		in["matches"] = in["matches"].([]any)[:2]
	}), `/v1/openapi.json goes to "articles" and not to "queries"`},
	{"a component with another name", "dev", change("SpinApp", "like", func(o object) {
		o.in("spec")["components"] = []any{"likes"}
	}), "has components [likes]"},
	{"readiness by another component's path", "dev", change("SpinApp", "like", func(o object) {
		o.in("spec", "checks", "readiness", "httpGet")["path"] = "/healthz/read"
	}), "is ready by"},
	{"replicas beside autoscaling", "dev", change("SpinApp", "like", func(o object) { o.in("spec")["replicas"] = int64(2) }),
		"refuses replicas with enableAutoscaling"},
	{"a runtime config of its own", "dev", change("Secret", "runtime-config", func(o object) {
		o.in("data")["runtime-config.toml"] = "YQ=="
	}), "is not the repository's runtime-config.toml"},
	{"a scaler without a target", "dev", change("ScaledObject", "relay", func(o object) {
		o.in("spec", "scaleTargetRef")["name"] = "relays"
	}), "no Deployment relays"},
	{"replicas beside a scaler", "dev", change("Deployment", "relay", func(o object) { o.in("spec")["replicas"] = int64(2) }),
		"each apply would set the replicas"},
	{"a fallback with cpu alone", "dev", change("ScaledObject", "like", func(o object) {
		o.in("spec")["fallback"] = map[string]any{"failureThreshold": int64(3), "replicas": int64(4)}
	}), "refuses a fallback where every trigger is cpu"},
	{"more consumers than partitions", "prod", change("ScaledObject", "consume", func(o object) {
		o.in("spec")["maxReplicaCount"] = int64(17)
	}), "17 consumers for 16 partitions"},
	{"a scaler of a metric that nobody exports", "dev", change("ScaledObject", "relay", func(o object) {
		o.in("spec", "triggers", 0, "metadata")["valueLocation"] = "interaction_outbox_length"
	}), "exports no gauge interaction_outbox_length"},
	{"a scaler of another group", "dev", change("ScaledObject", "consume", func(o object) {
		o.in("spec", "triggers", 0, "metadata")["consumerGroup"] = "persister"
	}), "asks for topic interaction.events and group persister"},
	{"an alert on a metric that nobody exports", "dev", change("PrometheusRule", "interaction", func(o object) {
		o.in("spec", "groups", 0, "rules", 0)["expr"] = "interaction_redis_up == 0"
	}), "nobody exports interaction_redis_up"},
	{"a histogram used as a gauge", "dev", change("PrometheusRule", "interaction", func(o object) {
		o.in("spec", "groups", 0, "rules", 0)["expr"] = "interaction_event_lag_seconds > 3"
	}), "is a histogram"},
	{"a row of the runbook without an alert", "dev", change("PrometheusRule", "interaction", func(o object) {
		in := o.in("spec", "groups", 0)
		in["rules"] = in["rules"].([]any)[1:]
	}), "no alert for the row"},
	{"a high-water mark that the alert does not follow", "dev", change("ConfigMap", "spin", func(o object) {
		o.in("data")["outbox_max_length"] = "2000000"
	}), "is not half of outbox_max_length"},
	{"a path to the wrong component", "dev", change("HTTPRoute", "like", func(o object) {
		o.in("spec", "rules", 0, "backendRefs", 0)["name"] = "read"
	}), `/v1/articles/42/like goes to "read" and not to "like"`},
	{"a path of the article service taken away", "dev", change("HTTPRoute", "like", func(o object) {
		o.in("spec", "rules", 0, "matches", 0, "path")["value"] = "/v1/articles/.*"
	}), `/v1/articles/42/comments goes to "like" and not to "articles"`},
	{"a route to a port that is not there", "dev", change("HTTPRoute", "like", func(o object) {
		o.in("spec", "rules", 0, "backendRefs", 0)["port"] = int64(3000)
	}), "has no port 3000"},
	{"a header that a client could write", "dev", change("ClientTrafficPolicy", "interaction", func(o object) {
		o.in("spec", "headers", "earlyRequestHeaders")["remove"] = []any{"forwarded"}
	}), "clients can write the header x-interaction-user"},
	{"other origins at the gateway", "prod", change("SecurityPolicy", "interaction", func(o object) {
		o.in("spec", "cors")["allowOrigins"] = []any{"https://example.com"}
	}), "allows origins https://example.com"},
	{"a flow that is not allowed", "dev", func(all objects) objects { return without(all, "NetworkPolicy", "metrics-to-keda") },
		"not possible, but needed: keda -> warm"},
	{"a flow too many", "dev", change("NetworkPolicy", "redis", func(o object) {
		delete(o.in("spec", "ingress", 0), "from")
	}), "possible, but not needed: prometheus -> redis"},
	{"a store that another component may use", "prod", change("NetworkPolicy", "to-mysql", func(o object) {
		o.in("spec")["podSelector"] = map[string]any{}
	}), "possible, but not needed: like -> mysql"},
	// In the components' namespace other policies select every pod, both ways; here they leave some out.
	{"a namespace without a default", "dev", func(all objects) objects {
		return slices.DeleteFunc(all, func(o object) bool {
			return o.kind() == "NetworkPolicy" && o.name() == "default-deny" && o.namespace() == "interaction"
		})
	}, "possible, but not needed: "},
	{"a pod that runs as root", "dev", change("Deployment", "relay", func(o object) {
		delete(o.in("spec", "template", "spec"), "securityContext")
	}), "Pod Security restricted refuses it"},
	{"an image without a tag", "dev", change("StatefulSet", "redis", func(o object) {
		o.in("spec", "template", "spec", "containers", 0)["image"] = "redis"
	}), "image redis has no fixed tag"},
	{"a probe of a port that is not there", "dev", change("Deployment", "relay", func(o object) {
		o.in("spec", "template", "spec", "containers", 0, "livenessProbe", "httpGet")["port"] = "http"
	}), "probe asks port http"},
	{"a command that the persister has not", "dev", change("Deployment", "relay", func(o object) {
		o.in("spec", "template", "spec", "containers", 0)["args"] = []any{"relays"}
	}), "has no command [relays]"},
	{"a variable that the persister does not read", "dev", change("ConfigMap", "persister", func(o object) {
		o.in("data")["INTERACTION_BROKERS"] = "kafka:9092"
	}), "reads no variable INTERACTION_BROKERS"},
	{"a Job that keeps its name over releases", "prod", change("Job", "migrate", func(o object) {
		o.in("spec", "template", "spec", "containers", 0)["image"] = "registry.example.com/interaction/persister:0.2.0"
	}), "its name must carry the release"},
	{"less time to end than it takes", "dev", change("Deployment", "consume", func(o object) {
		o.in("spec", "template", "spec")["terminationGracePeriodSeconds"] = int64(5)
	}), "is killed before it has ended"},
	{"a budget that covers nothing", "dev", change("PodDisruptionBudget", "warm", func(o object) {
		o.in("spec", "selector", "matchLabels")["app.kubernetes.io/component"] = "warmer"
	}), "is not the budget of one workload"},
	{"a namespace that nobody makes", "prod", change("ScaledObject", "like", func(o object) {
		o.in("metadata")["namespace"] = "interaction-apps"
	}), "no Namespace interaction-apps"},
}

func change(kind, name string, spoil func(object)) func(objects) objects {
	return func(all objects) objects {
		spoil(all.get(kind, name))
		return all
	}
}

func TestTheOverlaysAreWithoutFindings(t *testing.T) {
	loaded := load(t)
	for _, overlay := range overlays {
		for _, finding := range loaded.find(t, overlay, func(all objects) objects { return all }) {
			t.Errorf("%s: %s", overlay, finding)
		}
	}
}

func TestEachMistakeIsFound(t *testing.T) {
	loaded := load(t)
	for _, mistake := range mistakes {
		t.Run(mistake.name, func(t *testing.T) {
			findings := strings.Join(loaded.find(t, mistake.overlay, mistake.spoil), "\n")
			if !strings.Contains(findings, mistake.says) {
				t.Errorf("not found: %q, only:\n%s", mistake.says, findings)
			}
		})
	}
}

// withComponent renders an overlay of its own: prod with one of k8s/components, which must fit though none uses it yet.
func withComponent(t *testing.T, component string) objects {
	t.Helper()
	// Kustomize takes folders by relative paths only.
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "k8s/overlays/more")
	relative := func(path string) string {
		absolute, err := filepath.Abs(filepath.Join("../../k8s", path))
		if err != nil {
			t.Fatal(err)
		}
		from, err := filepath.Rel(at, absolute)
		if err != nil {
			t.Fatal(err)
		}
		return from
	}
	text := "resources: [" + relative("overlays/prod") + "]\ncomponents: [" + relative("components/"+component) + "]\n"
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := render(dir, "more")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAShimCanRunTheApplication(t *testing.T) {
	loaded, all := load(t), withComponent(t, "shim")
	if findings := loaded.schemas.check(all); len(findings) > 0 {
		t.Error(strings.Join(findings, "\n"))
	}
	executor := all.get("SpinAppExecutor", "spin")
	if executor.text("spec", "deploymentConfig", "runtimeClassName") == "" || executor.text("spec", "deploymentConfig", "spinImage") != "" {
		t.Errorf("%v", executor)
	}
	deployment, _ := operatorMakes(all.get("SpinApp", "like"), executor)
	if image := deployment.text("spec", "template", "spec", "containers", 0, "image"); !strings.Contains(image, "spin-app") {
		t.Errorf("runs %s", image)
	}
}

func TestSpinSendsTelemetryToTheCollector(t *testing.T) {
	loaded := load(t)
	loaded.rendered["prod"] = withComponent(t, "otel")
	if findings := loaded.find(t, "prod", func(all objects) objects { return all }); len(findings) > 0 {
		t.Error(strings.Join(findings, "\n"))
	}
	deployment, _ := operatorMakes(loaded.rendered["prod"].get("SpinApp", "like"), loaded.rendered["prod"].get("SpinAppExecutor", "spin"))
	endpoint := ""
	for _, variable := range deployment.list("spec", "template", "spec", "containers", 0, "env") {
		if variable.text("name") == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			endpoint = variable.text("value")
		}
	}
	if !strings.HasPrefix(endpoint, "http://otel-collector.monitoring.svc.") {
		t.Errorf("sends to %q", endpoint)
	}
	for _, mistake := range []struct {
		name  string
		spoil func(objects) objects
		says  string
	}{
		{"a flow that is not allowed", func(all objects) objects { return without(all, "NetworkPolicy", "to-collector") },
			"not possible, but needed: like -> collector"},
		{"a flow that nobody needs", change("SpinAppExecutor", "spin", func(o object) { delete(o.in("spec", "deploymentConfig"), "otel") }),
			"possible, but not needed: like -> collector"},
		{"an address where no collector is", change("SpinAppExecutor", "spin", func(o object) {
			o.in("spec", "deploymentConfig", "otel")["exporter_otlp_endpoint"] = "http://otel-collector.monitoring.svc.cluster.local:4317"
		}), "not possible, but needed: like -> http://otel-collector.monitoring.svc.cluster.local:4317"},
		{"an address that is no rollout", change("SpinApp", "like", func(o object) {
			delete(o.in("spec", "podAnnotations"), "interaction/otel-endpoint")
		}), "a new address of its executor's telemetry would not be a rollout"},
	} {
		if findings := strings.Join(loaded.find(t, "prod", mistake.spoil), "\n"); !strings.Contains(findings, mistake.says) {
			t.Errorf("%s is not found: %q, only:\n%s", mistake.name, mistake.says, findings)
		}
	}
}

// k8s/examples/strimzi.yaml is in no overlay: what it says of the persister must hold all the same.
func TestTheExampleOfKafkaIsOfThePersister(t *testing.T) {
	loaded := load(t)
	text, err := os.ReadFile("../../k8s/examples/strimzi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all objects
	for _, document := range strings.Split("\n"+string(text), "\n---") {
		var one object
		if err := yaml.UnmarshalStrict([]byte(document), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	settings := newWorld(loaded.rendered["prod"], external{}, loaded.repository).environment()
	if brokers := all.get("KafkaNodePool", "brokers").number("spec", "replicas"); fmt.Sprint(brokers) != settings["INTERACTION_TOPIC_REPLICATION"] {
		t.Errorf("%d brokers", brokers)
	}
	wanted := []string{"topic " + loaded.repository.topic, "topic " + loaded.repository.topic + ".dlq", "group " + loaded.repository.group}
	if err := filepath.WalkDir("../../persister/src", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := os.ReadFile(path)
		if group := first(`"group.id", "([^"]+)"`, string(source)); group != "" {
			wanted = append(wanted, "group "+group)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rule := range all.get("KafkaUser", settings["INTERACTION_KAFKA_USERNAME"]).list("spec", "authorization", "acls") {
		got = append(got, rule.text("resource", "type")+" "+rule.text("resource", "name"))
	}
	slices.Sort(wanted)
	slices.Sort(got)
	if !slices.Equal(got, wanted) {
		t.Errorf("the user has rights on %v; the persister uses %v", got, wanted)
	}
	// Prod with these brokers, as k8s/README.md says.
	findings := loaded.find(t, "prod", func(prod objects) objects {
		brokers := "interaction-kafka-bootstrap.kafka.svc.cluster.local:9093"
		prod.get("ConfigMap", "persister").in("data")["INTERACTION_KAFKA_BROKERS"] = brokers
		prod.get("ScaledObject", "consume").in("spec", "triggers", 0, "metadata")["bootstrapServers"] = brokers
		prod.get("NetworkPolicy", "to-stores").in("spec", "egress", 2)["to"] = []any{map[string]any{
			"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": "kafka"}},
			"podSelector": map[string]any{"matchLabels": map[string]any{
				"strimzi.io/cluster": all.get("Kafka", "interaction").name(), "strimzi.io/broker-role": "true",
			}},
		}}
		prod.get("NetworkPolicy", "to-stores").in("spec", "egress", 2, "ports", 0)["port"] = all.get("Kafka", "interaction").at("spec", "kafka", "listeners", 0, "port")
		return prod
	})
	if len(findings) > 0 {
		t.Error(strings.Join(findings, "\n"))
	}
}

func TestAnHPAMustHaveAllThatIsSaid(t *testing.T) {
	behavior := func(window, value int64, selects string) any {
		policy := map[string]any{"type": "Percent", "value": value, "periodSeconds": int64(15)}
		made := map[string]any{"stabilizationWindowSeconds": window, "policies": []any{policy}}
		if selects != "" {
			made["selectPolicy"] = selects
		}
		return map[string]any{"scaleUp": made}
	}
	said := behavior(0, 100, "")
	if where := lacks(behavior(0, 100, "Max"), said, "behavior"); where != "" {
		t.Errorf("a default is no difference: %s", where)
	}
	more := behavior(0, 100, "Max").(map[string]any)
	up := more["scaleUp"].(map[string]any)
	up["policies"] = append(up["policies"].([]any), map[string]any{"type": "Pods"})
	for _, wrong := range []any{nil, behavior(30, 100, "Max"), behavior(0, 50, "Max"), more, map[string]any{"scaleDown": nil}} {
		if lacks(wrong, said, "behavior") == "" {
			t.Errorf("no difference found: %v", wrong)
		}
	}
	if lacks(behavior(0, 100, "Min"), behavior(0, 100, "Max"), "behavior") == "" {
		t.Error("another selectPolicy is not found")
	}
}
