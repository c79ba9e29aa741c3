package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// A pod as a controller would make it of an object of the overlay.
type pod struct {
	of        object
	namespace string
	labels    labels.Set
	meta      metav1.ObjectMeta
	spec      corev1.PodSpec
}

func (p *pod) String() string { return p.of.String() }

// restarts says whether Reloader restarts the pods when a Secret of theirs changes. No Job and no store needs that.
func (p *pod) restarts() bool {
	annotations := p.of.textMap("metadata", "annotations")
	switch p.of.kind() {
	case "SpinApp":
		annotations = p.of.textMap("spec", "deploymentAnnotations")
	case "Deployment":
	default:
		return true
	}
	return annotations["reloader.stakater.com/auto"] == "true"
}

// port is the number of a port by name or number, of any container; 0 where there is none.
func (p *pod) port(named any) int64 {
	for _, container := range p.spec.Containers {
		for _, port := range container.Ports {
			switch wanted := named.(type) {
			case string:
				if port.Name == wanted {
					return int64(port.ContainerPort)
				}
			case int64:
				if int64(port.ContainerPort) == wanted {
					return wanted
				}
			case float64:
				return p.port(int64(wanted))
			}
		}
	}
	return 0
}

// A service, of the overlay or made by the Spin operator.
type service struct {
	namespace, name string
	selector        labels.Selector
	// Port to target port.
	ports map[int64]any
}

// world is an overlay with what controllers make of it.
type world struct {
	objects    objects
	external   external
	repository *repository
	pods       []*pod
	services   []service
	problems   []string
}

// podTemplates are where each kind keeps the template of its pods.
var podTemplates = map[string][]any{
	"Deployment":  {"spec", "template"},
	"StatefulSet": {"spec", "template"},
	"Job":         {"spec", "template"},
	"CronJob":     {"spec", "jobTemplate", "spec", "template"},
}

func newWorld(all objects, external external, repository *repository) *world {
	w := &world{objects: all, external: external, repository: repository}
	for _, one := range all {
		if path, has := podTemplates[one.kind()]; has {
			w.addPod(one, one.at(path...))
		}
		if one.kind() == "SpinApp" {
			w.addSpinApp(one)
		}
		if one.kind() == "Service" {
			ports := map[int64]any{}
			for _, port := range one.list("spec", "ports") {
				ports[port.number("port")] = port.at("targetPort")
				if port.at("targetPort") == nil {
					ports[port.number("port")] = port.number("port")
				}
			}
			w.services = append(w.services, service{
				one.namespace(), one.name(), labels.SelectorFromSet(one.textMap("spec", "selector")), ports,
			})
		}
	}
	return w
}

func (w *world) addPod(of object, template any) {
	var typed corev1.PodTemplateSpec
	in, _ := template.(map[string]any)
	if err := object(in).into(&typed); err != nil {
		w.problems = append(w.problems, refuse(of, "pod template: %v", err))
		return
	}
	for _, claim := range of.list("spec", "volumeClaimTemplates") {
		typed.Spec.Volumes = append(typed.Spec.Volumes, corev1.Volume{Name: claim.name(), VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.name()},
		}})
	}
	w.pods = append(w.pods, &pod{
		of: of, namespace: of.namespace(), labels: typed.Labels, meta: typed.ObjectMeta, spec: typed.Spec,
	})
}

// checkPods is what no schema says of a pod: admission by its namespace's level, an image with a tag, requests, no token.
func checkPods(w *world) []string {
	findings := w.problems
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return append(findings, err.Error())
	}
	for _, pod := range w.pods {
		namespace := w.objects.find("Namespace", "", pod.namespace)
		if namespace == nil && w.external.Any {
			namespace = object{"metadata": map[string]any{"labels": map[string]any{
				"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "v1.36",
			}}}
			if pod.of.kind() == "SpinApp" {
				namespace.in("metadata", "labels")["pod-security.kubernetes.io/enforce"] = "baseline"
			}
		}
		if namespace == nil {
			continue
		}
		level := namespace.textMap("metadata", "labels")["pod-security.kubernetes.io/enforce"]
		wanted, err := psaapi.ParseLevel(level)
		if err != nil || wanted == psaapi.LevelPrivileged {
			findings = append(findings, refuse(namespace, "enforces no Pod Security level"))
			continue
		}
		version, err := psaapi.ParseVersion(namespace.textMap("metadata", "labels")["pod-security.kubernetes.io/enforce-version"])
		if err != nil {
			findings = append(findings, refuse(namespace, "%v", err))
		}
		result := policy.AggregateCheckResults(
			evaluator.EvaluatePod(psaapi.LevelVersion{Level: wanted, Version: version}, &pod.meta, &pod.spec))
		if !result.Allowed {
			findings = append(findings, refuse(pod, "Pod Security %s refuses it: %s", level, result.ForbiddenDetail()))
		}
		findings = append(findings, w.checkPod(pod)...)
	}
	return findings
}

