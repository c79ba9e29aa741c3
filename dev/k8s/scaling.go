package main

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkScaling compares the ScaledObjects with their targets, and with what KEDA's webhook wants.
func checkScaling(w *world) []string {
	var findings []string
	scaled := map[string]bool{}
	for _, one := range w.objects.ofKind("ScaledObject") {
		refused := func(format string, values ...any) { findings = append(findings, refuse(one, format, values...)) }
		name, kind := one.text("spec", "scaleTargetRef", "name"), one.text("spec", "scaleTargetRef", "kind")
		target := w.objects.find("Deployment", one.namespace(), name)
		app := w.objects.find("SpinApp", one.namespace(), name)
		switch {
		case kind != "" && kind != "Deployment":
			refused("scales a %s", kind)
		case app != nil && app.at("spec", "enableAutoscaling") != true:
			refused("its SpinApp does not let itself be scaled")
		case app == nil && target == nil:
			refused("no Deployment %s", name)
		case target != nil && target.at("spec", "replicas") != nil:
			refused("each apply would set the replicas of Deployment %s back", name)
		}
		if scaled[one.namespace()+"/"+name] {
			refused("is the second for %s", name)
		}
		scaled[one.namespace()+"/"+name] = true
		least, most := one.number("spec", "minReplicaCount"), one.number("spec", "maxReplicaCount")
		if least < 1 || most < least {
			refused("scales from %d to %d", least, most)
		}
		others := false
		for _, trigger := range one.list("spec", "triggers") {
			switch trigger.text("type") {
			case "cpu", "memory":
				for _, pod := range w.pods {
					if pod.namespace == one.namespace() && pod.of.name() == name && pod.spec.Containers[0].Resources.Requests.Cpu().IsZero() {
						refused("%v asks for no cpu, of which it is a share", pod)
					}
				}
				continue
			case "kafka":
				findings = append(findings, w.checkKafkaTrigger(one, trigger, most)...)
			case "metrics-api":
				findings = append(findings, w.checkMetricsTrigger(one, trigger)...)
			default:
				refused("no check knows the trigger %s", trigger.text("type"))
			}
			others = true
		}
		if fallback := one.at("spec", "fallback"); fallback != nil && !others {
			refused("KEDA's webhook refuses a fallback where every trigger is cpu or memory")
		} else if fallback == nil && others {
			refused("has no fallback")
		}
	}
	for _, app := range w.apps() {
		if !scaled[app.namespace+"/"+app.of.name()] {
			findings = append(findings, refuse(app, "has no ScaledObject"))
		}
	}
	return findings
}

func (w *world) checkKafkaTrigger(one, trigger object, most int64) []string {
	var findings []string
	refused := func(format string, values ...any) { findings = append(findings, refuse(one, format, values...)) }
	metadata, environment := trigger.textMap("metadata"), w.environment()
	topic, partitions := w.repository.topic, w.repository.partitions
	if set := environment["INTERACTION_TOPIC"]; set != "" {
		topic = set
	}
	if set, err := strconv.ParseInt(environment["INTERACTION_TOPIC_PARTITIONS"], 10, 64); err == nil {
		partitions = set
	}
	if group := groupOf(topic, w.repository.consume); metadata["topic"] != topic || metadata["consumerGroup"] != group {
		refused("asks for topic %s and group %s; the persister's are %s and %s", metadata["topic"], metadata["consumerGroup"], topic, group)
	}
	if metadata["bootstrapServers"] != environment["INTERACTION_KAFKA_BROKERS"] {
		refused("asks brokers %s and not the persister's", metadata["bootstrapServers"])
	}
	if most > partitions {
		refused("may start %d consumers for %d partitions", most, partitions)
	}
	authentication := trigger.text("authenticationRef", "name")
	if w.objects.find("TriggerAuthentication", one.namespace(), authentication) == nil {
		refused("no TriggerAuthentication %s", authentication)
	}
	return findings
}

func (w *world) checkMetricsTrigger(one, trigger object) []string {
	var findings []string
	refused := func(format string, values ...any) { findings = append(findings, refuse(one, format, values...)) }
	if metric := trigger.text("metadata", "valueLocation"); w.repository.metrics[metric] != "Gauge" {
		refused("the persister exports no gauge %s", metric)
	}
	address, err := url.Parse(trigger.text("metadata", "url"))
	if err != nil {
		return append(findings, refuse(one, "%v", err))
	}
	host := strings.Split(address.Hostname(), ".")
	if len(host) < 2 {
		refused("KEDA does not find %s from its namespace", address.Hostname())
		return findings
	}
	port, _ := strconv.ParseInt(address.Port(), 10, 64)
	if err := w.serves(host[1], host[0], port); err != nil {
		refused("%v", err)
	}
	// Gauges of the whole system come from `warm` alone.
	for _, service := range w.services {
		if service.namespace != host[1] || service.name != host[0] {
			continue
		}
		for _, pod := range w.podsOf(service.namespace, service.selector) {
			if !slices.Contains(pod.spec.Containers[0].Args, "warm") {
				refused("asks %v, which does not run warm", pod)
			}
		}
	}
	return findings
}
