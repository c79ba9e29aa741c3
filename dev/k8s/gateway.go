package main

import (
	"regexp"
	"slices"
	"strings"
)

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
				// An example's article service is elsewhere.
				elsewhere := w.external.Any && namespace == "articles"
				if err := w.serves(namespace, backend.text("name"), backend.number("port")); err != nil && !elsewhere {
					findings = append(findings, refuse(route, "%v", err))
				}
			}
		}
	}
	for _, kind := range []string{"SecurityPolicy", "BackendTrafficPolicy", "ClientTrafficPolicy"} {
		var targets []string
		for _, policy := range w.objects.ofKind(kind) {
			for _, target := range policy.list("spec", "targetRefs") {
				targets = append(targets, target.text("name"))
				if w.objects.find(target.text("kind"), policy.namespace(), target.text("name")) == nil {
					findings = append(findings, refuse(policy, "no %s %s in its namespace", target.text("kind"), target.text("name")))
				}
			}
		}
		for _, app := range w.apps() {
			if kind != "ClientTrafficPolicy" && !slices.Contains(targets, app.of.name()) {
				findings = append(findings, refuse(kind, "leaves out route %s", app.of.name()))
			}
		}
	}
	findings = append(findings, w.checkPaths()...)
	findings = append(findings, w.checkRetries()...)
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
		if gateway == nil && w.external.Any {
			continue
		}
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

// checkPaths sends requests through the routes as Envoy Gateway orders them.
func (w *world) checkPaths() []string {
	var findings []string
	rest := "articles"
	if w.external.Any {
		// An example may leave them to a route of the article service's own.
		rest = w.backend(request{"GET", "/", ""})
	}
	want := func(sent request, backend string) {
		if got := w.backend(sent); got != backend {
			findings = append(findings, refuse("HTTPRoute", "%v goes to %q and not to %q", sent, got, backend))
		}
	}
	// Each operation of the description, also with a slash at the end.
	for _, operation := range w.repository.operations {
		if strings.HasPrefix(operation.path, "/v1/") {
			app := w.appOf(w.component(operation.path))
			want(operation, app)
			want(request{operation.method, operation.path + "/", ""}, app)
		}
	}
	for _, trigger := range w.repository.spin.Trigger.HTTP {
		path, app := parameter.ReplaceAllString(trigger.Route, "42"), w.appOf(trigger.Component)
		if !strings.HasPrefix(path, "/v1/") {
			// Only the cluster itself asks about health, and what matches no route is the article service's.
			want(request{"GET", strings.ReplaceAll(path, "...", ""), ""}, rest)
			continue
		}
		if more := path + "/more"; w.component(more) == "" {
			want(request{"GET", more, ""}, rest)
		}
		// The article service has paths like this one: ours are only the methods of a toggle, and their preflights.
		shared := strings.HasPrefix(path, "/v1/articles/") && strings.HasSuffix(path, "/42")
		for _, method := range []string{"PUT", "DELETE", "GET", "POST", "PATCH"} {
			expected := app
			if shared && method != "PUT" && method != "DELETE" {
				expected = rest
			}
			want(request{method, path, ""}, expected)
			want(request{"OPTIONS", path, method}, expected)
		}
	}
	for _, path := range []string{"/", "/v1/articles", "/v1/articles/42", "/v1/articles/42/comments/7", "/v1/me", "/x/v1/articles/42/views"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			want(request{method, path, ""}, rest)
		}
	}
	return findings
}

// checkRetries: what breaks when a pod ends is sent again where it may be, and a page view only if it was never sent.
func (w *world) checkRetries() []string {
	var findings []string
	for _, policy := range w.objects.ofKind("BackendTrafficPolicy") {
		triggers := policy.texts("spec", "retry", "retryOn", "triggers")
		for _, target := range policy.list("spec", "targetRefs") {
			route := w.objects.find("HTTPRoute", policy.namespace(), target.text("name"))
			views := w.backend(request{"POST", "/v1/articles/42/views", ""}) == route.text("spec", "rules", 0, "backendRefs", 0, "name")
			if views == slices.Contains(triggers, "reset") || !slices.Contains(triggers, "connect-failure") {
				findings = append(findings, refuse(policy, "sends %s again on %v", target.text("name"), triggers))
			}
		}
	}
	return findings
}

// A request as far as routes look at it; a preflight names the method that is to follow.
type request struct{ method, path, preflight string }

func (r request) String() string {
	return strings.TrimSpace(r.method + " " + r.path + " " + r.preflight)
}

// backend is the service that a request goes to. Envoy Gateway 1.9.1 tries exact paths before regular expressions before
// prefixes, the longer before the shorter, and then what matches more headers (internal/gatewayapi/sort.go).
func (w *world) backend(sent request) string {
	var best []int
	backend := ""
	for _, route := range w.objects.ofKind("HTTPRoute") {
		for _, rule := range route.list("spec", "rules") {
			for _, match := range rule.list("matches") {
				if rank := rankOf(match, sent); rank != nil && slices.Compare(rank, best) > 0 {
					best, backend = rank, rule.text("backendRefs", 0, "name")
				}
			}
		}
	}
	return backend
}

// rankOf is how early a match comes, nil where it does not take the request.
func rankOf(match object, sent request) []int {
	whole := func(pattern, text string) bool {
		matched, err := regexp.MatchString("^(?:"+pattern+")$", text)
		return err == nil && matched
	}
	value, kind, takes := match.text("path", "value"), 1, false
	switch match.text("path", "type") {
	case "Exact":
		kind, takes = 3, sent.path == value
	case "RegularExpression":
		kind, takes = 2, whole(value, sent.path)
	default:
		takes = strings.HasPrefix(sent.path, value)
	}
	headers := match.list("headers")
	for _, header := range headers {
		if header.text("type") != "RegularExpression" || header.text("name") != "Access-Control-Request-Method" ||
			!whole(header.text("value"), sent.preflight) {
			takes = false
		}
	}
	conditions := len(headers)
	if method := match.text("method"); method != "" {
		takes = takes && method == sent.method
		conditions++
	}
	if !takes {
		return nil
	}
	return []int{kind, len(value), conditions}
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
		// To the components, a slash at the end of an issuer makes no difference. Envoy compares every character.
		var issuers, known []string
		for _, issuer := range strings.Split(w.setting("jwt_issuers"), ",") {
			issuer = strings.TrimSuffix(strings.TrimSpace(issuer), "/")
			issuers = append(issuers, issuer, issuer+"/")
		}
		for _, provider := range providers {
			known = append(known, provider.text("issuer"))
		}
		for _, issuer := range issuers {
			if !slices.Contains(known, issuer) {
				refused("verifies no tokens of %s", issuer)
			}
		}
		for _, provider := range providers {
			// Envoy reads no other claim for the audience, and where that is another it must not read any.
			audiences := w.setting("jwt_audiences")
			if w.setting("jwt_audience_claims") != "aud" {
				audiences = ""
			}
			if !slices.Contains(issuers, provider.text("issuer")) ||
				strings.Join(provider.texts("audiences"), ",") != audiences {
				refused("provider %s believes another issuer or audience than the components", provider.text("name"))
			}
			if url := w.setting("jwt_keys_url"); url != "" && provider.text("remoteJWKS", "uri") != url {
				refused("provider %s has other keys than the components", provider.text("name"))
			}
			if claim := provider.text("claimToHeaders", 0, "claim"); claim != w.setting("jwt_user_claim") {
				refused("provider %s names the user by %s, the components by %s", provider.text("name"), claim, w.setting("jwt_user_claim"))
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
