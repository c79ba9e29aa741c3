package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// An end of a connection: a pod of ours, a pod of the platform, or an address outside.
type end struct {
	name      string
	namespace string
	labels    labels.Set
	pod       *pod
	// Set for what is outside the cluster.
	address bool
	// What it listens on, by number.
	ports []int64
}

// The platform's pods, as their projects label them, and a stranger.
var platform = []end{
	{name: "dns", namespace: "kube-system", labels: labels.Set{"k8s-app": "kube-dns"}, ports: []int64{53}},
	{name: "keda", namespace: "keda", labels: labels.Set{"app": "keda-operator"}},
	{name: "prometheus", namespace: "monitoring", labels: labels.Set{"app.kubernetes.io/name": "prometheus"}},
	{name: "collector", namespace: "monitoring", labels: labels.Set{"app.kubernetes.io/name": "opentelemetry-collector"}, ports: []int64{4318}},
	{name: "stranger", namespace: "default", labels: labels.Set{"app": "stranger"}},
	{name: "stranger with our labels", namespace: "default", labels: labels.Set{
		"app.kubernetes.io/name": "persister", "app.kubernetes.io/component": "relay", "core.spinkube.dev/app-name": "toggle",
	}},
}

// neededFlows are all connections that the system needs, and so all that may be possible: who, to whom.
func neededFlows(w *world) []string {
	stores := func(from string, to ...string) []string {
		var all []string
		for _, store := range to {
			all = append(all, from+" -> "+store)
		}
		return all
	}
	var needed []string
	// A component asks whom spin.toml lets it ask.
	for name, component := range w.repository.spin.Component {
		for _, host := range component.Hosts {
			setting := strings.Trim(host, "{ }")
			// An address that is not set permits nothing.
			if store, _ := strings.CutSuffix(setting, "_address"); w.setting(setting) != "" {
				needed = append(needed, stores(w.appOf(name), store, "dns")...)
			}
		}
	}
	for _, app := range w.apps() {
		needed = append(needed, "gateway -> "+app.of.name())
		if endpoint := app.telemetry(); endpoint != "" {
			needed = append(needed, app.of.name()+" -> "+listener(endpoint))
		}
	}
	for _, pod := range w.pods {
		if pod.labels["app.kubernetes.io/name"] != "persister" {
			continue
		}
		needed = append(needed, stores(pod.of.name(), "redis", "mysql", "kafka", "dns")...)
		if w.environment()["INTERACTION_KAFKA_SASL_MECHANISM"] == "OAUTHBEARER" {
			needed = append(needed, pod.of.name()+" -> jwt_keys")
		}
		if pod.of.kind() == "Deployment" {
			needed = append(needed, "prometheus -> "+pod.of.name())
		}
		if pod.labels["app.kubernetes.io/component"] == "warm" {
			needed = append(needed, "keda -> "+pod.of.name())
		}
	}
	if w.objects.find("Namespace", "", "interaction-stores") != nil {
		needed = append(needed, "keda -> kafka", "kafka -> kafka", "kafka -> dns", "gateway -> articles")
	}
	slices.Sort(needed)
	return slices.Compact(needed)
}

// listener is the end of the platform's pods at an address; the address itself where none is, and no policy leads.
func listener(address string) string {
	if parsed, err := url.Parse(address); err == nil {
		host := strings.Split(parsed.Hostname(), ".")
		for _, one := range platform {
			if len(host) > 1 && host[1] == one.namespace && slices.Contains(one.ports, portIn(parsed.Host)) {
				return one.name
			}
		}
	}
	return address
}

