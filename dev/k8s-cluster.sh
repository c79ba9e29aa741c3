# shellcheck shell=bash
# Sourced by dev/k8s-up: the control plane and the nodes, in namespaces that the caller has made. $work has their data.
#
# The addresses are those that no other network uses: 198.18.0.0/15 is for measurements between devices of one's own.
# shellcheck disable=SC2154 # work and schemas are the caller's

HOST_ADDRESS=198.18.36.1
NODE_ADDRESS=198.18.36.2
# Two kubelets, each with a containerd of its own, that share an address and have different ports.
NODES=(1 2)
SERVICES=10.96.0.0/16
API_SERVICE=10.96.0.1
DNS_SERVICE=10.96.0.10
PODS=10.244.0.0/16
KUBERNETES="$(programs kubernetes k8s.io/kubernetes)"
CONTAINERD="$(programs containerd github.com/containerd/containerd/v2)"
KUBE_ROUTER="$(programs kube-router github.com/cloudnativelabs/kube-router/v2)"

kubectl() { "$KUBERNETES/kubectl" "$@"; }

# A certificate of the cluster's authority: its file, subject, and names.
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "$2" \
        ${3:+-addext "subjectAltName=$3"} -CA "$work/pki/ca.crt" -CAkey "$work/pki/ca.key" \
        -keyout "$work/pki/$1.key" -out "$work/pki/$1.crt" 2>>"$work/log/openssl"
}

# Prints a kubeconfig with the certificate $1, for the API server at $2.
kubeconfig() {
    local encoded=() file
    for file in ca.crt "$1.crt" "$1.key"; do encoded+=("$(base64 -w 0 <"$work/pki/$file")"); done
    cat <<END
apiVersion: v1
kind: Config
current-context: interaction
clusters: [{name: interaction, cluster: {server: "https://$2:6443", certificate-authority-data: ${encoded[0]}}}]
users: [{name: $1, user: {client-certificate-data: ${encoded[1]}, client-key-data: ${encoded[2]}}}]
contexts: [{name: interaction, context: {cluster: interaction, user: $1}}]
END
}

make_certificates() {
    mkdir -p "$work/pki"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=interaction \
        -addext keyUsage=critical,keyCertSign,digitalSignature \
        -keyout "$work/pki/ca.key" -out "$work/pki/ca.crt" 2>>"$work/log/openssl"
    openssl genrsa -out "$work/pki/service-accounts.key" 2048 2>>"$work/log/openssl"
    local names=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
    certificate apiserver /CN=kube-apiserver \
        "$names,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$NODE_ADDRESS,IP:$API_SERVICE"
    certificate apiserver-to-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
    certificate front-proxy /CN=front-proxy-client
    certificate kubelet-server /O=system:nodes/CN=kubelet "IP:$NODE_ADDRESS"
    local number
    for number in "${NODES[@]}"; do
        certificate "kubelet-$number" "/O=system:nodes/CN=system:node:node-$number"
    done
    certificate admin /O=system:masters/CN=admin
    local component
    for component in controller-manager scheduler proxy router; do
        certificate $component "/CN=system:kube-$component"
    done
    for component in controller-manager scheduler proxy router "${NODES[@]/#/kubelet-}" admin; do
        kubeconfig "$component" 127.0.0.1 >"$work/pki/$component.kubeconfig"
    done
    kubeconfig admin $NODE_ADDRESS >"$work/kubeconfig"
}

# Starts a program with a log of its own.
start() {
    local name="$1"
    shift
    "$@" >"$work/log/$name" 2>&1 &
}

start_control_plane() {
    local pki="$work/pki"
    start etcd etcd --data-dir=/run/etcd
    wait_for etcd "$work/log/etcd" curl -fs http://127.0.0.1:2379/health
    start kube-apiserver "$KUBERNETES/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 \
        --advertise-address=$NODE_ADDRESS --service-cluster-ip-range=$SERVICES --authorization-mode=Node,RBAC \
        --enable-admission-plugins=NodeRestriction --client-ca-file="$pki/ca.crt" \
        --kubelet-preferred-address-types=InternalIP \
        --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
        --kubelet-certificate-authority="$pki/ca.crt" --kubelet-client-certificate="$pki/apiserver-to-kubelet.crt" \
        --kubelet-client-key="$pki/apiserver-to-kubelet.key" --requestheader-client-ca-file="$pki/ca.crt" \
        --requestheader-allowed-names=front-proxy-client --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
        --proxy-client-cert-file="$pki/front-proxy.crt" --proxy-client-key-file="$pki/front-proxy.key" \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file="$pki/service-accounts.key" --service-account-signing-key-file="$pki/service-accounts.key"
    wait_for kube-apiserver "$work/log/kube-apiserver" kubectl get --raw /readyz
    start kube-controller-manager "$KUBERNETES/kube-controller-manager" --kubeconfig="$pki/controller-manager.kubeconfig" \
        --leader-elect=false --use-service-account-credentials --root-ca-file="$pki/ca.crt" \
        --service-account-private-key-file="$pki/service-accounts.key" --allocate-node-cidrs --cluster-cidr=$PODS \
        --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key"
    start kube-scheduler "$KUBERNETES/kube-scheduler" --kubeconfig="$pki/scheduler.kubeconfig" --leader-elect=false
}

