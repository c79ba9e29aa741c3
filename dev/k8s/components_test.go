package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// chart is the chart as an example has it, with more arguments for Helm.
func chart(t *testing.T, example string, more ...string) objects {
	t.Helper()
	return release(t, "blog", example, more...)
}

func release(t *testing.T, name, example string, more ...string) objects {
	t.Helper()
	all, err := template("../..", name, filepath.Join("../../k8s/examples/values", example+".yaml"), more...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A Job cannot be changed, so another image must make another, and whatever names an image must make a valid name.
func TestEachImageHasItsOwnMigration(t *testing.T) {
	loaded := load(t)
	digest := "sha256:" + strings.Repeat("0a", 32)
	seen := map[string]string{}
	for _, image := range []string{
		"persister:1", "registry.example.com:5000/persister:1", "persister@" + digest, "persister:1@" + digest, "persister:A_b.C-1", "persister:0.1.0_rc",
	} {
		all := chart(t, "deployments", "--set", "persister.image="+image)
		if findings := loaded.schemas.check(all); len(findings) > 0 {
			t.Errorf("%s: %s", image, strings.Join(findings, "\n"))
		}
		job := all.get("Job", "blog-migrate")
		if got := job.text("spec", "template", "spec", "containers", 0, "image"); got != image {
			t.Errorf("%s runs %s", image, got)
		}
		if other, is := seen[job.name()]; is {
			t.Errorf("%s and %s have one Job, %s", image, other, job.name())
		}
		seen[job.name()] = image
	}
}

func TestAShimCanRunTheApplication(t *testing.T) {
	all := chart(t, "shim")
	executor := all.get("SpinAppExecutor", "blog-spin")
	if executor.text("spec", "deploymentConfig", "runtimeClassName") == "" || executor.text("spec", "deploymentConfig", "spinImage") != "" {
		t.Errorf("%v", executor)
	}
	deployment, _ := operatorMakes(all.get("SpinApp", "blog-toggle"), executor)
	if image := deployment.text("spec", "template", "spec", "containers", 0, "image"); !strings.Contains(image, "spin-app") {
		t.Errorf("runs %s", image)
	}
}

// Envoy Gateway without a rate limit service answers every request of a route with global limits with 500.
func TestGlobalLimitsAreOptional(t *testing.T) {
	for _, one := range []struct{ enabled, wanted string }{{"false", ""}, {"true", "1200"}} {
		for _, policy := range chart(t, "deployments", "--set", "gateway.limits.global.enabled="+one.enabled).ofKind("BackendTrafficPolicy") {
			if has := policy.at("spec", "rateLimit", "global") != nil; has != (one.wanted != "") {
				t.Errorf("enabled: %s, and %v has global limits: %v", one.enabled, policy, has)
			}
		}
	}
	loaded := load(t)
	for _, overlay := range overlays {
		for _, policy := range loaded.rendered[overlay].ofKind("BackendTrafficPolicy") {
			if policy.at("spec", "rateLimit", "global") != nil {
				t.Errorf("%s: %v needs a service that may not be there", overlay, policy)
			}
		}
	}
}

// Two releases, in one namespace: no object of one may be the other's, and nothing of one may select pods of the other.
func TestTwoReleasesFitIntoANamespace(t *testing.T) {
	one, other := chart(t, "deployments"), release(t, "shop", "deployments")
	names := map[string]bool{}
	for _, each := range one {
		names[each.String()] = true
	}
	for _, each := range other {
		if names[each.String()] && each.kind() != "Namespace" {
			t.Errorf("both have %v", each)
		}
	}
	both := newWorld(append(one, other...), external{Any: true}, nil)
	for _, each := range one {
		for _, path := range [][]any{{"spec", "podSelector"}, {"spec", "selector"}} {
			selector, is := each.at(path...).(map[string]any)
			if each.kind() == "Service" {
				selector = map[string]any{"matchLabels": each.at(path...)}
			}
			if !is {
				continue
			}
			for _, pod := range both.podsOf(each.namespace(), matcher(selector)) {
				if !strings.HasPrefix(pod.of.name(), "blog-") {
					t.Errorf("%v selects %v", each, pod)
				}
			}
		}
	}
}

// A dashboard shows one release. Grafana refuses a second one with the same uid.
func TestADashboardIsOfOneRelease(t *testing.T) {
	seen := map[string]bool{}
	for _, one := range []struct{ name, namespace string }{{"blog", "site"}, {"shop", "site"}, {"blog", strings.Repeat("long", 10)}} {
		all := release(t, one.name, "full", "--namespace", one.namespace)
		text := all.get("ConfigMap", one.name+"-dashboard").text("data", "dashboard.json")
		for _, field := range []string{"uid", "title"} {
			found := first(`(?m)^ "`+field+`": "([^"]+)"`, text)
			if found == "" || seen[found] {
				t.Errorf("%s of %s in %s: %q", field, one.name, one.namespace, found)
			}
			seen[found] = true
		}
		queries, err := dashboardQueries(text)
		if err != nil {
			t.Errorf("%s in %s: %v", one.name, one.namespace, err)
		}
		for _, query := range queries {
			for _, found := range regexp.MustCompile(`interaction_[a-z_]+.?[a-z_]*`).FindAllString(query.expression, -1) {
				if !strings.HasSuffix(found, "{app_kubernetes_io_instance") {
					t.Errorf("%s: %s", query.where, query.expression)
				}
			}
		}
	}
}

// k8s/README.md: the persister is upgraded first, and no command leaves a value behind that keeps later migrations from running.
func TestTheCommandsOfAnUpgradeKeepTheOrder(t *testing.T) {
	text, err := os.ReadFile("../../k8s/README.md")
	if err != nil {
		t.Fatal(err)
	}
	section := strings.ReplaceAll(between(string(text), "## Upgrade and roll back", "\n### "), "\\\n", "")
	commands := regexp.MustCompile(`(?m)^helm upgrade .*$`).FindAllString(section, -1)
	if len(commands) != 4 {
		t.Fatalf("%q", commands)
	}
	for index, sets := range [][]string{{"persister.image=REGISTRY/persister:TAG", "components.image=REGISTRY/app:OLD"}, {"components.image=REGISTRY/app:TAG"},
		{"--no-hooks", "components.image=REGISTRY/app:OLD"}, {"--no-hooks", "persister.image=REGISTRY/persister:OLD"}} {
		for _, set := range sets {
			if !strings.Contains(commands[index], set) {
				t.Errorf("%s: no %s", commands[index], set)
			}
		}
		if strings.Contains(commands[index], "migrate.enabled") {
			t.Errorf("%s: --reset-then-reuse-values would keep this", commands[index])
		}
	}
}

// A changed setting must start new pods.
func TestASettingIsARollout(t *testing.T) {
	for _, example := range []string{"deployments", "shim"} {
		before, after := chart(t, example), chart(t, example, "--set", "components.settings.toggle_user_limit=1\\,1")
		for _, kind := range []string{"Deployment", "SpinApp"} {
			for _, one := range before.ofKind(kind) {
				changed := after.find(kind, one.namespace(), one.name())
				if toggle := one.name() == "blog-toggle"; toggle == (mustJSON(one) == mustJSON(changed)) {
					t.Errorf("%s: %v changed: %v", example, one, !toggle)
				}
			}
		}
	}
}

// What components print goes to the container's log alone: the files that Spin would write are never rotated.
func TestComponentsWriteNoFiles(t *testing.T) {
	text, err := os.ReadFile("../../k8s/images/build")
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if !regexp.MustCompile(`(?m)^ +ln -s /dev/null "target/image/\.spin/logs/\$\{component\}_` + stream + `\.txt"$`).Match(text) {
			t.Errorf("%s of components goes to a file", stream)
		}
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
	loaded, all := load(t), chart(t, "full")
	app := newWorld(all, external{Any: true}, loaded.repository).apps()[0]
	if !strings.HasPrefix(app.telemetry(), "http://otel-collector.monitoring.svc.") {
		t.Errorf("sends to %q", app.telemetry())
	}
	for _, mistake := range []struct {
		name  string
		spoil func(object)
		says  string
	}{
		{"a flow that is not allowed", func(o object) {
			in := all.get("NetworkPolicy", "blog-toggle").in("spec")
			in["egress"] = in["egress"].([]any)[:len(in["egress"].([]any))-1]
		}, "not possible, but needed: blog-toggle -> collector"},
		{"an address that is no rollout", func(o object) { delete(o.in("spec", "podAnnotations"), "interaction/otel-endpoint") },
			"a new address of its executor's telemetry would not be a rollout"},
	} {
		mistake.spoil(all.get("SpinApp", "blog-toggle"))
		findings := strings.Join(check(all, external{Any: true}, loaded.schemas, loaded.repository), "\n")
		if !strings.Contains(findings, mistake.says) {
			t.Errorf("%s is not found: %q, only:\n%s", mistake.name, mistake.says, findings)
		}
	}
}
