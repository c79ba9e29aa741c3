package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// An object as it would be sent to Kubernetes.
type object map[string]any

type objects []object

// render is what `kubectl apply -k` would send.
func render(root, overlay string) (objects, error) {
	options := *krusty.MakeDefaultOptions()
	// kubectl's own order, where an overlay asks for none. Kustomize logs that an overlay does ask.
	options.Reorder = krusty.ReorderOptionLegacy
	log.SetOutput(io.Discard)
	resources, err := krusty.MakeKustomizer(&options).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "k8s/overlays", overlay))
	if err != nil {
		return nil, fmt.Errorf("overlay %s does not render: %w", overlay, err)
	}
	var all objects
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		var one object
		if err == nil {
			one, err = parse(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", resource.CurId(), err)
		}
		all = append(all, one)
	}
	return all, nil
}

// template is what Helm would send for the chart with these values and arguments. Hooks are among the objects.
func template(root, release, values string, more ...string) (objects, error) {
	arguments := append([]string{"template", release, filepath.Join(root, "k8s/chart"), "--namespace", "site", "--values", values}, more...)
	var rendered, problem strings.Builder
	helm := exec.Command("helm", arguments...)
	helm.Stdout, helm.Stderr = &rendered, &problem
	if err := helm.Run(); err != nil {
		return nil, fmt.Errorf("helm %s: %w\n%s", strings.Join(arguments, " "), err, problem.String())
	}
	var all objects
	for _, document := range strings.Split(rendered.String(), "\n---\n") {
		one, err := parse([]byte(document))
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", values, err, document)
		}
		switch one.kind() {
		case "":
		case "List":
			all = append(all, one.list("items")...)
		default:
			all = append(all, one)
		}
	}
	return all, nil
}

// parse reads an object as Kubernetes does, with whole numbers as such.
func parse(text []byte) (one object, err error) {
	if text, err = yaml.YAMLToJSONStrict(text); err == nil {
		err = json.Unmarshal(text, (*map[string]any)(&one))
	}
	return one, err
}

func (all objects) print(to io.Writer) error {
	for _, one := range all {
		text, err := yaml.Marshal(one)
		if err != nil {
			return err
		}
		fmt.Fprintf(to, "---\n%s", text)
	}
	return nil
}

func (all objects) ofKind(kind string) objects {
	var some objects
	for _, one := range all {
		if one.kind() == kind {
			some = append(some, one)
		}
	}
	return some
}

// find is nil where there is none.
func (all objects) find(kind, namespace, name string) object {
	for _, one := range all {
		if one.kind() == kind && one.namespace() == namespace && one.name() == name {
			return one
		}
	}
	return nil
}

func (o object) apiVersion() string { return o.text("apiVersion") }
func (o object) kind() string       { return o.text("kind") }
func (o object) name() string       { return o.text("metadata", "name") }
func (o object) namespace() string  { return o.text("metadata", "namespace") }

// String is how findings name it.
func (o object) String() string {
	if o.namespace() == "" {
		return o.kind() + " " + o.name()
	}
	return o.kind() + " " + o.namespace() + "/" + o.name()
}

// at is the value at a path of keys and, where a list is, indexes; nil where nothing is.
func (o object) at(path ...any) any {
	var here any = map[string]any(o)
	for _, step := range path {
		switch key := step.(type) {
		case string:
			in, _ := here.(map[string]any)
			here = in[key]
		case int:
			in, _ := here.([]any)
			if key >= len(in) {
				return nil
			}
			here = in[key]
		}
	}
	return here
}

// in is the map at a path, which must be there.
func (o object) in(path ...any) map[string]any { return o.at(path...).(map[string]any) }

func (o object) text(path ...any) string {
	text, _ := o.at(path...).(string)
	return text
}

// number is -1 where there is none.
func (o object) number(path ...any) int64 {
	switch number := o.at(path...).(type) {
	case int64:
		return number
	case float64:
		return int64(number)
	case int:
		return int64(number)
	}
	return -1
}

func (o object) list(path ...any) []object {
	in, _ := o.at(path...).([]any)
	var all []object
	for _, one := range in {
		if item, is := one.(map[string]any); is {
			all = append(all, item)
		}
	}
	return all
}

func (o object) texts(path ...any) []string {
	in, _ := o.at(path...).([]any)
	var all []string
	for _, one := range in {
		if item, is := one.(string); is {
			all = append(all, item)
		}
	}
	return all
}

func (o object) textMap(path ...any) map[string]string {
	in, _ := o.at(path...).(map[string]any)
	all := map[string]string{}
	for key, value := range in {
		text, _ := value.(string)
		all[key] = text
	}
	return all
}

// into fills a type of Kubernetes's own.
func (o object) into(typed any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(o, typed)
}

// matcher reads a label selector; nil selects nothing.
func matcher(selector any) labels.Selector {
	in, is := selector.(map[string]any)
	if !is {
		return labels.Nothing()
	}
	var typed metav1.LabelSelector
	if err := object(in).into(&typed); err != nil {
		return labels.Nothing()
	}
	compiled, err := metav1.LabelSelectorAsSelector(&typed)
	if err != nil {
		return labels.Nothing()
	}
	return compiled
}

// external is what an overlay expects to be there already.
type external struct {
	// Whatever is not there is expected from outside: an example says only what it shows.
	Any        bool     `json:"-"`
	Namespaces []string `json:"namespaces"`
	Services   []struct {
		Namespace string  `json:"namespace"`
		Name      string  `json:"name"`
		Ports     []int64 `json:"ports"`
	} `json:"services"`
	ClusterIssuers []string `json:"clusterIssuers"`
	Secrets        []struct {
		Namespace string   `json:"namespace"`
		Name      string   `json:"name"`
		Keys      []string `json:"keys"`
	} `json:"secrets"`
}

func readExternal(root, overlay string) (external, error) {
	var read external
	text, err := os.ReadFile(filepath.Join(root, "k8s/overlays", overlay, "external.yaml"))
	if os.IsNotExist(err) {
		return read, nil
	}
	if err == nil {
		err = yaml.UnmarshalStrict(text, &read)
	}
	return read, err
}

// refuse is a finding.
func refuse(about any, format string, values ...any) string {
	return fmt.Sprintf("%v: %s", about, strings.TrimSpace(fmt.Sprintf(format, values...)))
}
