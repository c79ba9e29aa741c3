"""The checks of `make k8s-e2e`, on a cluster that runs: a line for each, and its end says how many failed.

    checks.py [NAME…]      default: all
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

from alerts import alerts
from cluster import OVERLAY, Load, as_root, ask, eventually, kubectl, make_clients, objects, ready, rows
from policies import policies

OURS = {
    "interaction": ["relay", "consume", "snapshot", "warm", "trends"],
    "interaction-spin": ["toggle", "read", "queries"],
    "articles": ["articles"],
}
ENVOY = "envoy-gateway-system"


def whole_path(article=42):
    """A like, a favourite and a view through Envoy are counted, and are rows of MySQL."""
    user = 7
    for kind in "like", "collect":
        status, text = eventually(lambda kind=kind: expect(ask("PUT", f"/v1/articles/{article}/{kind}", user), 200))
    status, text = expect(ask("POST", f"/v1/articles/{article}/views", body=b""), 200)

    def counted():
        seen = json.loads(expect(ask("GET", f"/v1/articles/{article}/interactions", user), 200)[1])
        wanted = {"likes": 1, "collects": 1, "liked": True, "collected": True, "pv": 1, "uv": 1}
        assert wanted.items() <= seen.items(), seen

    eventually(counted)
    expect(ask("PUT", f"/v1/articles/{article}/like"), 401)
    expect(ask("GET", "/v1/openapi.json"), 200)

    def stored():
        found = rows(f"SELECT kind.name FROM interaction JOIN kind ON code = kind WHERE article_id = {article} AND user_id = {user} AND status = 1 ORDER BY 1")
        assert found == ["collect", "like"], found

    eventually(stored)
    return "like, collect and view counted; 2 rows in MySQL; 401 without a token"


def articles_route():
    """Any other path is the article service's, which does not see a user header that a client made up."""
    text = expect(ask("GET", "/v1/articles/42/comments"), 200)[1]
    assert "GET /v1/articles/42/comments" in text, text
    return "GET /v1/articles/42/comments reached the article service"


def expect(answer, status):
    assert answer[0] == status, answer
    return answer


def generations():
    """The generation of every object that the overlay names; of those without one, the resource version."""
    listed = json.loads(kubectl("get", "-k", str(OVERLAY), "-o", "json"))["items"]
    return {
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]):
            one["metadata"].get("generation") or one["metadata"]["resourceVersion"]
        for one in listed
    }


def apply_twice():
    """A second `kubectl apply -k` changes nothing."""
    before = generations()
    text = kubectl("apply", "-k", str(OVERLAY))
    after = generations()
    changed = [key for key in before if before[key] != after.get(key)]
    assert not changed, f"changed: {changed}"
    lines = text.splitlines()
    unchanged = sum(line.endswith(" unchanged") for line in lines)
    return f"{len(before)} objects unchanged; kubectl says so of {unchanged} of {len(lines)}"


def roll(namespace, name):
    kubectl("-n", namespace, "rollout", "restart", "deployment", name)
    kubectl("-n", namespace, "rollout", "status", "deployment", name, "--timeout=5m")


def envoy():
    (deployment,) = objects("deployment", ENVOY, "-l", "gateway.envoyproxy.io/owning-gateway-name=gateway")
    return deployment["metadata"]["name"]


def gone(namespace):
    """That no pod of the namespace is ending any more."""
    ending = [one["metadata"]["name"] for one in objects("pod", namespace) if "deletionTimestamp" in one["metadata"]]
    assert not ending, ending


def rolling_updates():
    """New pods of every Deployment, one Deployment after the other, while requests go on."""
    lines, failed = [], []
    for namespace, name in [(namespace, name) for namespace, names in OURS.items() for name in names] + [(ENVOY, envoy())]:
        with Load() as load:
            roll(namespace, name)
            # Old pods still answer for a while.
            eventually(lambda namespace=namespace: gone(namespace), 300)
        lines.append(f"{name}: {load}")
        if load.failed:
            failed.append(name)
    text = "".join(f"\n    {line}" for line in lines)
    assert not failed, text
    return text


def kills():
    """One pod after the other vanishes without a warning. It comes back, and what was acknowledged is there."""
    lines = []
    for namespace, names in OURS.items():
        for name in names:
            began = time.time()
            with Load() as load:
                selector = "core.spinkube.dev/app-name" if namespace == "interaction-spin" else "app.kubernetes.io/name"
                selector = selector if namespace != "interaction" else "app.kubernetes.io/component"
                kubectl("-n", namespace, "delete", "pod", "-l", f"{selector}={name}", "--grace-period=0", "--force")
                kubectl("-n", namespace, "rollout", "status", "deployment", name, "--timeout=5m")
                back = time.time() - began
            lines.append(f"{name}: back after {back:.0f} s, {load}")
    whole_path(article=43)
    return "".join(f"\n    {line}" for line in [*lines, reconciled()])


def reconciled():
    """Redis and MySQL agree, as the nightly job of the overlay finds it."""
    kubectl("-n", "interaction", "delete", "job", "reconcile-now", "--ignore-not-found")
    kubectl("-n", "interaction", "create", "job", "reconcile-now", "--from=cronjob/reconcile-all")
    eventually(ended, 300)
    said = kubectl("-n", "interaction", "logs", "job/reconcile-now")
    assert ended() == "Complete", said
    # Its log is JSON, its result is not.
    return " ".join(line for line in said.splitlines() if not line.startswith("{"))


