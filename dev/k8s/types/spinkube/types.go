// Package spinkube has the shape of the Spin operator's resources, version 0.6.1 (API core.spinkube.dev/v1alpha1): the
// operator's own Go module is not to be had from a module proxy, so their schemas are made from what is written here.
// Names, types and defaults are the API's; nothing that is not in it may be added, or a typing error would pass.
//
// +kubebuilder:object:generate=true
// +groupName=core.spinkube.dev
// +versionName=v1alpha1
package spinkube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SpinApp is an application, or some of its components, that runs on Spin.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
type SpinApp struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   SpinAppSpec   `json:"spec,omitempty"`
	Status SpinAppStatus `json:"status,omitempty"`
}

// SpinAppSpec is what is wanted.
//
// +kubebuilder:validation:Optional
type SpinAppSpec struct {
	Executor string `json:"executor"`
	// +kubebuilder:validation:Required
	Image            string                        `json:"image"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	Checks           Checks                        `json:"checks,omitempty"`
	Replicas         int32                         `json:"replicas,omitempty"`
	// +kubebuilder:default:=false
	EnableAutoscaling     bool                 `json:"enableAutoscaling,omitempty"`
	RuntimeConfig         RuntimeConfig        `json:"runtimeConfig,omitempty"`
	Volumes               []corev1.Volume      `json:"volumes,omitempty"`
	VolumeMounts          []corev1.VolumeMount `json:"volumeMounts,omitempty"`
	Variables             []Variable           `json:"variables,omitempty"`
	ServiceAnnotations    map[string]string    `json:"serviceAnnotations,omitempty"`
	DeploymentAnnotations map[string]string    `json:"deploymentAnnotations,omitempty"`
	PodAnnotations        map[string]string    `json:"podAnnotations,omitempty"`
	PodLabels             map[string]string    `json:"podLabels,omitempty"`
	Resources             Resources            `json:"resources,omitempty"`
	// +kubebuilder:validation:MinItems:=1
	Components []string `json:"components,omitempty"`
	// +optional
	ServiceAccountName string            `json:"serviceAccountName,omitempty"`
	InvocationLimits   map[string]string `json:"invocationLimits,omitempty"`
}

// SpinAppStatus is what the operator saw.
type SpinAppStatus struct {
	Conditions      []metav1.Condition `json:"conditions,omitempty"`
	ActiveScheduler string             `json:"activeScheduler,omitempty"`
	ReadyReplicas   int32              `json:"readyReplicas"`
}

// Checks are the probes of the pods.
type Checks struct {
	Readiness *Probe `json:"readiness,omitempty"`
	Liveness  *Probe `json:"liveness,omitempty"`
}

// Probe is one of them, by HTTP.
type Probe struct {
	HTTPGet *HTTPGet `json:"httpGet,omitempty"`
	// +kubebuilder:default:=10
	InitialDelaySeconds int32 `json:"initialDelaySeconds,omitempty"`
	// +kubebuilder:default:=1
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// +optional
	// +kubebuilder:default:=10
	PeriodSeconds int32 `json:"periodSeconds,omitempty"`
	// +optional
	// +kubebuilder:default:=1
	SuccessThreshold int32 `json:"successThreshold,omitempty"`
	// +optional
	// +kubebuilder:default:=3
	FailureThreshold int32 `json:"failureThreshold,omitempty"`
}

// HTTPGet is its request.
type HTTPGet struct {
	Path string `json:"path"`
	// +optional
	HTTPHeaders []Header `json:"httpHeaders"`
}

// Header is one of its headers.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Variable gives a Spin variable its value.
type Variable struct {
	Name string `json:"name"`
	// +optional
	Value string `json:"value,omitempty"`
	// +optional
	ValueFrom *corev1.EnvVarSource `json:"valueFrom,omitempty"`
}

// Resources are those of the container.
type Resources struct {
	Limits   corev1.ResourceList `json:"limits,omitempty"`
	Requests corev1.ResourceList `json:"requests,omitempty"`
}

// RuntimeConfig is Spin's, in a Secret or in parts.
type RuntimeConfig struct {
	// +optional
	LoadFromSecret  string   `json:"loadFromSecret,omitempty"`
	SqliteDatabases []Store  `json:"sqliteDatabases,omitempty"`
	KeyValueStores  []Store  `json:"keyValueStores,omitempty"`
	LLMCompute      *Compute `json:"llmCompute,omitempty"`
}

// Store is a database of Spin's own.
type Store struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Options []Option `json:"options,omitempty"`
}

// Compute is what runs models.
type Compute struct {
	Type    string   `json:"type"`
	Options []Option `json:"options,omitempty"`
}

// Option is a setting of either.
type Option struct {
	Name string `json:"name"`
	// +optional
	Value string `json:"value,omitempty"`
	// +optional
	ValueFrom *OptionSource `json:"valueFrom,omitempty"`
}

// OptionSource is where its value is.
type OptionSource struct {
	// +optional
	ConfigMapKeyRef *corev1.ConfigMapKeySelector `json:"configMapKeyRef,omitempty"`
	// +optional
	SecretKeyRef *corev1.SecretKeySelector `json:"secretKeyRef,omitempty"`
}

// SpinAppExecutor says how applications are run.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
type SpinAppExecutor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   SpinAppExecutorSpec   `json:"spec,omitempty"`
	Status SpinAppExecutorStatus `json:"status,omitempty"`
}

// SpinAppExecutorSpec is what is wanted.
type SpinAppExecutorSpec struct {
	CreateDeployment bool              `json:"createDeployment"`
	DeploymentConfig *DeploymentConfig `json:"deploymentConfig,omitempty"`
}

// DeploymentConfig is either a runtime class or an image of Spin, and what all pods get.
type DeploymentConfig struct {
	RuntimeClassName      *string `json:"runtimeClassName,omitempty"`
	SpinImage             *string `json:"spinImage,omitempty"`
	CACertSecret          string  `json:"caCertSecret,omitempty"`
	InstallDefaultCACerts bool    `json:"installDefaultCACerts,omitempty"`
	Otel                  *Otel   `json:"otel,omitempty"`
}

// Otel is where telemetry goes.
type Otel struct {
	Endpoint        string `json:"exporter_otlp_endpoint,omitempty"`
	TracesEndpoint  string `json:"exporter_otlp_traces_endpoint,omitempty"`
	MetricsEndpoint string `json:"exporter_otlp_metrics_endpoint,omitempty"`
	LogsEndpoint    string `json:"exporter_otlp_logs_endpoint,omitempty"`
}

// SpinAppExecutorStatus is empty.
type SpinAppExecutorStatus struct{}
