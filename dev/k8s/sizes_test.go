package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

// docs/scaling.md says what pods of these sizes answer, and what all of them ask for together.
func TestTheSizesAreThoseOfTheDocuments(t *testing.T) {
	text, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	section := between(string(text), "## Pods\n", "\n## ")
	number := func(text string) float64 {
		value, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	all := chart(t, "deployments")
	world := newWorld(all, external{Any: true}, nil)
	requested := func(pod *pod) (cores, memory float64) {
		requests := pod.spec.Containers[0].Resources.Requests
		return requests.Cpu().AsApproximateFloat64(), requests.Memory().AsApproximateFloat64() / (1 << 30)
	}
	toggle := all.get("ScaledObject", "blog-toggle")
	share := number(toggle.text("spec", "triggers", 0, "metadata", "value")) / 100
	var cores float64
	for _, pod := range world.pods {
		if pod.of.name() == "blog-toggle" {
			cores, _ = requested(pod)
		}
	}
	micros := regexp.MustCompile(`takes (\d+) to (\d+) µs of a core`).FindStringSubmatch(section)
	rows := regexp.MustCompile(`(?m)^\| ([\d,]+)[^|]*\| ([\d,]+) \| ([\d,]+) to ([\d,]+) \|$`).FindAllStringSubmatch(section, -1)
	if micros == nil || len(rows) < 3 {
		t.Fatal("docs/scaling.md is not of the form that this test reads")
	}
	for _, row := range rows {
		for column, wanted := range map[int]float64{
			2: number(row[1]) * cores,
			3: math.Round(number(row[1])*cores*share/number(micros[2])*1e4) * 100,
			4: math.Round(number(row[1])*cores*share/number(micros[1])*1e4) * 100,
		} {
			if got := number(row[column]); got != wanted {
				t.Errorf("%s pods: %v, and not %v", row[1], wanted, got)
			}
		}
	}
	for bound, field := range map[string]string{"least": "min", "most": "max"} {
		var cores, memory float64
		for _, pod := range world.pods {
			if pod.of.kind() != "Deployment" {
				continue
			}
			count := pod.of.number("spec", "replicas")
			if scaler := all.find("ScaledObject", pod.namespace, pod.of.name()); scaler != nil {
				count = scaler.number("spec", field+"ReplicaCount")
			}
			each, gibibytes := requested(pod)
			cores, memory = cores+float64(count)*each, memory+float64(count)*gibibytes
		}
		envoy := object(all.get("EnvoyProxy", "blog-gateway").in("spec", "provider", "kubernetes"))
		requests := envoy.textMap("envoyDeployment", "container", "resources", "requests")
		replicas := float64(envoy.number("envoyHpa", field+"Replicas"))
		cpu, bytes := resource.MustParse(requests["cpu"]), resource.MustParse(requests["memory"])
		cores, memory = cores+replicas*cpu.AsApproximateFloat64(), memory+replicas*bytes.AsApproximateFloat64()/(1<<30)
		if wanted := fmt.Sprintf("| the %s, with %v Envoys | %.1f | %.1f GiB |", bound, replicas, cores, memory); !strings.Contains(section, wanted) {
			t.Errorf("docs/scaling.md should say: %s", wanted)
		}
	}
}