def ended():
    """How the comparison ended."""
    job = json.loads(kubectl("-n", "interaction", "get", "job", "reconcile-now", "-o", "json"))
    conditions = {one["type"] for one in job["status"].get("conditions", []) if one["status"] == "True"} & {"Complete", "Failed"}
    assert conditions, "the comparison goes on"
    return conditions.pop()


def lag():
    """While MySQL accepts no change, events wait in Kafka, and KEDA adds consumers. Then every change is applied."""
    threshold = {"op": "replace", "path": "/spec/triggers/0/metadata/lagThreshold", "value": "1000"}
    kubectl("-n", "interaction", "patch", "scaledobject", "consume", "--type=json", "--patch", json.dumps([threshold]))
    before, seen = ready("interaction", "consume"), []

    def grown():
        seen.append(ready("interaction", "consume"))
        assert seen[-1] > before, seen

    as_root("SET GLOBAL read_only = 1")
    try:
        with Load(clients=2) as load:
            eventually(grown, 300)
    finally:
        as_root("SET GLOBAL read_only = 0")
        kubectl("apply", "-k", str(OVERLAY))
    return f"{before} to {seen[-1]} consumers; {load}; then {reconciled()}"


def scaling():
    """Load on `toggle` makes KEDA's HPA add pods, and remove them later."""
    before, began, samples = ready("interaction-spin", "toggle"), time.time(), []

    def sample(load):
        used = [
            one["containers"][0]["usage"]["cpu"]
            for one in json.loads(kubectl("get", "--raw", METRICS))["items"] if one["metadata"]["name"].startswith("toggle-")
        ]
        samples.append({"seconds": time.time() - began, "pods": ready("interaction-spin", "toggle"), "cpu": sum(map(cores, used)), "load": load})
        return samples[-1]["pods"]

    def grown():
        assert sample(True) == 3, samples[-1]

    def shrunk():
        assert sample(False) == before, samples[-1]

    with Load(clients=8) as load:
        eventually(grown, 240)
        peak = samples[-1]
        # A while at the peak, for the picture.
        for _ in range(30):
            sample(True)
            time.sleep(1)
    eventually(shrunk, 900)
    if "SAMPLES" in os.environ:
        Path(os.environ["SAMPLES"]).write_text(json.dumps({"samples": samples, "likes": load.likes(), "began": began}))
    down = samples[-1]["seconds"]
    return f"{before} to {peak['pods']} pods within {peak['seconds']:.0f} s, and back after {down:.0f} s; {load}"


METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/interaction-spin/pods"


def cores(quantity):
    """Kubernetes' 250m, 1234567n or 2 as a number."""
    units = {"n": 1e-9, "u": 1e-6, "m": 1e-3}
    return float(quantity[:-1]) * units[quantity[-1]] if quantity[-1] in units else float(quantity)


def drain():
    """A node is drained while requests go on: its pods move to the other, and none of the requests fails."""
    least = {"spec": {"minReplicaCount": 2}}
    names = OURS["interaction-spin"]
    kubectl("uncordon", "node-2")
    try:
        for name in names:
            kubectl("-n", "interaction-spin", "patch", "scaledobject", name, "--type=merge", "--patch", json.dumps(least))
        for name in names:
            eventually(lambda name=name: two_ready(name), 120)
            # So that its pods spread.
            roll("interaction-spin", name)
            eventually(lambda name=name: on_both(name), 60)
        moved = pods_of("node-2")
        with Load() as load:
            kubectl("drain", "node-2", "--delete-emptydir-data", "--timeout=5m")
            for namespace in OURS:
                eventually(lambda namespace=namespace: gone(namespace), 300)
    finally:
        kubectl("cordon", "node-2")
        kubectl("apply", "-k", str(OVERLAY))
    assert not load.failed, load
    assert not pods_of("node-2"), pods_of("node-2")
    return f"{len(moved)} pods moved: {load}"


def pods_of(node):
    found = json.loads(kubectl("get", "pod", "--all-namespaces", "-o", "json", f"--field-selector=spec.nodeName={node}"))["items"]
    return [one["metadata"]["name"] for one in found]


def two_ready(name):
    assert ready("interaction-spin", name) >= 2, name


def on_both(name):
    """A component has pods on each node."""
    found = objects("pod", "interaction-spin", "-l", f"core.spinkube.dev/app-name={name}")
    nodes = {one["spec"].get("nodeName") for one in found}
    assert nodes == {"node-1", "node-2"}, f"{name}: {nodes}"


def delete():
    """`kubectl delete -k` leaves nothing: no object of the overlay, none that an operator made of it, no namespace."""
    kubectl("delete", "-k", str(OVERLAY), "--timeout=5m")
    left = kubectl("get", "-k", str(OVERLAY), "--ignore-not-found", "-o", "name").split()
    assert not left, left
    left = [one["metadata"]["name"] for one in objects("deployment,service", ENVOY, "-l", "gateway.envoyproxy.io/owning-gateway-name=gateway")]
    assert not left, left
    return "nothing is left"


CHECKS = {
    "path": whole_path, "articles": articles_route, "apply": apply_twice, "rollout": rolling_updates, "kill": kills,
    "policies": policies, "scale": scaling, "lag": lag, "drain": drain, "alerts": alerts,
    "delete": delete,
}


def main():
    failed = 0
    names = sys.argv[1:] or list(CHECKS)
    make_clients()
    for name in names:
        began = time.time()
        try:
            result = CHECKS[name]()
            print(f"ok   {name} ({time.time() - began:.0f} s): {result}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAIL {name} ({time.time() - began:.0f} s): {error}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {name} ({time.time() - began:.0f} s): {traceback.format_exc()}", flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
