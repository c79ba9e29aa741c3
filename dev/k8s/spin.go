package main

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
)

// An app is a pod that runs components on Spin: of a SpinApp, or of a Deployment of ours.
type app struct {
	*pod
	components []string
	// By the names of spin.toml.
	variables map[string]corev1.EnvVar
}

func (w *world) apps() []app {
	var all []app
	for _, pod := range w.pods {
		one := app{pod: pod, variables: map[string]corev1.EnvVar{}}
		for _, variable := range pod.spec.Containers[0].Env {
			if variable.Name == "SPIN_COMPONENTS_TO_RETAIN" {
				one.components = strings.Split(variable.Value, ",")
			}
			if name, is := strings.CutPrefix(variable.Name, "SPIN_VARIABLE_"); is {
				one.variables[strings.ToLower(name)] = variable
			}
		}
		if one.components != nil {
			all = append(all, one)
		}
	}
	return all
}

// checkSpin compares what runs components with spin.toml, and SpinApps with what the operator's webhook wants.
func checkSpin(w *world) []string {
	var findings []string
	spin := w.repository.spin
	deployed := map[string]bool{}
	for _, app := range w.apps() {
		refused := func(format string, values ...any) { findings = append(findings, refuse(app, format, values...)) }
		for _, component := range app.components {
			if _, is := spin.Component[component]; !is {
				refused("spin.toml has no component %s", component)
			}
			if deployed[component] {
				refused("component %s runs elsewhere too", component)
			}
			deployed[component] = true
		}
		findings = append(findings, w.checkVariables(app)...)
		container := app.spec.Containers[0]
		// Of several components, the first is asked; they start and stop together.
		if wanted, path := "/healthz/"+app.components[0], container.ReadinessProbe.HTTPGet.Path; path != wanted || w.component(path) != app.components[0] {
			refused("is ready by %q and not by %s", path, wanted)
		}
		if path := container.LivenessProbe.HTTPGet.Path; path != "/.well-known/spin/health" {
			refused("is alive by %q and not by Spin's own path", path)
		}
		config := ""
		for _, volume := range app.spec.Volumes {
			if volume.Secret != nil {
				if found := w.objects.find("Secret", app.namespace, volume.Secret.SecretName); found != nil {
					config += decoded(found.textMap("data")["runtime-config.toml"])
				}
			}
		}
		if config != w.repository.runtimeConfig {
			refused("its runtime config is not the repository's runtime-config.toml")
		}
		if app.of.kind() == "SpinApp" {
			findings = append(findings, w.checkSpinApp(app.of)...)
		} else if drain := container.Lifecycle; drain == nil || drain.PreStop == nil || drain.PreStop.Sleep == nil || drain.PreStop.Sleep.Seconds >= *app.spec.TerminationGracePeriodSeconds {
			refused("does not answer while the gateway learns that it goes")
		}
	}
	for _, component := range slices.Sorted(maps.Keys(spin.Component)) {
		if !deployed[component] {
			findings = append(findings, refuse("spin.toml", "component %s runs nowhere", component))
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

// checkSpinApp is what the operator's webhook wants, and what it does not say.
func (w *world) checkSpinApp(one object) []string {
	var findings []string
	refused := func(format string, values ...any) { findings = append(findings, refuse(one, format, values...)) }
	if one.at("spec", "enableAutoscaling") == true && one.at("spec", "replicas") != nil {
		refused("the operator's webhook refuses replicas with enableAutoscaling")
	}
	if limit := one.text("spec", "invocationLimits", "memory"); limit != "" {
		instance, err := resource.ParseQuantity(limit)
		pod, podErr := resource.ParseQuantity(one.text("spec", "resources", "limits", "memory"))
		if err != nil || podErr != nil || instance.Cmp(pod) > 0 {
			refused("the operator's webhook refuses invocationLimits.memory %s", limit)
		}
	}
	for _, check := range []string{"liveness", "readiness"} {
		if one.at("spec", "checks", check, "httpGet", "httpHeaders") == nil {
			refused("the operator's webhook would write null for the headers of its %s check, which its definition refuses", check)
		}
	}
	annotations := one.textMap("spec", "podAnnotations")
	executor := w.objects.find("SpinAppExecutor", one.namespace(), one.text("spec", "executor"))
	if image := executor.text("spec", "deploymentConfig", "spinImage"); image != "" && image != annotations["interaction/spin-image"] {
		refused("a new image of its executor would not be a rollout")
	}
	if annotations["interaction/otel-endpoint"] != executor.text("spec", "deploymentConfig", "otel", "exporter_otlp_endpoint") {
		refused("a new address of its executor's telemetry would not be a rollout")
	}
	// Nothing of a SpinApp says how its pods end, so an admission policy must.
	drained := slices.ContainsFunc(w.objects.ofKind("MutatingAdmissionPolicy"), func(policy object) bool {
		labels := labels.Set(one.textMap("spec", "podLabels"))
		labels["core.spinkube.dev/app-name"] = one.name()
		return policy.text("spec", "matchConstraints", "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name") == one.namespace() &&
			matcher(policy.at("spec", "matchConstraints", "objectSelector")).Matches(labels) &&
			strings.Contains(policy.text("spec", "mutations", 0, "jsonPatch", "expression"), "preStop")
	})
	if !drained {
		refused("does not answer while the gateway learns that it goes")
	}
	return findings
}

// checkOrder: the operator's webhook refuses an app whose executor is not there yet, and no pod may be older than the policy
// that changes it.
func checkOrder(w *world) []string {
	var findings []string
	seen := map[string]bool{}
	for _, one := range w.objects {
		if executor := "SpinAppExecutor " + one.namespace() + "/" + one.text("spec", "executor"); one.kind() == "SpinApp" && !seen[executor] {
			findings = append(findings, refuse(one, "comes before %s", executor))
		}
		if one.kind() == "MutatingAdmissionPolicyBinding" && (seen["SpinApp"] || !seen["MutatingAdmissionPolicy "+one.text("spec", "policyName")]) {
			findings = append(findings, refuse(one, "comes after pods, or before its policy"))
		}
		seen[one.String()], seen[one.kind()] = true, true
	}
	// Argo CD waits after each wave. The migration is its hook, before all of them.
	wave := func(one object) string { return one.textMap("metadata", "annotations")["argocd.argoproj.io/sync-wave"] }
	for _, app := range w.apps() {
		for _, other := range w.objects {
			persister := other.kind() == "Deployment" && other.textMap("metadata", "labels")["app.kubernetes.io/name"] == "persister"
			scaler := other.kind() == "ScaledObject" && other.namespace() == app.namespace && other.text("spec", "scaleTargetRef", "name") == app.of.name()
			if persister && wave(other) >= wave(app.of) || scaler && wave(other) <= wave(app.of) {
				findings = append(findings, refuse(app, "is in wave %q, and %v in %q", wave(app.of), other, wave(other)))
			}
		}
	}
	return findings
}

// checkVariables: what an app's components use is set, from the right place; what Spin wants besides is there and says
// nothing.
func (w *world) checkVariables(app app) []string {
	var findings []string
	refused := func(format string, values ...any) { findings = append(findings, refuse(app, format, values...)) }
	uses := map[string]bool{}
	var templates []string
	for _, component := range app.components {
		manifest := w.repository.spin.Component[component]
		templates = slices.Concat(templates, slices.Collect(maps.Values(manifest.Variables)), manifest.Hosts)
	}
	for _, found := range regexp.MustCompile(`\{\{ *(\w+) *\}\}`).FindAllStringSubmatch(strings.Join(templates, " "), -1) {
		uses[found[1]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(app.variables)) {
		variable := app.variables[name]
		declared, is := w.repository.spin.Variables[name]
		fromSecret := variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil
		switch {
		case !is:
			refused("spin.toml declares no variable %s", name)
		case !uses[name] && variable.Value != "unused":
			refused("variable %s is not used by %s, and must not be given to it", name, strings.Join(app.components, ", "))
		case uses[name] && declared.Secret != fromSecret:
			refused("variable %s is secret: %v, but is from a Secret: %v", name, declared.Secret, fromSecret)
		case fromSecret && variable.ValueFrom.SecretKeyRef.Key != name:
			refused("variable %s is key %s", name, variable.ValueFrom.SecretKeyRef.Key)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.repository.spin.Variables)) {
		if _, set := app.variables[name]; (uses[name] || w.repository.spin.Variables[name].Required) && !set {
			refused("variable %s is not set", name)
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

// appOf is what runs a component.
func (w *world) appOf(component string) string {
	for _, app := range w.apps() {
		if slices.Contains(app.components, component) {
			return app.of.name()
		}
	}
	return component
}

// telemetry is the address that an app sends telemetry to.
func (a app) telemetry() string {
	for _, variable := range a.spec.Containers[0].Env {
		if variable.Name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return variable.Value
		}
	}
	return ""
}

// setting is a variable of the components that is no secret.
func (w *world) setting(name string) string {
	for _, app := range w.apps() {
		if variable, is := app.variables[name]; is && variable.Value != "unused" {
			return variable.Value
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
