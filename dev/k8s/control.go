package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

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

// A control plane that has only what the operators bring.
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
	if overlay == "chart" {
		return c.testChart(root, schemaDir)
	}
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
	return runSteps(overlay, []step{
		{"custom resource definitions", func() (string, error) { return c.define(schemaDir) }},
		{"webhooks of the Spin operator", func() (string, error) { return c.admitByOperator(schemaDir) }},
		{"what is expected from outside", func() (string, error) { return c.provide(external) }},
		{"apply", func() (string, error) { return c.applyAll(all) }},
		{"what the Spin operator makes", func() (string, error) { return c.operate(all) }},
		{"Pod Security admission", func() (string, error) { return c.admit(w) }},
		{"HPAs of KEDA", func() (string, error) { return c.scale(all) }},
		{"a second apply changes nothing", func() (string, error) { return c.applyAgain(all) }},
	})
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
	create := func(namespace string, spec any, labels map[string]string) (object, error) {
		pod := object{
			"apiVersion": "v1", "kind": "Pod", "spec": spec,
			"metadata": map[string]any{"generateName": "test-", "namespace": namespace, "labels": labels},
		}
		text, err := json.Marshal(pod)
		if err != nil {
			return nil, err
		}
		var sent unstructured.Unstructured
		if err := json.Unmarshal(text, &sent.Object); err != nil {
			return nil, err
		}
		at, err := c.of(pod)
		if err != nil {
			return nil, err
		}
		made, err := at.Create(context.Background(), &sent, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return nil, err
		}
		return made.Object, nil
	}
	drained := 0
	for _, pod := range w.pods {
		// The API server learns of an admission policy a moment after the policy is there.
		if err := eventually(func() error {
			made, err := create(pod.namespace, pod.spec, pod.labels)
			if err == nil && pod.of.kind() == "SpinApp" && made.number("spec", "containers", 0, "lifecycle", "preStop", "sleep", "seconds") < 1 {
				err = fmt.Errorf("has no preStop hook")
			}
			return err
		}); err != nil {
			return "", fmt.Errorf("%v: %w", pod, err)
		}
		if pod.of.kind() == "SpinApp" {
			drained++
		}
	}
	refused := 0
	for _, namespace := range w.objects.ofKind("Namespace") {
		bad := map[string]any{"hostNetwork": true, "containers": []any{map[string]any{"name": "bad", "image": "bad:1"}}}
		if _, err := create(namespace.name(), bad, nil); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
			return "", fmt.Errorf("%v: a pod on the host's network was not refused: %v", namespace, err)
		}
		refused++
	}
	return fmt.Sprintf("%d pod templates accepted, %d with a preStop hook of the admission policy; a pod on the host's network refused in all %d namespaces",
		len(w.pods), drained, refused), nil
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

// eventually tries again until there is no error, or patience has passed.
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
