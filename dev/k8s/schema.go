package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	apivalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"
)

// schemas of everything that may be in an overlay.
type schemas struct {
	// Of custom resources, by apiVersion and kind.
	custom map[string]*customSchema
	// Of Kubernetes's own kinds, by the same, references resolved.
	builtin map[string]*spec.Schema
	strict  runtime.Decoder
}

type customSchema struct {
	structural *structuralschema.Structural
	validator  apivalidation.SchemaValidator
	rules      *cel.Validator
	namespaced bool
}

// loadSchemas reads swagger.json and every custom resource definition of a folder.
func loadSchemas(dir string) (*schemas, error) {
	all := &schemas{
		custom: map[string]*customSchema{},
		strict: kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, scheme.Scheme, scheme.Scheme,
			kubejson.SerializerOptions{Strict: true}),
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no schemas in %s", dir)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, document := range strings.Split("\n"+string(text), "\n---") {
			if err := all.addDefinition([]byte(document)); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	all.builtin, err = readSwagger(filepath.Join(dir, "swagger.json"))
	return all, err
}

func (all *schemas) addDefinition(text []byte) error {
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return err
	}
	if definition.Kind != "CustomResourceDefinition" {
		return nil
	}
	for _, version := range definition.Spec.Versions {
		if !version.Served || version.Schema == nil {
			continue
		}
		var internal apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
			version.Schema.OpenAPIV3Schema, &internal, nil); err != nil {
			return err
		}
		structural, err := structuralschema.NewStructural(&internal)
		if err != nil {
			return err
		}
		validator, _, err := apivalidation.NewSchemaValidator(&internal)
		if err != nil {
			return err
		}
		all.custom[definition.Spec.Group+"/"+version.Name+" "+definition.Spec.Names.Kind] = &customSchema{
			structural: structural,
			validator:  validator,
			rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
			namespaced: definition.Spec.Scope == apiextensionsv1.NamespaceScoped,
		}
	}
	return nil
}

func (all *schemas) check(objects objects) []string {
	var findings []string
	seen := map[string]bool{}
	for _, one := range objects {
		id := one.apiVersion() + " " + one.String()
		if seen[id] {
			findings = append(findings, refuse(one, "is there twice"))
		}
		seen[id] = true
		key := one.apiVersion() + " " + one.kind()
		if custom := all.custom[key]; custom != nil {
			findings = append(findings, custom.check(one)...)
		} else if builtin := all.builtin[key]; builtin != nil {
			findings = append(findings, all.checkBuiltin(one, builtin)...)
		} else {
			findings = append(findings, refuse(one, "no schema of %s is known", key))
		}
		for _, message := range validation.NameIsDNSSubdomain(one.name(), false) {
			findings = append(findings, refuse(one, "name: %s", message))
		}
	}
	return findings
}

// check is what the API server does with a custom resource: no unknown field, the schema, sets and maps, rules in CEL.
func (s *customSchema) check(one object) []string {
	var findings []string
	copied := runtime.DeepCopyJSON(one)
	var meta struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ObjectMeta `json:"metadata"`
	}
	text, _ := json.Marshal(map[string]any{"metadata": copied["metadata"]})
	if err := yaml.UnmarshalStrict(text, &meta); err != nil {
		findings = append(findings, refuse(one, "%v", err))
	}
	if s.namespaced != (one.namespace() != "") {
		findings = append(findings, refuse(one, "namespace missing, or too many"))
	}
	unknown := pruning.PruneWithOptions(copied, s.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		findings = append(findings, refuse(one, "unknown field %s", path))
	}
	defaulting.Default(copied, s.structural)
	errors := apivalidation.ValidateCustomResource(field.NewPath(""), copied, s.validator)
	errors = append(errors, listtype.ValidateListSetsAndMaps(nil, s.structural, copied)...)
	if s.rules != nil && len(errors) == 0 {
		broken, _ := s.rules.Validate(context.Background(), nil, s.structural, copied, nil, celconfig.RuntimeCELCostBudget)
		errors = append(errors, broken...)
	}
	for _, err := range errors {
		findings = append(findings, refuse(one, "%v", err))
	}
	return findings
}

// checkBuiltin holds an object against Kubernetes's OpenAPI description, and its Go types for unknown and repeated fields.
func (all *schemas) checkBuiltin(one object, schema *spec.Schema) []string {
	var findings []string
	text, err := json.Marshal(one)
	if err != nil {
		return []string{refuse(one, "%v", err)}
	}
	if _, _, err := all.strict.Decode(text, nil, nil); err != nil {
		findings = append(findings, refuse(one, "%v", err))
	}
	result := validate.NewSchemaValidator(schema, nil, "", strfmt.Default).Validate(map[string]any(one))
	for _, err := range result.Errors {
		findings = append(findings, refuse(one, "%v", err))
	}
	return findings
}

// readSwagger reads Kubernetes's description of its own kinds.
func readSwagger(file string) (map[string]*spec.Schema, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var swagger struct {
		Definitions map[string]json.RawMessage `json:"definitions"`
	}
	if err := json.Unmarshal(text, &swagger); err != nil {
		return nil, err
	}
	kinds := map[string]*spec.Schema{}
	resolved := map[string]*spec.Schema{}
	for name, raw := range swagger.Definitions {
		var of struct {
			Kinds []struct{ Group, Version, Kind string } `json:"x-kubernetes-group-version-kind"`
		}
		if err := json.Unmarshal(raw, &of); err != nil {
			return nil, err
		}
		// Descriptions of schemas themselves refer to each other without end, and no overlay has them.
		if len(of.Kinds) != 1 || strings.Contains(name, "apiextensions") {
			continue
		}
		schema, err := resolve(name, swagger.Definitions, resolved)
		if err != nil {
			return nil, err
		}
		version := strings.TrimPrefix(of.Kinds[0].Group+"/"+of.Kinds[0].Version, "/")
		kinds[version+" "+of.Kinds[0].Kind] = schema
	}
	return kinds, nil
}

func resolve(name string, raw map[string]json.RawMessage, done map[string]*spec.Schema) (*spec.Schema, error) {
	if schema := done[name]; schema != nil {
		return schema, nil
	}
	schema := &spec.Schema{}
	done[name] = schema
	if err := json.Unmarshal(raw[name], schema); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// Numbers or texts both.
	if schema.Format == "int-or-string" || strings.HasSuffix(name, "resource.Quantity") {
		*schema = spec.Schema{}
		return schema, nil
	}
	return schema, inline(schema, raw, done)
}

func inline(schema *spec.Schema, raw map[string]json.RawMessage, done map[string]*spec.Schema) error {
	replace := func(inner *spec.Schema) error {
		if reference := inner.Ref.String(); reference != "" {
			to, err := resolve(strings.TrimPrefix(reference, "#/definitions/"), raw, done)
			if err != nil {
				return err
			}
			*inner = *to
			return nil
		}
		return inline(inner, raw, done)
	}
	// The API server takes base64 in lines, as kustomize writes it; the validator does not.
	if schema.Format == "byte" {
		schema.Format = ""
	}
	for key, inner := range schema.Properties {
		if err := replace(&inner); err != nil {
			return err
		}
		schema.Properties[key] = inner
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		if err := replace(schema.Items.Schema); err != nil {
			return err
		}
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		return replace(schema.AdditionalProperties.Schema)
	}
	return nil
}
