package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// k8s/examples/strimzi.yaml is in no overlay: what it says of the persister must hold all the same.
func TestTheExampleOfKafkaIsOfThePersister(t *testing.T) {
	loaded := load(t)
	all := documents(t, "../../k8s/examples/strimzi.yaml")
	settings := newWorld(loaded.rendered["prod"], external{}, loaded.repository).environment()
	if brokers := all.get("KafkaNodePool", "brokers").number("spec", "replicas"); fmt.Sprint(brokers) != settings["INTERACTION_TOPIC_REPLICATION"] {
		t.Errorf("%d brokers", brokers)
	}
	topic := loaded.repository.topic
	wanted := []string{"topic " + topic, "topic " + topic + ".dlq", "group " + groupOf(topic, loaded.repository.consume)}
	for _, found := range regexp.MustCompile(`"group.id", \w+\.group\("([^"]+)"\)`).FindAllStringSubmatch(rustIn("../../persister/src"), -1) {
		wanted = append(wanted, "group "+groupOf(topic, found[1]))
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
		prod = environment("INTERACTION_KAFKA_BROKERS", brokers)(prod)
		prod.get("ScaledObject", "consume").in("spec", "triggers", 0, "metadata")["bootstrapServers"] = brokers
		prod.get("NetworkPolicy", "persister").in("spec", "egress", 3)["to"] = []any{map[string]any{
			"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": "kafka"}},
			"podSelector": map[string]any{"matchLabels": map[string]any{
				"strimzi.io/cluster": all.get("Kafka", "interaction").name(), "strimzi.io/broker-role": "true",
			}},
		}}
		prod.get("NetworkPolicy", "persister").in("spec", "egress", 3, "ports", 0)["port"] = all.get("Kafka", "interaction").at("spec", "kafka", "listeners", 0, "port")
		return prod
	})
	if len(findings) > 0 {
		t.Error(strings.Join(findings, "\n"))
	}
}
