package main

import (
	"encoding/base64"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// environment is the persister's.
func (w *world) environment() map[string]string {
	set := map[string]string{}
	for _, pod := range w.pods {
		if pod.labels["app.kubernetes.io/name"] == "persister" {
			for _, variable := range pod.spec.Containers[0].Env {
				set[variable.Name] = variable.Value
			}
		}
	}
	return set
}

func (w *world) brokerPort() int64 {
	first, _, _ := strings.Cut(w.environment()["INTERACTION_KAFKA_BROKERS"], ",")
	return portIn(first)
}

// checkPersister compares the persister's pods with what it reads and runs.
func checkPersister(w *world) []string {
	var findings []string
	runs := map[string]bool{}
	for _, pod := range w.pods {
		if pod.labels["app.kubernetes.io/name"] != "persister" {
			continue
		}
		refused := func(format string, values ...any) { findings = append(findings, refuse(pod, format, values...)) }
		container := pod.spec.Containers[0]
		if len(container.Args) == 0 || !w.repository.commands[container.Args[0]] {
			refused("the persister has no command %v", container.Args)
			continue
		}
		runs[container.Args[0]] = true
		set := map[string]string{}
		for _, variable := range container.Env {
			set[variable.Name] = variable.Value
		}
		for name, value := range set {
			if !w.repository.environment[name] {
				refused("the persister reads no variable %s", name)
			}
			file := strings.HasSuffix(name, "_FILE") || strings.HasSuffix(name, "_CERTIFICATE_LOCATION") || strings.HasSuffix(name, "_KEY_LOCATION")
			if file && strings.HasPrefix(name, "INTERACTION_") && !w.mounted(pod, container, value) {
				refused("%s names %s, which is no key of a Secret that is mounted", name, value)
			}
		}
		needed := []string{"INTERACTION_REDIS_URL_FILE", "INTERACTION_MYSQL_URL_FILE", "INTERACTION_KAFKA_BROKERS"}
		if strings.HasPrefix(set["INTERACTION_KAFKA_SECURITY"], "sasl_") {
			if set["INTERACTION_KAFKA_SASL_MECHANISM"] == "OAUTHBEARER" {
				for _, name := range []string{"TOKEN_ENDPOINT_URL", "CLIENT_ID", "CLIENT_SECRET_FILE"} {
					needed = append(needed, "INTERACTION_KAFKA_SASL_OAUTHBEARER_"+name)
				}
			} else {
				needed = append(needed, "INTERACTION_KAFKA_USERNAME", "INTERACTION_KAFKA_PASSWORD_FILE")
			}
		}
		for _, name := range needed {
			if set[name] == "" {
				refused("%s is not set", name)
			}
		}
		if pod.of.kind() == "Deployment" {
			_, port, _ := strings.Cut(set["INTERACTION_METRICS_ADDRESS"], ":")
			if portIn(":"+port) != pod.port("metrics") {
				refused("serves metrics at %s and says %d", set["INTERACTION_METRICS_ADDRESS"], pod.port("metrics"))
			}
			// docs/operations.md: every process ends within 10 s.
			if grace := pod.spec.TerminationGracePeriodSeconds; grace == nil || *grace <= 10 {
				refused("is killed before it has ended")
			}
		}
		// The alert InteractionReconcileFailed lasts as long as a failed Job.
		if pod.of.kind() == "CronJob" && pod.of.number("spec", "jobTemplate", "spec", "ttlSecondsAfterFinished") < 0 {
			refused("its failed Jobs stay, and so does their alert")
		}
		// Helm and Argo CD run it before all else.
		if hook := pod.of.textMap("metadata", "annotations")["helm.sh/hook"]; (pod.of.kind() == "Job") != (hook == "pre-install,pre-upgrade") {
			refused("is hook %q", hook)
		}
	}
	// Helm forgets what its hooks have made.
	for _, one := range w.objects {
		annotations := one.textMap("metadata", "annotations")
		if annotations["helm.sh/hook"] != "" && annotations["helm.sh/hook-delete-policy"] != "before-hook-creation,hook-succeeded" {
			findings = append(findings, refuse(one, "is left after helm uninstall"))
		}
	}
	for _, job := range []string{"relay", "consume", "snapshot", "warm", "trends", "migrate"} {
		if !runs[job] {
			findings = append(findings, refuse("persister", "nothing runs %s", job))
		}
	}
	return findings
}

// mounted says whether a file is a key of a Secret that is mounted there.
func (w *world) mounted(pod *pod, container corev1.Container, file string) bool {
	for _, mount := range container.VolumeMounts {
		if mount.MountPath != path.Dir(file) {
			continue
		}
		for _, volume := range pod.spec.Volumes {
			if volume.Name == mount.Name && volume.Secret != nil {
				return w.has("Secret", pod.namespace, volume.Secret.SecretName, path.Base(file))
			}
		}
	}
	return false
}

func decoded(text string) string {
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	return string(plain)
}
