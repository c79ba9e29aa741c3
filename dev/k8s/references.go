package main

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// checkNamespaces: each object's is made by the overlay, or expected from outside.
func checkNamespaces(w *world) []string {
	var findings []string
	for _, one := range w.objects {
		in := one.namespace()
		if in != "" && !w.external.Any && w.objects.find("Namespace", "", in) == nil && !slices.Contains(w.external.Namespaces, in) {
			findings = append(findings, refuse(one, "no Namespace %s", in))
		}
	}
	return findings
}

// has says whether a ConfigMap or Secret is there, with a key where one is asked for.
func (w *world) has(kind, namespace, name, key string) bool {
	if kind == "Secret" {
		for _, secret := range w.external.Secrets {
			if secret.Namespace == namespace && secret.Name == name {
				return key == "" || slices.Contains(secret.Keys, key)
			}
		}
		for _, certificate := range w.objects.ofKind("Certificate") {
			if certificate.namespace() == namespace && certificate.text("spec", "secretName") == name {
				return key == "" || slices.Contains([]string{"tls.crt", "tls.key", "ca.crt"}, key)
			}
		}
	}
	found := w.objects.find(kind, namespace, name)
	if found == nil && kind == "Secret" && w.external.Any {
		return true
	}
	if found == nil || key == "" {
		return found != nil
	}
	for _, data := range []string{"data", "stringData", "binaryData"} {
		if _, has := found.textMap(data)[key]; has {
			return true
		}
	}
	return false
}

// A reference from an object to a ConfigMap or Secret, and a key of it if one is named.
type reference struct {
	from            any
	namespace       string
	kind, name, key string
}

func (w *world) references() []reference {
	var all []reference
	for _, pod := range w.pods {
		add := func(kind, name, key string) {
			all = append(all, reference{pod, pod.namespace, kind, name, key})
		}
		for _, container := range append(pod.spec.InitContainers, pod.spec.Containers...) {
			for _, from := range container.EnvFrom {
				if from.ConfigMapRef != nil {
					add("ConfigMap", from.ConfigMapRef.Name, "")
				}
				if from.SecretRef != nil {
					add("Secret", from.SecretRef.Name, "")
				}
			}
			for _, variable := range container.Env {
				if from := variable.ValueFrom; from != nil && from.ConfigMapKeyRef != nil {
					add("ConfigMap", from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key)
				} else if from != nil && from.SecretKeyRef != nil {
					key := from.SecretKeyRef.Key
					if from.SecretKeyRef.Optional != nil && *from.SecretKeyRef.Optional {
						key = ""
					}
					add("Secret", from.SecretKeyRef.Name, key)
				}
			}
		}
		for _, volume := range pod.spec.Volumes {
			keys := func(items []corev1.KeyToPath) []string {
				named := []string{""}
				for _, item := range items {
					named = append(named, item.Key)
				}
				return named
			}
			if volume.Secret != nil {
				for _, key := range keys(volume.Secret.Items) {
					add("Secret", volume.Secret.SecretName, key)
				}
			}
			if volume.ConfigMap != nil {
				for _, key := range keys(volume.ConfigMap.Items) {
					add("ConfigMap", volume.ConfigMap.Name, key)
				}
			}
		}
	}
	for _, one := range w.objects {
		add := func(kind, name, key string) {
			all = append(all, reference{one, one.namespace(), kind, name, key})
		}
		switch one.kind() {
		case "TriggerAuthentication":
			for _, target := range one.list("spec", "secretTargetRef") {
				add("Secret", target.text("name"), target.text("key"))
			}
		case "SecurityPolicy":
			for _, provider := range one.list("spec", "jwt", "providers") {
				if name := provider.text("localJWKS", "valueRef", "name"); name != "" {
					add("ConfigMap", name, "jwks")
				}
			}
		case "Gateway":
			for _, listener := range one.list("spec", "listeners") {
				for _, certificate := range listener.list("tls", "certificateRefs") {
					add("Secret", certificate.text("name"), "tls.crt")
				}
			}
		}
	}
	return all
}

