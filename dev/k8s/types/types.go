// Package types carries the Go types of which `make k8s-check` makes the schemas of resources whose modules do not bring them
// along: the Prometheus operator's, and Flux's for Helm.
package types

import (
	_ "github.com/fluxcd/helm-controller/api/v2"
	_ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)
