package main

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// checkSpin compares the SpinApps with spin.toml, and with what the operator's webhook wants.
func checkSpin(w *world) []string {
	var findings []string
	spin := w.repository.spin
	deployed := map[string]bool{}
	for _, app := range w.objects.ofKind("SpinApp") {
		refused := func(format string, values ...any) { findings = append(findings, refuse(app, format, values...)) }
		components := app.texts("spec", "components")
		if !slices.Contains(components, app.name()) {
			refused("has components %v and not the one of its name", components)
			continue
		}
		for _, component := range components {
			if _, is := spin.Component[component]; !is {
				refused("spin.toml has no component %s", component)
			}
			if deployed[component] {
				refused("component %s has another SpinApp", component)
			}
			deployed[component] = true
		}
		findings = append(findings, w.checkVariables(app, components)...)
		if app.at("spec", "enableAutoscaling") == true && app.at("spec", "replicas") != nil {
			refused("the operator's webhook refuses replicas with enableAutoscaling")
		}
		// Of several components, the one that the app is named after is asked; they start and stop together.
		if wanted, path := "/healthz/"+app.name(), app.text("spec", "checks", "readiness", "httpGet", "path"); path != wanted || w.component(path) != app.name() {
			refused("is ready by %q and not by %s", path, wanted)
		}
		if path := app.text("spec", "checks", "liveness", "httpGet", "path"); path != "/.well-known/spin/health" {
			refused("is alive by %q and not by Spin's own path", path)
		}
		if limit := app.text("spec", "invocationLimits", "memory"); limit != "" {
			instance, err := resource.ParseQuantity(limit)
			pod, podErr := resource.ParseQuantity(app.text("spec", "resources", "limits", "memory"))
			if err != nil || podErr != nil || instance.Cmp(pod) > 0 {
				refused("the operator's webhook refuses invocationLimits.memory %s", limit)
			}
		}
		if secret := app.text("spec", "runtimeConfig", "loadFromSecret"); secret == "" {
			refused("has no runtime config")
		} else if found := w.objects.find("Secret", app.namespace(), secret); found == nil {
			refused("no Secret %s", secret)
		} else if decoded(found.textMap("data")["runtime-config.toml"]) != w.repository.runtimeConfig {
			refused("Secret %s is not the repository's runtime-config.toml", secret)
		}
		executor := w.objects.find("SpinAppExecutor", app.namespace(), app.text("spec", "executor"))
		if executor != nil && executor.text("spec", "deploymentConfig", "spinImage") != app.textMap("spec", "podAnnotations")["interaction/spin-image"] {
			refused("a new image of its executor would not be a rollout")
		}
		if said := app.textMap("spec", "podAnnotations")["interaction/otel-endpoint"]; said != strings.Join(w.telemetry(app), " ") {
			refused("a new address of its executor's telemetry would not be a rollout")
		}
	}
	for _, component := range slices.Sorted(maps.Keys(spin.Component)) {
		if !deployed[component] {
			findings = append(findings, refuse("spin.toml", "component %s has no SpinApp", component))
		}
	}
	for _, executor := range w.objects.ofKind("SpinAppExecutor") {
		image, class := executor.text("spec", "deploymentConfig", "spinImage"), executor.text("spec", "deploymentConfig", "runtimeClassName")
		if (image == "") == (class == "") {
			findings = append(findings, refuse(executor, "the operator's webhook wants spinImage or runtimeClassName, and one of them"))
		}
	}
	return findings
}

