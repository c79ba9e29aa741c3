"""NetworkPolicies, tried by pods that have the labels of ours."""

from cluster import eventually, kubectl, objects, reached, start_probe

# Services, each with its namespace and the port of its pods.
SERVICES = {
    "redis": ("interaction-stores", 6379),
    "mysql": ("interaction-stores", 3306),
    "kafka": ("interaction-stores", 9092),
    "toggle": ("interaction-spin", 80),
    "warm": ("interaction", 9464),
}
# Who reaches what: a namespace, the labels of a pod in it, and the names of Services.
INSTANCE = {"app.kubernetes.io/instance": "interaction"}
FLOWS = [
    ("default", {}, set()),
    ("articles", {}, set()),
    ("monitoring", {}, set()),
    ("monitoring", {"app.kubernetes.io/name": "prometheus"}, {"warm"}),
    ("interaction", {"app.kubernetes.io/name": "persister", **INSTANCE}, {"redis", "mysql", "kafka"}),
    ("interaction-spin", {"app.kubernetes.io/name": "read", "core.spinkube.dev/app-name": "read", **INSTANCE}, {"redis"}),
    ("interaction-spin", {"app.kubernetes.io/name": "toggle", "core.spinkube.dev/app-name": "toggle", **INSTANCE}, {"redis", "mysql"}),
]


def policies():
    """A pod with the labels of one that may reach a Service reaches it, and any other does not."""
    kubectl("create", "namespace", "monitoring")
    try:
        lines = [flow(*one) for one in FLOWS]
    finally:
        kubectl("delete", "namespace", "monitoring")
    return "".join(f"\n    {line}" for line in lines)


def flow(namespace, labels, wanted):
    start_probe(namespace, labels)

    def as_wanted():
        # By address: most pods may not ask for names.
        addresses = {address(service): service for service in SERVICES}
        seen = {addresses[one] for one in reached(namespace, addresses)}
        assert seen == wanted, f"from {namespace}: reaches {sorted(seen)}, not {sorted(wanted)}"

    eventually(as_wanted)
    kubectl("-n", namespace, "delete", "pod", "probe")
    name = labels.get("app.kubernetes.io/name", "any pod")
    return f"{namespace}, {name}: {', '.join(sorted(wanted)) or 'nothing'}"


def address(service):
    """The address of a pod behind a Service, and its port."""
    namespace, port = SERVICES[service]
    pod, *_ = objects("endpointslice", namespace, "-l", f"kubernetes.io/service-name={service}")[0]["endpoints"]
    return f"{pod['addresses'][0]}:{port}"
