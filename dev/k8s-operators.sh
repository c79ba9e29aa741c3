# shellcheck shell=bash
# Sourced by dev/k8s-up: what k8s/README.md lists as prerequisites, installed from the manifests and charts of its modules, each
# with its webhooks. Their certificates come from the cluster's authority in place of cert-manager.
# shellcheck disable=SC2154 # work and schemas are the caller's

SPIN_OPERATOR=github.com/spinkube/spin-operator
KEDA=github.com/kedacore/keda/v2
METRICS=sigs.k8s.io/metrics-server
ENVOY_GATEWAY=github.com/envoyproxy/gateway

build_operators() {
    build_programs spinkube $SPIN_OPERATOR $SPIN_OPERATOR/cmd
    if [ -z "${WITHOUT_GATEWAY:-}" ]; then
        need_helm
        build_programs envoy-gateway $ENVOY_GATEWAY $ENVOY_GATEWAY/cmd/envoy-gateway
    fi
    if [ -z "${WITHOUT_KEDA:-}" ]; then
        build_programs metrics-server $METRICS $METRICS/cmd/metrics-server
        build_programs keda $KEDA $KEDA/cmd/{operator,adapter,webhooks}
    fi
}

# Their manifests, with the images that dev/k8s-images makes: written where no network is needed any more.
write_manifests() {
    local to="$1" pulled="s/imagePullPolicy: Always/imagePullPolicy: IfNotPresent/"
    mkdir -p "$to/definitions"
    # Of all operators, so that the API server accepts the whole overlay, whatever is left out.
    cp "$schemas"/{core.spinkube,gateway,keda,eventing.keda,monitoring}.*.yaml "$to/definitions"
    kubectl kustomize "$(module_dir $SPIN_OPERATOR)/config/default" |
        sed "s/\(spin-operator\):latest/\1:$(module_version spinkube $SPIN_OPERATOR)/" |
        awk 'BEGIN { RS = "---\n"; ORS = "---\n" } !/\nkind: (Certificate|Issuer)\n/' >"$to/spin-operator.yaml"
    if [ -z "${WITHOUT_KEDA:-}" ]; then
        # A small node has no room for what they request.
        kubectl kustomize "$(module_dir $KEDA)/config/default" |
            sed "$pulled; s/\(image: .*kedacore.*\):main/\1:$(module_version keda $KEDA)/
                 s/cpu: 100m/cpu: 20m/" >"$to/keda.yaml"
    fi
    if [ -z "${WITHOUT_GATEWAY:-}" ]; then
        cp -r "$(module_dir $ENVOY_GATEWAY)/charts/gateway-helm" "$to/gateway"
        chmod -R u+w "$to/gateway"
        # shellcheck disable=SC2016 # what a release of Envoy Gateway replaces
        sed "s|\${GatewayImage}|docker.io/envoyproxy/gateway:$(module_version envoy-gateway $ENVOY_GATEWAY)|
             s|\${GatewayImagePullPolicy}|IfNotPresent|" "$to/gateway/values.tmpl.yaml" >"$to/gateway/values.yaml"
        # It names Envoy's image by the digest of the real one.
        sed -n 's/.*DefaultEnvoyProxyImage *= *"\(.*\)"/\1/p' "$(module_dir $ENVOY_GATEWAY)"/api/v1alpha1/*.go >"$to/envoy-image"
        grep -q "^$ENVOY_IMAGE@" "$to/envoy-image" || die "Envoy Gateway starts $(cat "$to/envoy-image"), not $ENVOY_IMAGE"
    fi
}

# A certificate for a Service's webhooks: Secret, namespace, Service.
webhook_certificate() {
    certificate "$1" "/CN=$3" "DNS:$3.$2.svc,DNS:$3.$2.svc.cluster.local"
    kubectl create namespace "$2" --dry-run=client -o yaml | kubectl apply --server-side -f - >/dev/null
    kubectl -n "$2" create secret tls "$1" --cert="$work/pki/$1.crt" --key="$work/pki/$1.key" >/dev/null
}

start_operators() {
    local authority
    authority="$(base64 -w 0 <"$work/pki/ca.crt")"
    kubectl apply --server-side -f "$work/manifests/definitions" >"$work/log/definitions"
    webhook_certificate webhook-server-cert spin-operator spin-operator-webhook-service
    sed "s/^\( *\)clientConfig:$/&\n\1  caBundle: $authority/" "$work/manifests/spin-operator.yaml" |
        kubectl apply --server-side --force-conflicts -f - >"$work/log/spin-operator"
    if [ -e "$work/manifests/gateway" ]; then
        helm install envoy-gateway "$work/manifests/gateway" --namespace envoy-gateway-system --create-namespace \
            --set crds.enabled=false --timeout 5m >"$work/log/envoy-gateway"
    else
        say "WITHOUT Envoy Gateway: its objects are accepted, and nothing answers from outside"
    fi
    if [ -e "$work/manifests/keda.yaml" ]; then
        kubectl apply -f "$ROOT/dev/k8s/cluster/metrics-server.yaml" >"$work/log/metrics-server"
        kubectl apply --server-side --force-conflicts -f "$work/manifests/keda.yaml" >"$work/log/keda"
    else
        say "WITHOUT KEDA and metrics-server: the objects for KEDA are accepted, and nothing scales"
    fi
    local namespace
    for namespace in kube-system spin-operator keda envoy-gateway-system; do
        kubectl -n "$namespace" rollout status deployment --timeout=5m >>"$work/log/operators" 2>&1
    done
}

# What the load balancer of a cloud does: the gateway's Service gets an address from outside.
give_address() {
    local service
    wait_for "Service of the gateway" "$work/log/envoy-gateway" has_gateway_service
    service="$(gateway_service)"
    kubectl -n envoy-gateway-system patch "$service" --subresource=status --type=merge \
        -p "{\"status\": {\"loadBalancer\": {\"ingress\": [{\"ip\": \"$GATEWAY\"}]}}}" >/dev/null
    kubectl -n envoy-gateway-system rollout status deployment --timeout=5m >/dev/null
    wait_for "gateway" "$work/log/envoy-gateway" curl -fs "http://$GATEWAY/v1/openapi.json"
}

gateway_service() {
    kubectl -n envoy-gateway-system get service -o name -l gateway.envoyproxy.io/owning-gateway-name=gateway
}

has_gateway_service() { [ -n "$(gateway_service)" ]; }
