package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// What Argo CD and Flux are given is of their definitions, and the values in it are the chart's.
func TestTheExamplesForArgoAndFluxAreRight(t *testing.T) {
	loaded := load(t)
	for _, example := range []struct {
		file, kind string
		values     []any
	}{
		{"argo-cd", "Application", []any{"spec", "source", "helm", "valuesObject"}},
		{"flux", "HelmRelease", []any{"spec", "values"}},
	} {
		text, err := os.ReadFile("../../k8s/examples/" + example.file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var all objects
		for _, document := range strings.Split("\n"+string(text), "\n---") {
			one, err := parse([]byte(document))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
		findings := loaded.schemas.check(all)
		values, err := yaml.Marshal(all.ofKind(example.kind)[0].at(example.values...))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, values, 0o644); err != nil {
			t.Fatal(err)
		}
		rendered, err := template("../..", "blog", file)
		if err != nil {
			t.Fatal(err)
		}
		findings = append(findings, check(rendered, external{Any: true}, loaded.schemas, loaded.repository)...)
		if len(findings) > 0 {
			t.Errorf("%s: %s", example.file, strings.Join(findings, "\n"))
		}
	}
}
