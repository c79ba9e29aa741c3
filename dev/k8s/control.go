package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// How long controllers and definitions may take. The machine may be busy.
const patience = 3 * time.Minute

// A control plane, empty but for what the operators bring.
type cluster struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

// testOverlay applies an overlay to the control plane at $KUBECONFIG and looks at what comes of it.
func testOverlay(root, schemaDir, overlay string) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 1000, 1000
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	c := &cluster{client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))}
	all, err := render(root, overlay)
	if err != nil {
		return err
	}
	external, err := readExternal(root, overlay)
	if err != nil {
		return err
	}
	repository, err := readRepository(root)
	if err != nil {
		return err
	}
	w := newWorld(all, external, repository)
	steps := []struct {
		name string
		do   func() (string, error)
	}{
		{"custom resource definitions", func() (string, error) { return c.define(schemaDir) }},
		{"what is expected from outside", func() (string, error) { return c.provide(external) }},
		{"apply", func() (string, error) { return c.applyAll(all) }},
		{"what the Spin operator makes", func() (string, error) { return c.operate(all) }},
		{"Pod Security admission", func() (string, error) { return c.admit(w) }},
		{"HPAs of KEDA", func() (string, error) { return c.scale(all) }},
		{"a second apply changes nothing", func() (string, error) { return c.applyAgain(all) }},
	}
	for _, step := range steps {
		result, err := step.do()
		if err != nil {
			return fmt.Errorf("%s: %s: %w", overlay, step.name, err)
		}
		fmt.Printf("%s: %s: %s\n", overlay, step.name, result)
	}
	return nil
}

// of is where objects of a kind are kept.
func (c *cluster) of(one object) (dynamic.ResourceInterface, error) {
	kind := schema.FromAPIVersionAndKind(one.apiVersion(), one.kind())
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.client.Resource(mapping.Resource).Namespace(one.namespace()), nil
	}
	return c.client.Resource(mapping.Resource), nil
}

// apply is `kubectl apply --server-side` with strict validation.
func (c *cluster) apply(one object, manager string) (*unstructured.Unstructured, error) {
	at, err := c.of(one)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", one, err)
	}
	text, err := json.Marshal(one)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: manager, FieldValidation: metav1.FieldValidationStrict}
	applied, err := at.Patch(context.Background(), one.name(), types.ApplyPatchType, text, options)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", one, err)
	}
	return applied, nil
}

func (c *cluster) define(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return "", err
	}
	var defined []object
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		for _, document := range strings.Split("\n"+string(text), "\n---") {
			var one object
			if err := yaml.Unmarshal([]byte(document), &one); err != nil {
				return "", err
			}
			if one.kind() != "CustomResourceDefinition" {
				continue
			}
			if _, err := c.apply(one, "test"); err != nil {
				return "", err
			}
			defined = append(defined, one)
		}
	}
	return fmt.Sprintf("%d", len(defined)), eventually(func() error {
		for _, one := range defined {
			at, err := c.of(one)
			if err != nil {
				return err
			}
			seen, err := at.Get(context.Background(), one.name(), metav1.GetOptions{})
			if err != nil {
				return err
			}
			established := false
			for _, condition := range object(seen.Object).list("status", "conditions") {
				established = established || condition.text("type") == "Established" && condition.text("status") == "True"
			}
			if !established {
				return fmt.Errorf("%s is not established", one.name())
			}
		}
		return nil
	})
}

// provide makes what an overlay expects from outside, with values of no use.
func (c *cluster) provide(external external) (string, error) {
	namespaces := append([]string{"keda"}, external.Namespaces...)
	for _, secret := range external.Secrets {
		namespaces = append(namespaces, secret.Namespace)
	}
	for _, name := range namespaces {
		// Those that the overlay has itself are made whole by it.
		if _, err := c.apply(object{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
		}, "outside"); err != nil {
			return "", err
		}
	}
	for _, secret := range external.Secrets {
		data := map[string]any{}
		for _, key := range secret.Keys {
			data[key] = map[string]string{"sasl": "none", "tls": "disable"}[key]
		}
		if _, err := c.apply(object{
			"apiVersion": "v1", "kind": "Secret", "stringData": data,
			"metadata": map[string]any{"name": secret.Name, "namespace": secret.Namespace},
		}, "outside"); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d Secrets", len(external.Secrets)), nil
}

func (c *cluster) applyAll(all objects) (string, error) {
	// As kubectl does: what others are in, first.
	for _, one := range append(all.ofKind("Namespace"), all.ofKind("PriorityClass")...) {
		if _, err := c.apply(one, "test"); err != nil {
			return "", err
		}
	}
	for _, one := range all {
		if _, err := c.apply(one, "test"); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d objects", len(all)), nil
}

// admit asks for a pod of every template, and for one that must be refused in every namespace of ours.
func (c *cluster) admit(w *world) (string, error) {
	create := func(namespace string, spec any, labels map[string]string) error {
		pod := object{
			"apiVersion": "v1", "kind": "Pod", "spec": spec,
			"metadata": map[string]any{"generateName": "test-", "namespace": namespace, "labels": labels},
		}
		text, err := json.Marshal(pod)
		if err != nil {
			return err
		}
		var sent unstructured.Unstructured
		if err := json.Unmarshal(text, &sent.Object); err != nil {
			return err
		}
		at, err := c.of(pod)
		if err != nil {
			return err
		}
		_, err = at.Create(context.Background(), &sent, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	for _, pod := range w.pods {
		if err := create(pod.namespace, pod.spec, pod.labels); err != nil {
			return "", fmt.Errorf("%v: %w", pod, err)
		}
	}
	refused := 0
	for _, namespace := range w.objects.ofKind("Namespace") {
		bad := map[string]any{"hostNetwork": true, "containers": []any{map[string]any{"name": "bad", "image": "bad:1"}}}
		if err := create(namespace.name(), bad, nil); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
			return "", fmt.Errorf("%v: a pod on the host's network was not refused: %v", namespace, err)
		}
		refused++
	}
	return fmt.Sprintf("%d pod templates accepted; a pod on the host's network refused in all %d namespaces", len(w.pods), refused), nil
}

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

// applyAgain applies everything once more. Generation counts changes of what is wanted; objects without one, changes of all.
func (c *cluster) applyAgain(all objects) (string, error) {
	for _, one := range all {
		at, err := c.of(one)
		if err != nil {
			return "", err
		}
		before, err := at.Get(context.Background(), one.name(), metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		after, err := c.apply(one, "test")
		if err != nil {
			return "", err
		}
		if before.GetGeneration() != after.GetGeneration() ||
			before.GetGeneration() == 0 && before.GetResourceVersion() != after.GetResourceVersion() {
			return "", fmt.Errorf("%v was changed", one)
		}
	}
	return fmt.Sprintf("%d objects", len(all)), nil
}

// eventually tries again until there is no error, or the patience is at its end.
func eventually(try func() error) error {
	until := time.Now().Add(patience)
	for {
		err := try()
		if err == nil || time.Now().After(until) {
			return err
		}
		time.Sleep(500 * time.Millisecond)
	}
}