socket() { echo "/run/containerd-$1/containerd.sock"; }

start_containerd() {
    local number="$1" at="$work/node-$1"
    mkdir -p "$at/cni"
    # Each pod has a link of its own to the node, so that all its packets are routed, and Services' rules see them.
    cat >"$at/cni/pods.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.$number.0/24"}]],
   "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$at/addresses"}}]}
END
    cat >"$at/containerd.toml" <<END
version = 3
root = "$at/containerd"
state = "/run/containerd-$number"
[grpc]
address = "$(socket "$number")"
# Nothing of this outlives the machine's next start.
[plugins.'io.containerd.metadata.v1.bolt']
no_sync = true
[plugins.'io.containerd.internal.v1.opt']
path = "$at/opt"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "docker.io/interaction/pause:1"
[plugins.'io.containerd.cri.v1.runtime']
# Root of a container or a small machine may not make the kernel spare a process.
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "$at/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
END
    # It finds its shim on PATH.
    start "containerd-$number" env PATH="$CONTAINERD:$PATH" "$CONTAINERD/containerd" --config "$at/containerd.toml"
    wait_for containerd "$work/log/containerd-$number" "$CONTAINERD/ctr" --address "$(socket "$number")" version
}

start_kubelet() {
    local number="$1" at="$work/node-$1"
    mkdir -p "$at/kubelet" "$at/logs"
    cat >"$at/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
port: $((10240 + number * 10))
healthzPort: $((10248 + number * 10))
containerRuntimeEndpoint: unix://$(socket "$number")
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP/node-$number
failCgroupV1: false
failSwapOn: false
clusterDomain: cluster.local
clusterDNS: [$DNS_SERVICE]
resolvConf: $work/resolv.conf
podLogsDir: $at/logs
tlsCertFile: $work/pki/kubelet-server.crt
tlsPrivateKeyFile: $work/pki/kubelet-server.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $work/pki/ca.crt}}
authorization: {mode: Webhook}
# Images cannot be fetched again, so none may be removed.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 200Mi, nodefs.available: 2%, imagefs.available: 2%}
END
    start "kubelet-$number" "$KUBERNETES/kubelet" --config="$at/kubelet.yaml" --kubeconfig="$work/pki/kubelet-$number.kubeconfig" \
        --root-dir="$at/kubelet" --hostname-override="node-$number" --node-ip=$NODE_ADDRESS
}

start_nodes() {
    local number
    for number in "${NODES[@]}"; do
        start_containerd "$number"
        start_kubelet "$number"
    done
    # The machine's own limits on connections stay as they are.
    start kube-proxy "$KUBERNETES/kube-proxy" --kubeconfig="$work/pki/proxy.kubeconfig" --proxy-mode=nftables \
        --hostname-override=node-1 --cluster-cidr=$PODS --conntrack-max-per-core=0 \
        --conntrack-tcp-timeout-established=0s --conntrack-tcp-timeout-close-wait=0s
    # NetworkPolicies, and nothing else of what it can do: Services are kube-proxy's, and pods' links are the plugin's.
    kubectl apply -f "$ROOT/dev/k8s/cluster/kube-router.yaml" >/dev/null
    wait_for "node 1" "$work/log/kubelet-1" kubectl get node node-1
    start kube-router "$KUBE_ROUTER/kube-router" --kubeconfig="$work/pki/router.kubeconfig" --hostname-override=node-1 \
        --run-firewall --run-router=false --run-service-proxy=false --enable-cni=false --service-cluster-ip-range=$SERVICES \
        --health-addr=127.0.0.1
    for number in "${NODES[@]}"; do
        wait_for "node $number" "$work/log/kubelet-$number" kubectl wait --for=condition=Ready "node/node-$number" --timeout=5s
    done
    # It takes part when a check says so. Both nodes have one address, so a Service that keeps its clients' addresses
    # (externalTrafficPolicy: Local) finds its pods on the first only.
    kubectl cordon node-2 >/dev/null
}

# What a program of a cluster expects of its machine: forwarding, and folders of its own in place of the machine's.
prepare_node() {
    mount --make-rshared /
    mount -t tmpfs tmpfs /run
    mkdir -p /run/lock "$work"/{var-log,var-lib,var-lib.work}
    mount --bind "$work/var-log" /var/log
    # There is nobody to ask for names.
    : >"$work/resolv.conf"
    mount --bind "$work/resolv.conf" /etc/resolv.conf
    mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$work/var-lib,workdir=$work/var-lib.work" /var/lib
    # The kubelet sets these for the whole machine. It sees copies, which have what it wants.
    local setting value
    while read -r setting value; do
        echo "$value" >"$work/${setting##*/}"
        mount --bind "$work/${setting##*/}" "/proc/sys/$setting"
    done <<<"vm/overcommit_memory 1
kernel/panic 10
kernel/panic_on_oops 1"
    ip link set lo up
    wait_for "link to the host" /dev/null ip link show eth0
    ip addr add $NODE_ADDRESS/30 dev eth0
    ip link set eth0 up
    ip route add default via $HOST_ADDRESS
    sysctl -q -w net.ipv4.ip_forward=1
}
