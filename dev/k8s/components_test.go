package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withComponent renders an overlay of its own: prod with one of k8s/components, which must fit though none uses it yet.
func withComponent(t *testing.T, component string) objects {
	t.Helper()
	// Kustomize takes folders by relative paths only.
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "k8s/overlays/more")
	relative := func(path string) string {
		absolute, err := filepath.Abs(filepath.Join("../../k8s", path))
		if err != nil {
			t.Fatal(err)
		}
		from, err := filepath.Rel(at, absolute)
		if err != nil {
			t.Fatal(err)
		}
		return from
	}
	text := "resources: [" + relative("overlays/prod") + "]\ncomponents: [" + relative("components/"+component) + "]\n"
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := render(dir, "more")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAShimCanRunTheApplication(t *testing.T) {
	loaded, all := load(t), withComponent(t, "shim")
	if findings := loaded.schemas.check(all); len(findings) > 0 {
		t.Error(strings.Join(findings, "\n"))
	}
	executor := all.get("SpinAppExecutor", "spin")
	if executor.text("spec", "deploymentConfig", "runtimeClassName") == "" || executor.text("spec", "deploymentConfig", "spinImage") != "" {
		t.Errorf("%v", executor)
	}
	deployment, _ := operatorMakes(all.get("SpinApp", "toggle"), executor)
	if image := deployment.text("spec", "template", "spec", "containers", 0, "image"); !strings.Contains(image, "spin-app") {
		t.Errorf("runs %s", image)
	}
}

// k8s/README.md says how the article service keeps a path that looks like a toggle's.
func TestTheArticleServiceCanKeepAPath(t *testing.T) {
	loaded := load(t)
	text, err := os.ReadFile("../../k8s/README.md")
	if err != nil {
		t.Fatal(err)
	}
	route, err := parse([]byte("apiVersion: gateway" + between(string(text), "apiVersion: gateway", "```")))
	if err != nil {
		t.Fatal(err)
	}
	findings := loaded.find(t, "prod", func(all objects) objects {
		all = append(all, route)
		if to := newWorld(all, external{}, loaded.repository).backend(request{"PUT", "/v1/articles/42/cover", ""}); to != "articles" {
			t.Errorf("goes to %q", to)
		}
		return all
	})
	if len(findings) > 0 {
		t.Error(strings.Join(findings, "\n"))
	}
}

func TestSpinSendsTelemetryToTheCollector(t *testing.T) {
	loaded := load(t)
	loaded.rendered["prod"] = withComponent(t, "otel")
	if findings := loaded.find(t, "prod", func(all objects) objects { return all }); len(findings) > 0 {
		t.Error(strings.Join(findings, "\n"))
	}
	deployment, _ := operatorMakes(loaded.rendered["prod"].get("SpinApp", "toggle"), loaded.rendered["prod"].get("SpinAppExecutor", "spin"))
	endpoint := ""
	for _, variable := range deployment.list("spec", "template", "spec", "containers", 0, "env") {
		if variable.text("name") == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			endpoint = variable.text("value")
		}
	}
	if !strings.HasPrefix(endpoint, "http://otel-collector.monitoring.svc.") {
		t.Errorf("sends to %q", endpoint)
	}
	for _, mistake := range []struct {
		name  string
		spoil func(objects) objects
		says  string
	}{
		{"a flow that is not allowed", func(all objects) objects { return without(all, "NetworkPolicy", "to-collector") },
			"not possible, but needed: toggle -> collector"},
		{"a flow that nobody needs", change("SpinAppExecutor", "spin", func(o object) { delete(o.in("spec", "deploymentConfig"), "otel") }),
			"possible, but not needed: toggle -> collector"},
		{"an address where no collector is", change("SpinAppExecutor", "spin", func(o object) {
			o.in("spec", "deploymentConfig", "otel")["exporter_otlp_endpoint"] = "http://otel-collector.monitoring.svc.cluster.local:4317"
		}), "not possible, but needed: toggle -> http://otel-collector.monitoring.svc.cluster.local:4317"},
		{"an address that is no rollout", change("SpinApp", "toggle", func(o object) {
			delete(o.in("spec", "podAnnotations"), "interaction/otel-endpoint")
		}), "a new address of its executor's telemetry would not be a rollout"},
	} {
		if findings := strings.Join(loaded.find(t, "prod", mistake.spoil), "\n"); !strings.Contains(findings, mistake.says) {
			t.Errorf("%s is not found: %q, only:\n%s", mistake.name, mistake.says, findings)
		}
	}
}