// checkReferences: each ConfigMap and Secret that is named is there, and each that is there is named.
func checkReferences(w *world) []string {
	var findings []string
	used := map[string]bool{}
	for _, one := range w.references() {
		used[one.kind+" "+one.namespace+"/"+one.name] = true
		if pod, is := one.from.(*pod); is && one.kind == "Secret" && !pod.restarts() {
			findings = append(findings, refuse(pod, "a change of Secret %s would not restart it", one.name))
		}
		if !w.has(one.kind, one.namespace, one.name, one.key) {
			key := one.key
			if key != "" {
				key = ", key " + key
			}
			findings = append(findings, refuse(one.from, "no %s %s%s in %s", one.kind, one.name, key, one.namespace))
		}
	}
	for _, one := range append(w.objects.ofKind("ConfigMap"), w.objects.ofKind("Secret")...) {
		dashboard := one.textMap("metadata", "labels")["grafana_dashboard"] != ""
		if !used[one.String()] && !dashboard {
			findings = append(findings, refuse(one, "is used by nothing"))
		}
	}
	for _, one := range w.external.Secrets {
		if name := "Secret " + one.Namespace + "/" + one.Name; !used[name] {
			findings = append(findings, refuse(name, "is expected from outside, and used by nothing"))
		}
	}
	for _, certificate := range w.objects.ofKind("Certificate") {
		if issuer := certificate.text("spec", "issuerRef", "name"); !w.external.Any && !slices.Contains(w.external.ClusterIssuers, issuer) {
			findings = append(findings, refuse(certificate, "no ClusterIssuer %s in external.yaml", issuer))
		}
	}
	return findings
}

// checkSelectors: whatever selects pods selects some, and ports are theirs.
func checkSelectors(w *world) []string {
	var findings []string
	for _, one := range w.objects {
		var selected []*pod
		switch one.kind() {
		case "Deployment", "StatefulSet":
			selected = w.podsOf(one.namespace(), matcher(one.at("spec", "selector")))
			if len(selected) != 1 {
				findings = append(findings, refuse(one, "selects the pods of %d workloads", len(selected)))
			}
			if one.kind() == "StatefulSet" && w.objects.find("Service", one.namespace(), one.text("spec", "serviceName")) == nil {
				findings = append(findings, refuse(one, "no Service %s", one.text("spec", "serviceName")))
			}
		case "PodDisruptionBudget":
			if len(w.podsOf(one.namespace(), matcher(one.at("spec", "selector")))) != 1 {
				findings = append(findings, refuse(one, "is not the budget of one workload"))
			}
		case "Service":
			for _, port := range one.list("spec", "ports") {
				if err := w.serves(one.namespace(), one.name(), port.number("port")); err != nil {
					findings = append(findings, refuse(one, "%v", err))
				}
			}
		case "PodMonitor":
			findings = append(findings, w.checkMonitor(one)...)
		}
	}
	// Every workload that serves has a budget.
	for _, pod := range w.pods {
		if kind := pod.of.kind(); kind != "SpinApp" && (kind != "Deployment" || pod.namespace == "articles") {
			continue
		}
		covered := slices.ContainsFunc(w.objects.ofKind("PodDisruptionBudget"), func(budget object) bool {
			return budget.namespace() == pod.namespace && matcher(budget.at("spec", "selector")).Matches(pod.labels)
		})
		if !covered {
			findings = append(findings, refuse(pod, "has no PodDisruptionBudget"))
		}
	}
	return findings
}

func (w *world) checkMonitor(one object) []string {
	namespaces := one.texts("spec", "namespaceSelector", "matchNames")
	if slices.Contains(namespaces, envoyNamespace) {
		if !matcher(one.at("spec", "selector")).Matches(w.envoy().labels) {
			return []string{refuse(one, "does not select Envoy's pods")}
		}
		return nil
	}
	selected := w.podsOf(one.namespace(), matcher(one.at("spec", "selector")))
	if len(selected) == 0 {
		return []string{refuse(one, "selects no pod")}
	}
	var findings []string
	for _, endpoint := range one.list("spec", "podMetricsEndpoints") {
		for _, pod := range selected {
			if pod.port(endpoint.text("port")) == 0 {
				findings = append(findings, refuse(one, "%v has no port %s", pod, endpoint.text("port")))
			}
		}
	}
	return findings
}

// Where Envoy Gateway runs Envoy.
const envoyNamespace = "envoy-gateway-system"

// envoy are the pods of the Gateway that the routes hang on, as Envoy Gateway labels them.
func (w *world) envoy() end {
	gateway := end{name: "gateway", namespace: envoyNamespace}
	for _, route := range w.objects.ofKind("HTTPRoute") {
		if parent := route.list("spec", "parentRefs")[0]; parent.text("namespace") != "" {
			gateway.labels = labels.Set{
				"gateway.envoyproxy.io/owning-gateway-name":      parent.text("name"),
				"gateway.envoyproxy.io/owning-gateway-namespace": parent.text("namespace"),
			}
		}
	}
	return gateway
}
