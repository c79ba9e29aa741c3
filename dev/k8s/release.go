package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testChart installs each example of the chart with Helm, upgrades it, and uninstalls it.
func (c *cluster) testChart(root, schemaDir string) error {
	steps := []step{
		{"custom resource definitions", func() (string, error) { return c.define(schemaDir) }},
		{"webhooks of the Spin operator", func() (string, error) { return c.admitByOperator(schemaDir) }},
		{"what is expected from outside", func() (string, error) {
			return c.provide(external{Namespaces: []string{"site", "articles"}})
		}},
	}
	examples, err := filepath.Glob(filepath.Join(root, "k8s/examples/values/*.yaml"))
	if err != nil {
		return err
	}
	for _, example := range examples {
		steps = append(steps, step{filepath.Base(example), func() (string, error) { return c.release(root, example) }})
	}
	return runSteps("chart", steps)
}

// release leaves out the hooks: nothing here runs a Job.
func (c *cluster) release(root, example string) (string, error) {
	helm := func(arguments ...string) error {
		arguments = append(arguments, "--namespace", "site", "--no-hooks")
		if said, err := exec.Command("helm", arguments...).CombinedOutput(); err != nil {
			return fmt.Errorf("helm %s: %w\n%s", strings.Join(arguments, " "), err, said)
		}
		return nil
	}
	all, err := template(root, "blog", example)
	if err != nil {
		return "", err
	}
	all = slices.DeleteFunc(all, func(one object) bool { return one.textMap("metadata", "annotations")["helm.sh/hook"] != "" })
	chart := filepath.Join(root, "k8s/chart")
	if err := helm("install", "blog", chart, "--values", example); err != nil {
		return "", err
	}
	before, err := c.generations(all)
	if err != nil {
		return "", err
	}
	if err := helm("upgrade", "blog", chart, "--values", example); err != nil {
		return "", err
	}
	after, err := c.generations(all)
	if err != nil {
		return "", err
	}
	for name, generation := range before {
		if after[name] != generation {
			return "", fmt.Errorf("an upgrade with the same values changed %s", name)
		}
	}
	if err := helm("uninstall", "blog"); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d objects installed; an upgrade changed none; none is left", len(all)), eventually(func() error {
		for _, one := range all {
			at, err := c.of(one)
			if err != nil {
				return err
			}
			if _, err := at.Get(context.Background(), one.name(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%v is left: %v", one, err)
			}
		}
		return nil
	})
}

// generations count the changes of what is wanted.
func (c *cluster) generations(all objects) (map[string]int64, error) {
	counted := map[string]int64{}
	for _, one := range all {
		at, err := c.of(one)
		if err != nil {
			return nil, err
		}
		seen, err := at.Get(context.Background(), one.name(), metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("%v: %w", one, err)
		}
		counted[one.String()] = seen.GetGeneration()
	}
	return counted, nil
}

type step struct {
	name string
	do   func() (string, error)
}

// runSteps does each and says what came of it, until one fails.
func runSteps(overlay string, steps []step) error {
	for _, step := range steps {
		result, err := step.do()
		if err != nil {
			return fmt.Errorf("%s: %s: %w", overlay, step.name, err)
		}
		fmt.Printf("%s: %s: %s\n", overlay, step.name, result)
	}
	return nil
}
