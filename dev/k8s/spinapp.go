package main

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
)

// addSpinApp makes of a SpinApp what the Spin operator 0.6.1 makes: a pod template and a Service on port 80.
func (w *world) addSpinApp(app object) {
	executor := w.objects.find("SpinAppExecutor", app.namespace(), app.text("spec", "executor"))
	if executor == nil {
		w.problems = append(w.problems, refuse(app, "no SpinAppExecutor %s in its namespace", app.text("spec", "executor")))
		return
	}
	deployment, service := operatorMakes(app, executor)
	w.addPod(app, deployment.at("spec", "template"))
	w.services = append(w.services, serviceOf(service))
}

func serviceOf(one object) service {
	return service{
		one.namespace(), one.name(), labels.SelectorFromSet(one.textMap("spec", "selector")),
		map[int64]any{80: one.at("spec", "ports", 0, "targetPort")},
	}
}

// operatorMakes is the Deployment and the Service that the Spin operator makes of an app.
func operatorMakes(app, executor object) (deployment, service object) {
	name, config := app.name(), object(executor.at("spec", "deploymentConfig").(map[string]any))
	ready := map[string]any{"core.spinkube.dev/app-name": name, "core.spinkube.dev/app." + name + ".status": "ready"}
	labelled := map[string]any{}
	for key, value := range app.textMap("spec", "podLabels") {
		labelled[key] = value
	}
	for key, value := range ready {
		labelled[key] = value
	}
	var environment []any
	for _, variable := range app.list("spec", "variables") {
		one := map[string]any{"name": "SPIN_VARIABLE_" + strings.ToUpper(variable.text("name"))}
		for _, key := range []string{"value", "valueFrom"} {
			if value := variable.at(key); value != nil {
				one[key] = value
			}
		}
		environment = append(environment, one)
	}
	add := func(name, value string) {
		environment = append(environment, map[string]any{"name": name, "value": value})
	}
	add("SPIN_HTTP_LISTEN_ADDR", "0.0.0.0:80")
	for _, signal := range []string{"", "traces_", "metrics_", "logs_"} {
		named := "exporter_otlp_" + signal + "endpoint"
		if endpoint := config.text("otel", named); endpoint != "" {
			add("OTEL_"+strings.ToUpper(named), endpoint)
		}
	}
	if limit := app.text("spec", "invocationLimits", "memory"); limit != "" {
		// One that is no quantity the schema refuses.
		if quantity, err := resource.ParseQuantity(limit); err == nil {
			add("SPIN_MAX_INSTANCE_MEMORY", strconv.FormatInt(quantity.Value(), 10))
		}
	}
	components := app.texts("spec", "components")
	add("SPIN_COMPONENTS_TO_RETAIN", strings.Join(components, ","))
	container := map[string]any{
		"name":      name,
		"env":       environment,
		"ports":     []any{map[string]any{"name": "http-app", "containerPort": int64(80)}},
		"resources": app.at("spec", "resources"),
	}
	for check, probe := range map[string]string{"liveness": "livenessProbe", "readiness": "readinessProbe"} {
		if asked, is := app.at("spec", "checks", check).(map[string]any); is {
			made := map[string]any{}
			for key, value := range asked {
				made[key] = value
			}
			made["httpGet"] = map[string]any{"path": object(asked).text("httpGet", "path"), "port": int64(80)}
			container[probe] = made
		}
	}
	podSpec := map[string]any{"containers": []any{container}, "serviceAccountName": "default"}
	if account := app.text("spec", "serviceAccountName"); account != "" {
		podSpec["serviceAccountName"] = account
	}
	if image := config.text("spinImage"); image != "" {
		container["image"] = image
		arguments := []any{"up", "--listen", "0.0.0.0:80", "-f", app.text("spec", "image"), "--runtime-config-file", "/runtime-config.toml"}
		for _, component := range components {
			arguments = append(arguments, "--component-id", component)
		}
		container["args"] = arguments
	} else {
		container["image"] = app.text("spec", "image")
		container["command"] = []any{"/"}
		podSpec["runtimeClassName"] = config.text("runtimeClassName")
	}
	if secret := app.text("spec", "runtimeConfig", "loadFromSecret"); secret != "" {
		podSpec["volumes"] = []any{map[string]any{"name": "spin-runtime-config", "secret": map[string]any{
			"secretName": secret, "optional": true,
			"items": []any{map[string]any{"key": "runtime-config.toml", "path": "runtime-config.toml"}},
		}}}
		container["volumeMounts"] = []any{map[string]any{
			"name": "spin-runtime-config", "readOnly": true, "mountPath": "/runtime-config.toml", "subPath": "runtime-config.toml",
		}}
	}
	meta := func() map[string]any {
		return map[string]any{
			"name": name, "namespace": app.namespace(), "labels": map[string]any{"core.spinkube.dev/app-name": name},
		}
	}
	deployment = object{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(),
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": ready},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labelled, "annotations": app.at("spec", "podAnnotations")},
				"spec":     podSpec,
			},
		},
	}
	service = object{
		"apiVersion": "v1", "kind": "Service", "metadata": meta(),
		"spec": map[string]any{
			"type":     "ClusterIP",
			"selector": map[string]any{"core.spinkube.dev/app." + name + ".status": "ready"},
			"ports":    []any{map[string]any{"protocol": "TCP", "port": int64(80), "targetPort": "http-app"}},
		},
	}
	return deployment, service
}
