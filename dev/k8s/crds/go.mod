// Carriers of the schemas that `make k8s-check` validates against, and `make k8s-test` installs: the versions that
// k8s/README.md names. Only their files are used, nothing is compiled.
module interaction/dev/k8s/crds

go 1.26.7

require (
	github.com/argoproj/argo-cd/v3 v3.6.1
	github.com/cert-manager/cert-manager v1.21.2
	github.com/envoyproxy/gateway v1.9.1
	github.com/external-secrets/external-secrets v1.3.2
	github.com/fluxcd/source-controller v1.10.1
	github.com/kedacore/keda/v2 v2.21.0
	github.com/spinkube/spin-operator v0.6.1
	k8s.io/kubernetes v1.36.3
	sigs.k8s.io/gateway-api v1.6.1
)
