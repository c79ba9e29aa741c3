package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

// rendered is what all tests begin with: the overlays as they are, in which nothing is found.
type rendered struct {
	schemas    *schemas
	repository *repository
	// By overlay, once for all tests: to render takes longer than to check.
	rendered map[string]objects
}

func load(t *testing.T) rendered {
	t.Helper()
	dir := os.Getenv("SCHEMAS")
	if dir == "" {
		t.Fatal("SCHEMAS must name the folder of schemas: run `make k8s-check`")
	}
	schemas, err := loadSchemas(dir)
	if err != nil {
		t.Fatal(err)
	}
	repository, err := readRepository("../..")
	if err != nil {
		t.Fatal(err)
	}
	read := rendered{schemas, repository, map[string]objects{}}
	for _, overlay := range overlays {
		if read.rendered[overlay], err = render("../..", overlay); err != nil {
			t.Fatal(err)
		}
	}
	return read
}

func (r rendered) find(t *testing.T, overlay string, spoil func(objects) objects) []string {
	t.Helper()
	var all objects
	for _, one := range r.rendered[overlay] {
		all = append(all, runtime.DeepCopyJSON(one))
	}
	external, err := readExternal("../..", overlay)
	if err != nil {
		t.Fatal(err)
	}
	return check(spoil(all), external, r.schemas, r.repository)
}

// get panics where a test spoils what is not there.
func (all objects) get(kind, name string) object {
	for _, one := range all {
		if one.kind() == kind && (one.name() == name || strings.HasPrefix(one.name(), name+"-")) {
			return one
		}
	}
	panic("no " + kind + " " + name)
}

func without(all objects, kind, name string) objects {
	spoilt := all.get(kind, name)
	var rest objects
	for _, one := range all {
		if one.String() != spoilt.String() {
			rest = append(rest, one)
		}
	}
	return rest
}

func change(kind, name string, spoil func(object)) func(objects) objects {
	return func(all objects) objects {
		spoil(all.get(kind, name))
		return all
	}
}

// variable changes a variable of all apps that have it.
func variable(name string, spoil func(object)) func(objects) objects {
	return func(all objects) objects {
		for _, app := range all.ofKind("SpinApp") {
			for _, one := range app.list("spec", "variables") {
				if one.text("name") == name {
					spoil(one)
				}
			}
		}
		return all
	}
}

// setting sets a variable of all apps, and one of the persister's environment of all its pods.
func setting(name, value string) func(objects) objects {
	return variable(name, func(o object) { o["value"] = value })
}

func environment(name, value string) func(objects) objects {
	return func(all objects) objects {
		for _, one := range all {
			if path, has := podTemplates[one.kind()]; has && one.namespace() == "interaction" {
				container := one.in(append(slices.Clone(path), "spec", "containers", 0)...)
				container["env"] = append(container["env"].([]any), map[string]any{"name": name, "value": value})
			}
		}
		return all
	}
}

// expression is that of the first alert.
func expression(text string) func(objects) objects {
	return change("PrometheusRule", "interaction", func(o object) { o.in("spec", "groups", 0, "rules", 0)["expr"] = text })
}

func TestTheOverlaysAreWithoutFindings(t *testing.T) {
	loaded := load(t)
	for _, overlay := range overlays {
		for _, finding := range loaded.find(t, overlay, func(all objects) objects { return all }) {
			t.Errorf("%s: %s", overlay, finding)
		}
	}
}

func TestEachMistakeIsFound(t *testing.T) {
	loaded := load(t)
	for _, mistake := range mistakes {
		t.Run(mistake.name, func(t *testing.T) {
			findings := strings.Join(loaded.find(t, mistake.overlay, mistake.spoil), "\n")
			if !strings.Contains(findings, mistake.says) {
				t.Errorf("not found: %q, only:\n%s", mistake.says, findings)
			}
		})
	}
}

func mustJSON(one object) string {
	text, err := json.Marshal(one)
	if err != nil {
		panic(err)
	}
	return string(text)
}