func (w *world) checkPod(pod *pod) []string {
	var findings []string
	refused := func(format string, values ...any) { findings = append(findings, refuse(pod, format, values...)) }
	for _, container := range append(pod.spec.InitContainers, pod.spec.Containers...) {
		last := container.Image[strings.LastIndex(container.Image, "/")+1:]
		if !strings.Contains(last, ":") || strings.HasSuffix(last, ":latest") {
			refused("image %s has no fixed tag", container.Image)
		}
		for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if _, has := container.Resources.Requests[resource]; !has {
				refused("container %s asks for no %s", container.Name, resource)
			}
		}
		if _, has := container.Resources.Limits[corev1.ResourceMemory]; !has {
			refused("container %s may take all memory", container.Name)
		}
		for kind, probe := range map[string]*corev1.Probe{"liveness": container.LivenessProbe, "readiness": container.ReadinessProbe} {
			if probe == nil {
				continue
			}
			var port any
			if probe.HTTPGet != nil {
				port = portOf(probe.HTTPGet.Port.StrVal, probe.HTTPGet.Port.IntVal)
			} else if probe.TCPSocket != nil {
				port = portOf(probe.TCPSocket.Port.StrVal, probe.TCPSocket.Port.IntVal)
			} else {
				continue
			}
			if pod.port(port) == 0 {
				refused("its %s probe asks port %v, which it has not", kind, port)
			}
		}
	}
	for _, volume := range pod.spec.Volumes {
		disposable := strings.Split(pod.meta.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"], ",")
		if volume.EmptyDir != nil && pod.of.kind() == "Deployment" && !slices.Contains(disposable, volume.Name) {
			refused("its volume %s keeps the cluster autoscaler from removing a node", volume.Name)
		}
	}
	if class := pod.spec.PriorityClassName; class != "" && w.objects.find("PriorityClass", "", class) == nil {
		refused("no PriorityClass %s", class)
	}
	account := pod.spec.ServiceAccountName
	switch {
	case pod.spec.AutomountServiceAccountToken != nil && !*pod.spec.AutomountServiceAccountToken:
	case account == "" || account == "default":
		refused("has the default account's token")
	default:
		found := w.objects.find("ServiceAccount", pod.namespace, account)
		if automount, is := found.at("automountServiceAccountToken").(bool); !is || automount {
			refused("has a token of ServiceAccount %s", account)
		}
	}
	if account != "" && account != "default" && w.objects.find("ServiceAccount", pod.namespace, account) == nil {
		refused("no ServiceAccount %s", account)
	}
	for _, spread := range pod.spec.TopologySpreadConstraints {
		selector, err := metav1.LabelSelectorAsSelector(spread.LabelSelector)
		if err != nil || !selector.Matches(pod.labels) {
			refused("is spread by labels that it has not")
		}
	}
	return findings
}

func portOf(name string, number int32) any {
	if name != "" {
		return name
	}
	return int64(number)
}

// podsOf are the pods of a namespace that a selector takes.
func (w *world) podsOf(namespace string, selector labels.Selector) []*pod {
	var some []*pod
	for _, pod := range w.pods {
		if pod.namespace == namespace && selector.Matches(pod.labels) {
			some = append(some, pod)
		}
	}
	return some
}

// serves says whether a service is there and has a port that leads somewhere; else why not.
func (w *world) serves(namespace, name string, port int64) error {
	for _, one := range w.external.Services {
		if one.Namespace == namespace && one.Name == name {
			for _, has := range one.Ports {
				if has == port {
					return nil
				}
			}
		}
	}
	for _, one := range w.services {
		if one.namespace != namespace || one.name != name {
			continue
		}
		target, has := one.ports[port]
		if !has {
			return fmt.Errorf("Service %s/%s has no port %d", namespace, name, port)
		}
		for _, pod := range w.podsOf(namespace, one.selector) {
			if pod.port(target) != 0 {
				return nil
			}
		}
		return fmt.Errorf("Service %s/%s leads to no pod with port %v", namespace, name, target)
	}
	return fmt.Errorf("no Service %s/%s with port %s", namespace, name, strconv.FormatInt(port, 10))
}
