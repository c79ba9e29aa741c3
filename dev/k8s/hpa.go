package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scale waits for the HPAs that KEDA makes, and compares them with what the ScaledObjects say.
func (c *cluster) scale(all objects) (string, error) {
	if os.Getenv("WITHOUT_KEDA") != "" {
		return "NOT run, KEDA was left out", nil
	}
	var made []string
	for _, one := range all.ofKind("ScaledObject") {
		if err := eventually(func() error { return c.scaled(one) }); err != nil {
			return "", err
		}
		made = append(made, fmt.Sprintf("%s %d-%d", one.name(), one.number("spec", "minReplicaCount"), one.number("spec", "maxReplicaCount")))
	}
	return strings.Join(made, ", "), nil
}

func (c *cluster) scaled(one object) error {
	wanted := object{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
		"metadata": map[string]any{"namespace": one.namespace(), "name": "keda-hpa-" + one.name()},
	}
	at, err := c.of(wanted)
	if err != nil {
		return err
	}
	seen, err := at.Get(context.Background(), wanted.name(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	var hpa autoscalingv2.HorizontalPodAutoscaler
	if err := object(seen.Object).into(&hpa); err != nil {
		return err
	}
	if int64(*hpa.Spec.MinReplicas) != one.number("spec", "minReplicaCount") || int64(hpa.Spec.MaxReplicas) != one.number("spec", "maxReplicaCount") {
		return fmt.Errorf("%s scales from %d to %d", hpa.Name, *hpa.Spec.MinReplicas, hpa.Spec.MaxReplicas)
	}
	if target := hpa.Spec.ScaleTargetRef; target.Kind != "Deployment" || target.Name != one.text("spec", "scaleTargetRef", "name") {
		return fmt.Errorf("%s scales %s %s", hpa.Name, target.Kind, target.Name)
	}
	said := one.at("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior")
	if where := lacks(object(seen.Object).at("spec", "behavior"), said, "behavior"); where != "" {
		return fmt.Errorf("%s is otherwise than its ScaledObject says: %s", hpa.Name, where)
	}
	triggers := one.list("spec", "triggers")
	if len(hpa.Spec.Metrics) != len(triggers) {
		return fmt.Errorf("%s has %d metrics for %d triggers", hpa.Name, len(hpa.Spec.Metrics), len(triggers))
	}
	for i, trigger := range triggers {
		metric := hpa.Spec.Metrics[i]
		data := trigger.textMap("metadata")
		got, want := "", ""
		switch trigger.text("type") {
		case "cpu":
			want = "cpu " + data["value"]
			if metric.Resource != nil && metric.Resource.Target.AverageUtilization != nil {
				got = fmt.Sprintf("%s %d", metric.Resource.Name, *metric.Resource.Target.AverageUtilization)
			}
		case "kafka":
			want = "s0-kafka-" + strings.ReplaceAll(data["topic"], ".", "-") + " " + data["lagThreshold"]
		case "metrics-api":
			want = "s0-metric-api-" + data["valueLocation"] + " " + data["targetValue"]
		}
		if metric.External != nil && metric.External.Target.AverageValue != nil {
			got = fmt.Sprintf("%s %d", metric.External.Metric.Name, metric.External.Target.AverageValue.Value())
		}
		if got != want {
			return fmt.Errorf("%s scales by %q and not by %q", hpa.Name, got, want)
		}
	}
	return nil
}

// lacks is where something that is said is missing or has another value, and empty where nothing is. Fields that are not
// said are the API server's to fill; a list is said whole.
func lacks(there, said any, at string) string {
	switch said := said.(type) {
	case map[string]any:
		in, _ := there.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(said)) {
			if where := lacks(in[key], said[key], at+"."+key); where != "" {
				return where
			}
		}
		return ""
	case []any:
		in, _ := there.([]any)
		if len(in) != len(said) {
			return fmt.Sprintf("%s has %d items and not %d", at, len(in), len(said))
		}
		for i := range said {
			if where := lacks(in[i], said[i], fmt.Sprintf("%s[%d]", at, i)); where != "" {
				return where
			}
		}
		return ""
	}
	if there != said {
		return fmt.Sprintf("%s is %v and not %v", at, there, said)
	}
	return ""
}
