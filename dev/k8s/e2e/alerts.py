"""Alerts on staged faults: each one fires, and resolves when its fault is over."""

import json

from cluster import ROOT, STORES, Load, eventually, kubectl, objects

QUERY = "/api/v1/namespaces/monitoring/services/prometheus:http/proxy/api/v1/alerts"
OF_JOBS = {
    "InteractionNoRelay", "InteractionOutboxOld", "InteractionNoConsumer", "InteractionSnapshotOld", "InteractionRankingOld",
    "InteractionOneWarmer",
}
OF_STORES = {"InteractionRedisDown", "InteractionMysqlDown", "InteractionKafkaDown", "InteractionManyErrors"}


def alerts():
    """Jobs that do not run, then stores that are down, under load: the alerts of each fire, and resolve."""
    kubectl("create", "namespace", "monitoring")
    try:
        start_prometheus()
        eventually(nothing_fires, 180)
        with Load(rate=20):
            return fire("no jobs", stop_jobs, start_jobs, OF_JOBS) + fire("no stores", stop_stores, start_stores, OF_STORES)
    finally:
        kubectl("delete", "namespace", "monitoring")


def fire(name, stage, end, wanted):
    stage()
    try:
        eventually(lambda: fires(wanted), 600)
    finally:
        end()
    others = sorted(firing() - wanted)
    eventually(lambda: resolved(wanted), 600)
    return f"\n    {name}: {', '.join(sorted(wanted))} fired and resolved{', others too: ' * bool(others)}{', '.join(others)}"


def firing():
    listed = json.loads(kubectl("get", "--raw", QUERY))["data"]["alerts"]
    return {one["labels"]["alertname"] for one in listed if one["state"] == "firing"}


def fires(wanted):
    missing = wanted - firing()
    assert not missing, f"do not fire: {sorted(missing)}"


def resolved(wanted):
    left = wanted & firing()
    assert not left, f"still fire: {sorted(left)}"


def nothing_fires():
    found = firing()
    assert not found, f"fire before any fault: {sorted(found)}"


def stop_jobs():
    for job in "relay", "consume":
        kubectl("-n", "interaction", "annotate", "scaledobject", job, "autoscaling.keda.sh/paused-replicas=0")
    for job, replicas in ("snapshot", 0), ("trends", 0), ("warm", 1):
        kubectl("-n", "interaction", "scale", "deployment", job, f"--replicas={replicas}")


def start_jobs():
    for job in "relay", "consume":
        kubectl("-n", "interaction", "annotate", "scaledobject", job, "autoscaling.keda.sh/paused-replicas-")
    for job, replicas in ("snapshot", 1), ("trends", 1), ("warm", 2):
        kubectl("-n", "interaction", "scale", "deployment", job, f"--replicas={replicas}")


def stop_stores():
    kubectl("-n", "interaction-stores", "scale", "statefulset", *STORES, "--replicas=0")


def start_stores():
    kubectl("-n", "interaction-stores", "scale", "statefulset", *STORES, "--replicas=1")


def start_prometheus():
    rules = {"groups": [group for one in objects("prometheusrule", "interaction") for group in one["spec"]["groups"]]}
    monitors = json.loads(kubectl("get", "podmonitor", "--all-namespaces", "-o", "json"))["items"]
    config = {"global": {"evaluation_interval": "15s"}, "rule_files": ["rules.json"], "scrape_configs": [scrape(one) for one in monitors]}
    data = {"prometheus.json": json.dumps(config), "rules.json": json.dumps(rules)}
    kubectl("apply", "-f", "-", text=json.dumps({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prometheus", "namespace": "monitoring"}, "data": data,
    }))
    kubectl("apply", "-f", str(ROOT / "dev/k8s/cluster/prometheus.yaml"))
    kubectl("-n", "monitoring", "rollout", "status", "deployment", "prometheus", "--timeout=2m")


def scrape(monitor):
    """What the Prometheus operator makes of a PodMonitor of ours."""
    namespace, (endpoint,) = monitor["metadata"]["namespace"], monitor["spec"]["podMetricsEndpoints"]
    selector = monitor["spec"]["selector"]
    kept = list(selector.get("matchLabels", {}).items())
    kept += [(one["key"], "|".join(one["values"])) for one in selector.get("matchExpressions", [])]
    labels = monitor["spec"].get("podTargetLabels", [])
    return {
        "job_name": f"{namespace}/{monitor['metadata']['name']}",
        "scrape_interval": endpoint["interval"],
        "metrics_path": endpoint.get("path", "/metrics"),
        "kubernetes_sd_configs": [{
            "role": "pod", "namespaces": {"names": monitor["spec"].get("namespaceSelector", {}).get("matchNames", [namespace])},
        }],
        "relabel_configs": [
            *({"action": "keep", "source_labels": [meta(name)], "regex": value} for name, value in kept),
            {"action": "keep", "source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": endpoint["port"]},
            {"action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)"},
            *({"source_labels": [meta(name)], "target_label": safe(name)} for name in labels),
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ],
    }


def meta(label):
    return "__meta_kubernetes_pod_label_" + safe(label)


def safe(label):
    return "".join(one if one.isalnum() else "_" for one in label)
