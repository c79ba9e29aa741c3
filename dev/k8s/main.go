// Checks what is in k8s/.
//
//	k8s check ROOT SCHEMAS           renders every overlay and checks it: `make k8s-check`
//	k8s test ROOT SCHEMAS OVERLAY    applies an overlay to the control plane at $KUBECONFIG: part of `make k8s-test`
//	k8s render ROOT OVERLAY          prints an overlay, as `kubectl kustomize` does
//	k8s rules ROOT [VALUES]          prints the alert rules as a file for Prometheus, of the dev overlay or of the chart
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// The overlays that are checked and applied.
var overlays = []string{"dev", "prod"}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "check":
		return checkAll(args[1], args[2])
	case len(args) == 4 && args[0] == "test":
		return testOverlay(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "render":
		objects, err := render(args[1], args[2])
		if err != nil {
			return err
		}
		return objects.print(os.Stdout)
	case len(args) >= 2 && len(args) <= 3 && args[0] == "rules":
		return printRules(args[1], args[2:]...)
	}
	return fmt.Errorf("usage: k8s check ROOT SCHEMAS, k8s test ROOT SCHEMAS OVERLAY, k8s render ROOT OVERLAY, k8s rules ROOT [VALUES]")
}

// checkAll checks every overlay and reports every finding, not only the first.
func checkAll(root, schemaDir string) error {
	schemas, err := loadSchemas(schemaDir)
	if err != nil {
		return err
	}
	repository, err := readRepository(root)
	if err != nil {
		return err
	}
	count := 0
	// Each example is a set of values for the chart.
	examples, err := filepath.Glob(filepath.Join(root, "k8s/examples/values/*.yaml"))
	if err != nil {
		return err
	}
	for _, example := range examples {
		objects, err := template(root, "blog", example)
		if err != nil {
			return err
		}
		problems := check(objects, external{Any: true}, schemas, repository)
		for _, problem := range problems {
			fmt.Printf("%s: %s\n", filepath.Base(example), problem)
		}
		fmt.Printf("%s: %d objects, %d findings\n", filepath.Base(example), len(objects), len(problems))
		count += len(problems)
	}
	for _, overlay := range overlays {
		objects, err := render(root, overlay)
		if err != nil {
			return err
		}
		external, err := readExternal(root, overlay)
		if err != nil {
			return err
		}
		problems := check(objects, external, schemas, repository)
		for _, problem := range problems {
			fmt.Printf("%s: %s\n", overlay, problem)
		}
		fmt.Printf("%s: %d objects, %d findings\n", overlay, len(objects), len(problems))
		count += len(problems)
	}
	if count > 0 {
		return fmt.Errorf("%d findings", count)
	}
	return nil
}

// check is everything there is to say about a rendered overlay.
func check(objects objects, external external, schemas *schemas, repository *repository) []string {
	made := newWorld(objects, external, repository)
	findings := schemas.check(objects)
	for _, part := range []func(*world) []string{
		checkNamespaces, checkReferences, checkSelectors, checkPods, checkGateway, checkSpin, checkScaling, checkPersister,
		checkMetrics, checkFlows, checkOrder,
	} {
		findings = append(findings, part(made)...)
	}
	return findings
}
