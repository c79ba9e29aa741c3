package main

import "strings"

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
	{"a value that a rule in CEL refuses", "dev", change("BackendTrafficPolicy", "changes", func(o object) {
		o.in("spec", "responseOverride", 0, "match")["statusCodes"] = []any{map[string]any{"type": "Value"}}
	}), "value must be set for type Value"},
	{"an object of a kind that nobody knows", "dev", change("SpinApp", "toggle", func(o object) {
		o["apiVersion"] = "core.spinoperator.dev/v1alpha1"
	}), "no schema of core.spinoperator.dev/v1alpha1 SpinApp"},
	{"a Secret that is not there", "dev", func(all objects) objects { return without(all, "Secret", "persister") }, "no Secret persister in"},
	{"a Secret that is not expected from outside", "prod", change("Deployment", "warm", func(o object) {
		o.in("spec", "template", "spec", "volumes", 0, "secret")["secretName"] = "presister"
	}), "no Secret presister in interaction"},
	{"a key that a Secret has not", "dev", variable("redis_url", func(o object) { o.in("valueFrom", "secretKeyRef")["key"] = "redis-url" }), "key redis-url"},
	{"a variable that is not set", "dev", variable("redis_address", func(o object) { o["name"] = "cookie_path" }), "variable redis_address is not set"},
	{"a variable that spin.toml does not declare", "dev", variable("redis_address", func(o object) { o["name"] = "redis_adress" }), "spin.toml declares no variable redis_adress"},
	{"a secret given to a component that does not need it", "dev", variable("mysql_url", func(o object) {
		delete(o, "value")
		o["valueFrom"] = map[string]any{"secretKeyRef": map[string]any{"name": "spin", "key": "mysql_url"}}
	}), "variable mysql_url is not used by read"},
	{"a component that is not deployed", "dev", func(all objects) objects { return without(all, "SpinApp", "queries") }, "component queries runs nowhere"},
	{"a component of an app that leaves it out", "dev", change("SpinApp", "queries", func(o object) {
		o.in("spec")["components"] = []any{"queries"}
	}), "component docs runs nowhere"},
	{"a component that is deployed twice", "dev", change("SpinApp", "toggle", func(o object) {
		o.in("spec")["components"] = []any{"toggle", "docs"}
	}), "component docs runs elsewhere too"},
	{"a path of a component that shares its app", "dev", change("HTTPRoute", "queries", func(o object) {
		in := o.in("spec", "rules", 0)
		in["matches"] = in["matches"].([]any)[:2]
	}), `/v1/openapi.json goes to "articles" and not to "queries"`},
	{"a component with another name", "dev", change("SpinApp", "toggle", func(o object) {
		o.in("spec")["components"] = []any{"toggles"}
	}), "has no component toggles"},
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
	{"a high-water mark that the alert does not follow", "dev", setting("outbox_max_length", "2000000"), "is not half of outbox_max_length"},
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
	{"a header that a client could write", "dev", change("ClientTrafficPolicy", "gateway", func(o object) {
		o.in("spec", "headers", "earlyRequestHeaders")["remove"] = []any{"forwarded"}
	}), "clients can write the header x-interaction-user"},
	{"other origins at the gateway", "prod", change("SecurityPolicy", "routes", func(o object) {
		o.in("spec", "cors")["allowOrigins"] = []any{"https://example.com"}
	}), "allows origins https://example.com"},
	{"other tokens at the gateway", "prod", change("SecurityPolicy", "routes", func(o object) {
		o.in("spec", "jwt", "providers", 0)["audiences"] = []any{"another"}
	}), "believes another issuer or audience"},
	{"an issuer with a slash that the gateway does not know", "prod", change("SecurityPolicy", "routes", func(o object) {
		in := o.in("spec", "jwt")
		in["providers"] = in["providers"].([]any)[:1]
	}), "verifies no tokens of https://issuer.example.com/"},
	{"an audience in a claim that the gateway does not know", "prod", setting("jwt_audience_claims", "azp"), "believes another issuer or audience"},
	{"other keys at the gateway", "prod", setting("jwt_keys_url", "https://issuer.example.com/keys"), "has other keys than the components"},
	{"users by another claim at the gateway", "prod", setting("jwt_user_claim", "oid"), "names the user by sub, the components by oid"},
	{"no way to the key set", "prod", change("NetworkPolicy", "toggle", func(o object) {
		in := o.in("spec")
		in["egress"] = in["egress"].([]any)[:3]
	}), "not possible, but needed: toggle -> jwt_keys"},
	{"a flow that is not allowed", "dev", func(all objects) objects { return without(all, "NetworkPolicy", "metrics-to-keda") },
		"not possible, but needed: keda -> warm"},
	{"a flow too many", "dev", change("NetworkPolicy", "redis", func(o object) {
		delete(o.in("spec", "ingress", 0), "from")
	}), "possible, but not needed: prometheus -> redis"},
	{"a store that another component may use", "prod", change("NetworkPolicy", "toggle", func(o object) {
		o.in("spec")["podSelector"] = map[string]any{}
	}), "possible, but not needed: read -> mysql"},
	{"a pod without a policy", "dev", func(all objects) objects { return without(all, "NetworkPolicy", "persister") },
		"possible, but not needed: "},
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
	{"a variable that the persister does not read", "dev", environment("INTERACTION_BROKERS", "kafka:9092"), "reads no variable INTERACTION_BROKERS"},
	{"a mechanism of Kafka without what it needs", "prod", environment("INTERACTION_KAFKA_SASL_MECHANISM", "OAUTHBEARER"), "INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET_FILE is not set"},
	{"a client's key that no Secret has", "prod", environment("INTERACTION_KAFKA_SSL_KEY_LOCATION", "/etc/interaction/secrets/kafka-client.key"), "is no key of a Secret that is mounted"},
	{"a migration that Helm does not wait for", "prod", change("Job", "migrate", func(o object) {
		delete(o.in("metadata", "annotations"), "helm.sh/hook")
	}), "is hook"},
	{"an executor after its apps", "dev", func(all objects) objects {
		return append(without(all, "SpinAppExecutor", "spin"), all.get("SpinAppExecutor", "spin"))
	}, "comes before SpinAppExecutor"},
	{"a check without headers", "dev", change("SpinApp", "toggle", func(o object) {
		delete(o.in("spec", "checks", "liveness", "httpGet"), "httpHeaders")
	}), "would write null"},
	{"components that Argo CD makes beside the persister", "prod", change("SpinApp", "toggle", func(o object) {
		o.in("metadata", "annotations")["argocd.argoproj.io/sync-wave"] = "1"
	}), `is in wave "1", and Deployment interaction/relay in "1"`},
	{"apps whose pods end at once", "dev", func(all objects) objects { return without(all, "MutatingAdmissionPolicy", "interaction") },
		"does not answer while the gateway learns that it goes"},
	{"a policy that comes after the pods", "dev", func(all objects) objects {
		return append(without(all, "MutatingAdmissionPolicyBinding", "interaction"), all.get("MutatingAdmissionPolicyBinding", "interaction"))
	}, "comes after pods"},
	{"a view that is sent twice", "prod", change("BackendTrafficPolicy", "views", func(o object) {
		o.in("spec", "retry", "retryOn")["triggers"] = []any{"connect-failure", "reset"}
	}), "sends read again on"},
	{"a change that breaks with its connection", "prod", change("BackendTrafficPolicy", "changes", func(o object) {
		o.in("spec", "retry", "retryOn")["triggers"] = []any{"connect-failure"}
	}), "sends toggle again on"},
	{"an alert without a runbook", "dev", change("PrometheusRule", "interaction", func(o object) {
		delete(o.in("spec", "groups", 0, "rules", 0, "annotations"), "runbook_url")
	}), "has no runbook_url"},
	{"an alert that leads nowhere", "dev", change("PrometheusRule", "interaction", func(o object) {
		o.in("spec", "groups", 0, "rules", 0, "annotations")["runbook_url"] = "https://docs.example.com/operations.html#nowhere"
	}), "the runbook has no heading nowhere"},
	{"an alert that the runbook does not name", "dev", change("PrometheusRule", "interaction", func(o object) {
		o.in("spec", "groups", 0, "rules", 0)["alert"] = "InteractionRedisGone"
	}), "no row of the runbook that leads to #redis-is-down-or-lost names it"},
	{"a label that Prometheus has itself", "dev", expression(`sum by (job) (interaction_job_interruptions_total)`), "asks for job"},
	{"a bucket as Prometheus 2 stores it", "dev", expression(`envoy_cluster_upstream_rq_time_bucket{le="250"}`), `has no bucket le="250"`},
	{"answers of another release", "dev", expression(`envoy_cluster_upstream_rq{envoy_cluster_name=~"httproute/interaction-spin/.*"}`),
		"counts other routes than ours"},
	{"a dashboard that Grafana refuses", "dev", change("ConfigMap", "dashboard", func(o object) {
		o.in("data")["dashboard.json"] = `{"uid": "` + strings.Repeat("a", 41) + `"}`
	}), "a uid of 41 characters"},
	{"a Secret that changes under running pods", "prod", change("Deployment", "warm", func(o object) {
		delete(o.in("metadata", "annotations"), "reloader.stakater.com/auto")
	}), "Deployment interaction/warm: a change of Secret persister would not restart it"},
	{"keys that change under running components", "prod", change("SpinApp", "toggle", func(o object) {
		delete(o.in("spec"), "deploymentAnnotations")
	}), "SpinApp interaction-spin/toggle: a change of Secret spin would not restart it"},
	{"a volume that keeps its node", "prod", change("Deployment", "relay", func(o object) {
		in := o.in("spec", "template", "spec")
		in["volumes"] = append(in["volumes"].([]any), map[string]any{"name": "tmp", "emptyDir": map[string]any{}})
	}), "its volume tmp keeps the cluster autoscaler from removing a node"},
	{"a hook that Helm forgets", "prod", change("NetworkPolicy", "migrate", func(o object) {
		o.in("metadata", "annotations")["helm.sh/hook-delete-policy"] = "before-hook-creation"
	}), "is left after helm uninstall"},
	{"a comparison whose alert stays", "prod", change("CronJob", "reconcile-all", func(o object) {
		delete(o.in("spec", "jobTemplate", "spec"), "ttlSecondsAfterFinished")
	}), "its failed Jobs stay"},
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
