// A program of our own: see main.go.
module interaction/dev/k8s/whoami

go 1.26.0
