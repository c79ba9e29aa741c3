package main

import "slices"

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
	{"a typing error in a custom resource", "dev", change("ScaledObject", "toggle", func(o object) {
		o.in("spec")["maxReplicas"] = int64(3)
	}), "unknown field spec.maxReplicas"},
	{"a typing error in metadata", "dev", change("SpinApp", "toggle", func(o object) {
		o.in("metadata")["lables"] = map[string]any{}
	}), `unknown field "lables"`},
	{"a number where a text belongs", "dev", change("ScaledObject", "toggle", func(o object) {
		o.in("spec", "triggers", 0, "metadata")["value"] = int64(60)
	}), "must be of type string"},
	{"a required field left out", "dev", change("SpinApp", "toggle", func(o object) {
		delete(o.in("spec"), "image")
	}), "spec.image: Required value"},
	{"a value that a rule in CEL refuses", "dev", change("BackendTrafficPolicy", "interaction", func(o object) {
		o.in("spec", "responseOverride", 0, "match")["statusCodes"] = []any{map[string]any{"type": "Value"}}
	}), "value must be set for type Value"},
	{"an object of a kind that nobody knows", "dev", change("SpinApp", "toggle", func(o object) {
		o["apiVersion"] = "core.spinoperator.dev/v1alpha1"
	}), "no schema of core.spinoperator.dev/v1alpha1 SpinApp"},
	{"a Secret that is not there", "dev", func(all objects) objects { return without(all, "Secret", "persister") }, "no Secret persister-"},
	{"a Secret that is not expected from outside", "prod", change("Deployment", "warm", func(o object) {
		o.in("spec", "template", "spec", "volumes", 0, "secret")["secretName"] = "presister"
	}), "no Secret presister in interaction"},
	{"a key that a Secret has not", "dev", change("SpinApp", "toggle", func(o object) {
		o.in("spec", "variables", 2, "valueFrom", "secretKeyRef")["key"] = "redis-url"
	}), "key redis-url"},
	{"a variable that is not set", "dev", change("SpinApp", "toggle", func(o object) {
		in := o.in("spec")
		in["variables"] = in["variables"].([]any)[1:]
	}), "variable redis_address is not set"},
	{"a variable that spin.toml does not declare", "dev", change("SpinApp", "toggle", func(o object) {
		o.in("spec", "variables", 0)["name"] = "redis_adress"
	}), "spin.toml declares no variable redis_adress"},
	{"a secret given to a component that does not need it", "dev", change("SpinApp", "read", func(o object) {
		variable := o.in("spec", "variables", 3)
		delete(variable, "value")
		variable["valueFrom"] = map[string]any{"secretKeyRef": map[string]any{"name": "spin", "key": "mysql_url"}}
	}), "variable mysql_url is not used by read"},
	{"a component that is not deployed", "dev", func(all objects) objects { return without(all, "SpinApp", "queries") }, "component queries has no SpinApp"},
	{"a component of an app that leaves it out", "dev", change("SpinApp", "queries", func(o object) {
		o.in("spec")["components"] = []any{"queries"}
	}), "component docs has no SpinApp"},
	{"a component that is deployed twice", "dev", change("SpinApp", "toggle", func(o object) {
		o.in("spec")["components"] = []any{"toggle", "docs"}
	}), "component docs has another SpinApp"},
	{"a path of a component that shares its app", "dev", change("HTTPRoute", "queries", func(o object) {
		in := o.in("spec", "rules", 0)
		in["matches"] = in["matches"].([]any)[:2]
	}), `/v1/openapi.json goes to "articles" and not to "queries"`},
	{"a component with another name", "dev", change("SpinApp", "toggle", func(o object) {
		o.in("spec")["components"] = []any{"toggles"}
	}), "has components [toggles]"},
	{"readiness by another component's path", "dev", change("SpinApp", "toggle", func(o object) {
		o.in("spec", "checks", "readiness", "httpGet")["path"] = "/healthz/read"
	}), "is ready by"},
	{"replicas beside autoscaling", "dev", change("SpinApp", "toggle", func(o object) { o.in("spec")["replicas"] = int64(2) }),
		"refuses replicas with enableAutoscaling"},
	{"a runtime config of its own", "dev", change("Secret", "runtime-config", func(o object) {
		o.in("data")["runtime-config.toml"] = "YQ=="
	}), "is not the repository's runtime-config.toml"},
	{"a scaler without a target", "dev", change("ScaledObject", "relay", func(o object) {
		o.in("spec", "scaleTargetRef")["name"] = "relays"
	}), "no Deployment relays"},
	{"replicas beside a scaler", "dev", change("Deployment", "relay", func(o object) { o.in("spec")["replicas"] = int64(2) }),
		"each apply would set the replicas"},
	{"a fallback with cpu alone", "dev", change("ScaledObject", "toggle", func(o object) {
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
	{"a path to the wrong component", "dev", change("HTTPRoute", "toggle", func(o object) {
		o.in("spec", "rules", 0, "backendRefs", 0)["name"] = "read"
	}), `PUT /v1/articles/42/42 goes to "read" and not to "toggle"`},
	{"a path of the article service taken away", "dev", change("HTTPRoute", "toggle", func(o object) {
		o.in("spec", "rules", 0, "matches", 0, "path")["value"] = "/v1/articles/.*"
	}), `PUT /v1/articles/42/comments/7 goes to "toggle" and not to "articles"`},
	{"a method of the article service taken away", "dev", change("HTTPRoute", "toggle", func(o object) {
		delete(o.in("spec", "rules", 0, "matches", 0), "method")
	}), `GET /v1/articles/42/42 goes to "toggle" and not to "articles"`},
	{"a preflight of the article service taken away", "dev", change("HTTPRoute", "toggle", func(o object) {
		delete(o.in("spec", "rules", 0, "matches", 2), "headers")
	}), `OPTIONS /v1/articles/42/42 POST goes to "toggle" and not to "articles"`},
	{"a preflight that goes elsewhere", "dev", change("HTTPRoute", "toggle", func(o object) {
		o.in("spec", "rules", 0, "matches", 2, "headers", 0)["value"] = "PUT"
	}), `OPTIONS /v1/articles/42/42 DELETE goes to "articles" and not to "toggle"`},
	{"a general expression before a special one", "dev", change("HTTPRoute", "read", func(o object) {
		o.in("spec", "rules", 0, "matches", 0, "path")["value"] = "/v1/articles/[^/]+/.*s"
	}), `PUT /v1/articles/42/views goes to "toggle" and not to "read"`},
	{"a route to a port that is not there", "dev", change("HTTPRoute", "toggle", func(o object) {
		o.in("spec", "rules", 0, "backendRefs", 0)["port"] = int64(3000)
	}), "has no port 3000"},
	{"a header that a client could write", "dev", change("ClientTrafficPolicy", "interaction", func(o object) {
		o.in("spec", "headers", "earlyRequestHeaders")["remove"] = []any{"forwarded"}
	}), "clients can write the header x-interaction-user"},
	{"other origins at the gateway", "prod", change("SecurityPolicy", "interaction", func(o object) {
		o.in("spec", "cors")["allowOrigins"] = []any{"https://example.com"}
	}), "allows origins https://example.com"},
	{"other tokens at the gateway", "prod", change("SecurityPolicy", "interaction", func(o object) {
		o.in("spec", "jwt", "providers", 0)["audiences"] = []any{"another"}
	}), "believes another issuer or audience"},
	{"an audience in a claim that the gateway does not know", "prod", change("ConfigMap", "spin", func(o object) {
		o.in("data")["jwt_audience_claims"] = "azp"
	}), "believes another issuer or audience"},
	{"other keys at the gateway", "prod", change("ConfigMap", "spin", func(o object) {
		o.in("data")["jwt_keys_url"] = "https://issuer.example.com/keys"
	}), "has other keys than the components"},
	{"users by another claim at the gateway", "prod", change("ConfigMap", "spin", func(o object) {
		o.in("data")["jwt_user_claim"] = "oid"
	}), "names the user by sub, the components by oid"},
	{"no way to the key set", "prod", func(all objects) objects { return without(all, "NetworkPolicy", "to-issuer") },
		"not possible, but needed: toggle -> jwt_keys"},
	{"a flow that is not allowed", "dev", func(all objects) objects { return without(all, "NetworkPolicy", "metrics-to-keda") },
		"not possible, but needed: keda -> warm"},
	{"a flow too many", "dev", change("NetworkPolicy", "redis", func(o object) {
		delete(o.in("spec", "ingress", 0), "from")
	}), "possible, but not needed: prometheus -> redis"},
	{"a store that another component may use", "prod", change("NetworkPolicy", "to-mysql", func(o object) {
		o.in("spec")["podSelector"] = map[string]any{}
	}), "possible, but not needed: read -> mysql"},
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
	{"a mechanism of Kafka without what it needs", "prod", change("ConfigMap", "persister", func(o object) {
		o.in("data")["INTERACTION_KAFKA_SASL_MECHANISM"] = "OAUTHBEARER"
	}), "INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET_FILE is not set"},
	{"a client's key that no Secret has", "prod", change("ConfigMap", "persister", func(o object) {
		o.in("data")["INTERACTION_KAFKA_SSL_KEY_LOCATION"] = "/etc/interaction/secrets/kafka-client.key"
	}), "is no key of a Secret that is mounted"},
	{"a Job that keeps its name over releases", "prod", change("Job", "migrate", func(o object) {
		o.in("spec", "template", "spec", "containers", 0)["image"] = "registry.example.com/interaction/persister:0.2.0"
	}), "its name must carry the release"},
	{"less time to end than it takes", "dev", change("Deployment", "consume", func(o object) {
		o.in("spec", "template", "spec")["terminationGracePeriodSeconds"] = int64(5)
	}), "is killed before it has ended"},
	{"a budget that covers nothing", "dev", change("PodDisruptionBudget", "warm", func(o object) {
		o.in("spec", "selector", "matchLabels")["app.kubernetes.io/component"] = "warmer"
	}), "is not the budget of one workload"},
	{"a namespace that nobody makes", "prod", change("ScaledObject", "toggle", func(o object) {
		o.in("metadata")["namespace"] = "interaction-apps"
	}), "no Namespace interaction-apps"},
}
