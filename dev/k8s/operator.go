package main

import (
	"context"
	"fmt"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// operate waits for what the Spin operator makes, and compares it with what operatorMakes says: only so may the checks
// without an operator believe it.
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
