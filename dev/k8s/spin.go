package main

import (
	"fmt"
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

// component is the one that Spin gives a path to by a route that names it whole; empty where only `/...` takes it.
func (w *world) component(path string) string {
	for _, trigger := range w.repository.spin.Trigger.HTTP {
		pattern := regexp.MustCompile(`:\w+`).ReplaceAllString(regexp.QuoteMeta(trigger.Route), "[^/]+")
		if regexp.MustCompile("^" + pattern + "/?$").MatchString(path) {
			return trigger.Component
		}
	}
	return ""
}

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

// checkGateway: routes lead to services, are let in by the Gateway, and send each path where spin.toml has it.
func checkGateway(w *world) []string {
	var findings []string
	for _, gateway := range w.objects.ofKind("Gateway") {
		if class := gateway.text("spec", "gatewayClassName"); w.objects.find("GatewayClass", "", class) == nil {
			findings = append(findings, refuse(gateway, "no GatewayClass %s", class))
		}
		reference := object(gateway.at("spec", "infrastructure", "parametersRef").(map[string]any))
		if w.objects.find(reference.text("kind"), gateway.namespace(), reference.text("name")) == nil {
			findings = append(findings, refuse(gateway, "no %s %s", reference.text("kind"), reference.text("name")))
		}
	}
	for _, route := range w.objects.ofKind("HTTPRoute") {
		findings = append(findings, w.checkParents(route)...)
		for _, rule := range route.list("spec", "rules") {
			for _, backend := range rule.list("backendRefs") {
				namespace := backend.text("namespace")
				if namespace == "" {
					namespace = route.namespace()
				}
				if namespace != route.namespace() {
					findings = append(findings, refuse(route, "leads into namespace %s, which wants a ReferenceGrant there", namespace))
				}
				if err := w.serves(namespace, backend.text("name"), backend.number("port")); err != nil {
					findings = append(findings, refuse(route, "%v", err))
				}
			}
		}
	}
	for _, kind := range []string{"SecurityPolicy", "BackendTrafficPolicy", "ClientTrafficPolicy"} {
		for _, policy := range w.objects.ofKind(kind) {
			var targets []string
			for _, target := range policy.list("spec", "targetRefs") {
				targets = append(targets, target.text("name"))
				if w.objects.find(target.text("kind"), policy.namespace(), target.text("name")) == nil {
					findings = append(findings, refuse(policy, "no %s %s in its namespace", target.text("kind"), target.text("name")))
				}
			}
			for _, app := range w.objects.ofKind("SpinApp") {
				if kind != "ClientTrafficPolicy" && !slices.Contains(targets, app.name()) {
					findings = append(findings, refuse(policy, "leaves out route %s", app.name()))
				}
			}
		}
	}
	findings = append(findings, w.checkPaths()...)
	return append(findings, w.checkIdentity()...)
}

func (w *world) checkParents(route object) []string {
	var findings []string
	for _, parent := range route.list("spec", "parentRefs") {
		namespace := parent.text("namespace")
		if namespace == "" {
			namespace = route.namespace()
		}
		gateway := w.objects.find("Gateway", namespace, parent.text("name"))
		if gateway == nil {
			findings = append(findings, refuse(route, "no Gateway %s/%s", namespace, parent.text("name")))
			continue
		}
		section, found := parent.text("sectionName"), false
		for _, listener := range gateway.list("spec", "listeners") {
			if section != "" && listener.text("name") != section {
				continue
			}
			found = true
			switch listener.text("allowedRoutes", "namespaces", "from") {
			case "Selector":
				labelled := w.objects.find("Namespace", "", route.namespace())
				if labelled == nil {
					continue // From outside: external.yaml says which label it must have.
				}
				if !matcher(listener.at("allowedRoutes", "namespaces", "selector")).Matches(setOf(labelled)) {
					findings = append(findings, refuse(route, "listener %s does not let its namespace in", listener.text("name")))
				}
			case "Same", "":
				if route.namespace() != namespace {
					findings = append(findings, refuse(route, "listener %s lets in its own namespace only", listener.text("name")))
				}
			}
		}
		if !found {
			findings = append(findings, refuse(route, "Gateway %s has no listener %s", gateway.name(), section))
		}
	}
	return findings
}

// checkPaths sends each path through the routes as Envoy Gateway orders them.
func (w *world) checkPaths() []string {
	var findings []string
	want := func(path, backend string) {
		if got := w.backend(path); got != backend {
			findings = append(findings, refuse("HTTPRoute", "%s goes to %q and not to %q", path, got, backend))
		}
	}
	for _, trigger := range w.repository.spin.Trigger.HTTP {
		if strings.HasPrefix(trigger.Route, "/v1/") {
			path := regexp.MustCompile(`:\w+`).ReplaceAllString(trigger.Route, "42")
			want(path, w.appOf(trigger.Component))
			want(path+"/", w.appOf(trigger.Component))
			// Another route's, if it is one's.
			if more := path + "/more"; w.component(more) == "" {
				want(more, "articles")
			}
		} else {
			// Health is asked inside the cluster only; what matches nothing is the article service's.
			want(strings.ReplaceAll(trigger.Route, "...", ""), "articles")
		}
	}
	for _, path := range []string{"/", "/v1/articles", "/v1/articles/42", "/v1/articles/42/comments", "/v1/me", "/v1/articles/42/likes", "/x/v1/articles/42/like"} {
		want(path, "articles")
	}
	return findings
}

// backend is the service that a path goes to: an exact path before a regular expression before a prefix.
func (w *world) backend(path string) string {
	best, backend := 0, ""
	for _, route := range w.objects.ofKind("HTTPRoute") {
		for _, rule := range route.list("spec", "rules") {
			for _, match := range rule.list("matches") {
				value, rank := match.text("path", "value"), 0
				switch match.text("path", "type") {
				case "Exact":
					if path == value {
						rank = 3
					}
				case "RegularExpression":
					if matched, err := regexp.MatchString("^(?:"+value+")$", path); err == nil && matched {
						rank = 2
					}
				default:
					if strings.HasPrefix(path, value) {
						rank = 1
					}
				}
				if rank > best {
					best, backend = rank, object(rule).text("backendRefs", 0, "name")
				}
			}
		}
	}
	return backend
}

// checkIdentity: the gateway believes the same tokens and origins as the components, and nobody else writes its header.
func (w *world) checkIdentity() []string {
	var findings []string
	for _, policy := range w.objects.ofKind("SecurityPolicy") {
		refused := func(format string, values ...any) { findings = append(findings, refuse(policy, format, values...)) }
		if origins := strings.Join(policy.texts("spec", "cors", "allowOrigins"), ","); origins != w.setting("cors_origins") {
			refused("allows origins %s, the components %s", origins, w.setting("cors_origins"))
		}
		providers := policy.list("spec", "jwt", "providers")
		if len(providers) == 0 {
			refused("verifies no tokens")
		}
		for _, provider := range providers {
			if provider.text("issuer") != w.setting("jwt_issuer") || fmt.Sprint(provider.texts("audiences")) != "["+w.setting("jwt_audience")+"]" {
				refused("provider %s believes another issuer or audience than the components", provider.text("name"))
			}
			header := provider.text("claimToHeaders", 0, "header")
			for _, client := range w.objects.ofKind("ClientTrafficPolicy") {
				if !slices.Contains(client.texts("spec", "headers", "earlyRequestHeaders", "remove"), header) {
					refused("clients can write the header %s themselves", header)
				}
			}
			for _, traffic := range w.objects.ofKind("BackendTrafficPolicy") {
				if got := traffic.text("spec", "rateLimit", "local", "rules", 0, "clientSelectors", 0, "headers", 0, "name"); got != header {
					refused("the limit by user counts by header %q, not %q", got, header)
				}
			}
		}
	}
	return findings
}