// checkVariables: what an app's components use is set, from the right place; what Spin wants besides is there and says
// nothing.
func (w *world) checkVariables(app object, components []string) []string {
	var findings []string
	refused := func(format string, values ...any) { findings = append(findings, refuse(app, format, values...)) }
	uses := map[string]bool{}
	var templates []string
	for _, component := range components {
		manifest := w.repository.spin.Component[component]
		templates = slices.Concat(templates, slices.Collect(maps.Values(manifest.Variables)), manifest.Hosts)
	}
	for _, found := range regexp.MustCompile(`\{\{ *(\w+) *\}\}`).FindAllStringSubmatch(strings.Join(templates, " "), -1) {
		uses[found[1]] = true
	}
	set := map[string]bool{}
	for _, variable := range app.list("spec", "variables") {
		name := variable.text("name")
		declared, is := w.repository.spin.Variables[name]
		from := variable.text("valueFrom", "secretKeyRef", "name")
		key := variable.text("valueFrom", "secretKeyRef", "key")
		if from == "" {
			key = variable.text("valueFrom", "configMapKeyRef", "key")
		}
		switch {
		case !is:
			refused("spin.toml declares no variable %s", name)
		case set[name]:
			refused("variable %s is set twice", name)
		case !uses[name] && variable.text("value") != "unused":
			refused("variable %s is not used by %s, and must not be given to it", name, strings.Join(components, ", "))
		case uses[name] && variable.at("valueFrom") == nil:
			refused("variable %s is not from a ConfigMap or Secret", name)
		case uses[name] && declared.Secret != (from != ""):
			refused("variable %s is secret: %v, but is from a Secret: %v", name, declared.Secret, from != "")
		case uses[name] && key != name:
			refused("variable %s is key %s", name, key)
		}
		set[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(w.repository.spin.Variables)) {
		if (uses[name] || w.repository.spin.Variables[name].Required) && !set[name] {
			refused("variable %s is not set", name)
		}
	}
	// Nothing in the ConfigMap that nobody reads: a setting with a typing error would do nothing.
	for _, variable := range app.list("spec", "variables") {
		if name := variable.text("valueFrom", "configMapKeyRef", "name"); name != "" {
			if settings := w.objects.find("ConfigMap", app.namespace(), name); settings != nil {
				for key := range settings.textMap("data") {
					if _, is := w.repository.spin.Variables[key]; !is {
						refused("spin.toml declares no variable %s, which is in ConfigMap %s", key, name)
					}
				}
			}
			break
		}
	}
	return findings
}

// component is the one that Spin gives a path to, by the route with the most exact segments; empty where only `/...` takes
// it.
func (w *world) component(path string) string {
	best, component := -1, ""
	for _, trigger := range w.repository.spin.Trigger.HTTP {
		pattern := parameter.ReplaceAllString(regexp.QuoteMeta(trigger.Route), "[^/]+")
		exact := strings.Count(trigger.Route, "/") - strings.Count(trigger.Route, ":")
		if exact > best && regexp.MustCompile("^"+pattern+"/?$").MatchString(path) {
			best, component = exact, trigger.Component
		}
	}
	return component
}

// A segment of a route that stands for any.
var parameter = regexp.MustCompile(`:\w+`)

// appOf is the SpinApp that runs a component.
func (w *world) appOf(component string) string {
	for _, app := range w.objects.ofKind("SpinApp") {
		if slices.Contains(app.texts("spec", "components"), component) {
			return app.name()
		}
	}
	return component
}

// telemetry are the addresses that an app's executor sends telemetry to.
func (w *world) telemetry(app object) []string {
	executor := w.objects.find("SpinAppExecutor", app.namespace(), app.text("spec", "executor"))
	addresses := executor.textMap("spec", "deploymentConfig", "otel")
	return slices.Sorted(maps.Values(addresses))
}

// setting is a variable of the components' ConfigMap.
func (w *world) setting(name string) string {
	for _, app := range w.objects.ofKind("SpinApp") {
		for _, variable := range app.list("spec", "variables") {
			if variable.text("name") == name && variable.at("valueFrom", "configMapKeyRef") != nil {
				settings := w.objects.find("ConfigMap", app.namespace(), variable.text("valueFrom", "configMapKeyRef", "name"))
				return settings.textMap("data")[name]
			}
		}
	}
	return ""
}

// settingPort is the port of an address among them.
func (w *world) settingPort(name string) int64 { return portIn(w.setting(name)) }

func portIn(address string) int64 {
	port, _ := strconv.ParseInt(address[strings.LastIndex(address, ":")+1:], 10, 64)
	return port
}
