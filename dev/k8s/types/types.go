// Package types carries the Go types of which `make k8s-check` makes the schemas of resources whose project's releases
// do not bring them along: the Prometheus operator's.
package types

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
