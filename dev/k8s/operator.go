package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// operate waits for what the Spin operator makes, and compares it with what operatorMakes says. The checks that run without an
// operator rely on operatorMakes.
func (c *cluster) operate(all objects) (string, error) {
	count := 0
	for _, app := range all.ofKind("SpinApp") {
		deployment, service := operatorMakes(app, all.find("SpinAppExecutor", app.namespace(), app.text("spec", "executor")))
		for _, expected := range []object{deployment, service} {
			if err := eventually(func() error { return c.made(expected) }); err != nil {
				return "", err
			}
			count++
		}
	}
	return fmt.Sprintf("%d Deployments and Services of the operator, as expected", count), nil
}

// admitByOperator installs the Spin operator's webhooks, as its chart does, and waits until they refuse what they must.
func (c *cluster) admitByOperator(schemaDir string) (string, error) {
	authority, err := os.ReadFile(os.Getenv("WEBHOOK_CA"))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(schemaDir, "manifests.yaml"))
	if err != nil {
		return "", err
	}
	count := 0
	for _, document := range strings.Split("\n"+string(text), "\n---\n") {
		one, err := parse([]byte(document))
		if err != nil || one.kind() == "" {
			continue
		}
		for _, webhook := range one.list("webhooks") {
			webhook["clientConfig"] = map[string]any{
				"url":      "https://localhost:9443" + webhook.text("clientConfig", "service", "path"),
				"caBundle": base64.StdEncoding.EncodeToString(authority),
			}
			count++
		}
		if _, err := c.apply(one, "test"); err != nil {
			return "", err
		}
	}
	orphan := object{
		"apiVersion": "core.spinkube.dev/v1alpha1", "kind": "SpinApp",
		"metadata": map[string]any{"name": "orphan", "namespace": "default"},
		"spec":     map[string]any{"image": "orphan:1", "executor": "none", "replicas": int64(1)},
	}
	return fmt.Sprintf("%d, and an app without an executor is refused", count), eventually(func() error {
		at, err := c.of(orphan)
		if err != nil {
			return err
		}
		_, err = at.Create(context.Background(), &unstructured.Unstructured{Object: orphan}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), "executor does not exist") {
			return fmt.Errorf("an app without an executor was not refused: %v", err)
		}
		return nil
	})
}

// made compares an object of the operator's with the one expected, both with the defaults that the API server adds.
func (c *cluster) made(expected object) error {
	at, err := c.of(expected)
	if err != nil {
		return err
	}
	seen, err := at.Get(context.Background(), expected.name(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	asked := unstructured.Unstructured{Object: expected}
	asked = *asked.DeepCopy()
	asked.SetName(expected.name() + "-expected")
	defaulted, err := at.Create(context.Background(), &asked, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	for _, one := range []*unstructured.Unstructured{seen, defaulted} {
		// The number of pods is KEDA's, the addresses of a Service are its own.
		for _, field := range []string{"replicas", "clusterIP", "clusterIPs"} {
			unstructured.RemoveNestedField(one.Object, "spec", field)
		}
	}
	if difference := cmp.Diff(defaulted.Object["spec"], seen.Object["spec"]); difference != "" {
		return fmt.Errorf("%v is not as expected (-expected +made):\n%s", expected, difference)
	}
	return nil
}