// checkFlows works out which connections the policies let through, and wants them to be the needed ones exactly.
func checkFlows(w *world) []string {
	var findings []string
	policies := map[string][]networkingv1.NetworkPolicy{}
	for _, one := range w.objects.ofKind("NetworkPolicy") {
		var typed networkingv1.NetworkPolicy
		if err := one.into(&typed); err != nil {
			findings = append(findings, refuse(one, "%v", err))
			continue
		}
		policies[one.namespace()] = append(policies[one.namespace()], typed)
		if len(one.textMap("spec", "podSelector", "matchLabels"))+len(one.list("spec", "podSelector", "matchExpressions")) > 0 &&
			len(w.podsOf(one.namespace(), matcher(one.at("spec", "podSelector")))) == 0 {
			findings = append(findings, refuse(one, "selects no pod"))
		}
	}
	ends := append(slices.Clone(platform), w.envoy())
	for _, pod := range w.pods {
		one := end{name: pod.of.name(), namespace: pod.namespace, labels: pod.labels, pod: pod}
		for _, container := range pod.spec.Containers {
			for _, port := range container.Ports {
				one.ports = append(one.ports, int64(port.ContainerPort))
			}
		}
		// Nothing may reach one that announces no port, whatever it listens on.
		if len(one.ports) == 0 {
			one.ports = []int64{1}
		}
		ends = append(ends, one)
	}
	ends = append(ends, externalStores(w)...)
	// The provider of the key set, wherever it is.
	if address := w.setting("jwt_keys_address"); address != "" {
		ends = append(ends, end{name: "jwt_keys", address: true, ports: []int64{webPort(address)}})
	}
	possible := map[string]bool{}
	for _, from := range ends {
		for _, to := range ends {
			// Between the platform's pods it is not ours to say.
			if from.address || (from.pod == nil && to.pod == nil) {
				continue
			}
			for _, port := range to.ports {
				if allows(policies, from, to, port, networkingv1.PolicyTypeEgress) &&
					allows(policies, to, from, port, networkingv1.PolicyTypeIngress) {
					possible[from.name+" -> "+to.name] = true
				}
			}
		}
	}
	needed := neededFlows(w)
	for _, flow := range needed {
		if !possible[flow] {
			findings = append(findings, refuse("NetworkPolicy", "not possible, but needed: %s", flow))
		}
	}
	for _, flow := range slices.Sorted(maps.Keys(possible)) {
		if !slices.Contains(needed, flow) {
			findings = append(findings, refuse("NetworkPolicy", "possible, but not needed: %s", flow))
		}
	}
	return findings
}

// webPort is the port of an address by HTTP.
func webPort(address string) int64 {
	if port := portIn(address); port != 0 {
		return port
	}
	if strings.HasPrefix(address, "http://") {
		return 80
	}
	return 443
}

// externalStores are where the settings of an overlay without stores of its own lead.
func externalStores(w *world) []end {
	if w.objects.find("Namespace", "", "interaction-stores") != nil {
		return nil
	}
	var all []end
	for _, store := range []struct {
		name string
		port int64
	}{{"redis", w.settingPort("redis_address")}, {"mysql", w.settingPort("mysql_address")}, {"kafka", w.brokerPort()}} {
		all = append(all, end{name: store.name, address: true, ports: []int64{store.port}})
	}
	// Strimzi's brokers, under the name that it gives their Service, are pods.
	host := strings.Split(w.environment()["INTERACTION_KAFKA_BROKERS"], ".")
	if cluster, is := strings.CutSuffix(host[0], "-kafka-bootstrap"); is && len(host) > 1 {
		brokers := &all[len(all)-1]
		brokers.address, brokers.namespace = false, host[1]
		brokers.labels = labels.Set{"strimzi.io/cluster": cluster, "strimzi.io/broker-role": "true"}
	}
	return all
}

// allows says whether the policies of `of` let it connect to (egress) or be connected from (ingress) `peer`.
func allows(all map[string][]networkingv1.NetworkPolicy, of, peer end, port int64, direction networkingv1.PolicyType) bool {
	// Not ours: their own policies are their platform's.
	if of.pod == nil {
		return true
	}
	isolated := false
	for _, policy := range all[of.namespace] {
		if !slices.Contains(policy.Spec.PolicyTypes, direction) || !selects(&policy.Spec.PodSelector, of.labels) {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeEgress {
			for _, rule := range policy.Spec.Egress {
				if admits(rule.To, policy.Namespace, peer) && onPort(rule.Ports, peer, port) {
					return true
				}
			}
		} else {
			for _, rule := range policy.Spec.Ingress {
				if admits(rule.From, policy.Namespace, peer) && onPort(rule.Ports, of, port) {
					return true
				}
			}
		}
	}
	return !isolated
}

func admits(peers []networkingv1.NetworkPolicyPeer, home string, other end) bool {
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if other.address {
				return true
			}
			continue
		}
		if other.address {
			continue
		}
		here := other.namespace == home
		if peer.NamespaceSelector != nil {
			here = selects(peer.NamespaceSelector, labels.Set{corev1.LabelMetadataName: other.namespace})
		}
		if here && (peer.PodSelector == nil || selects(peer.PodSelector, other.labels)) {
			return true
		}
	}
	return len(peers) == 0
}

func onPort(ports []networkingv1.NetworkPolicyPort, destination end, number int64) bool {
	for _, port := range ports {
		if port.Port == nil {
			return true
		}
		wanted := int64(port.Port.IntVal)
		if name := port.Port.StrVal; name != "" && destination.pod != nil {
			wanted = destination.pod.port(name)
		}
		if wanted == number {
			return true
		}
	}
	return len(ports) == 0
}

func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && compiled.Matches(set)
}

func (e end) String() string { return fmt.Sprintf("%s/%s", e.namespace, e.name) }
