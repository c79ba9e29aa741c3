"""The checks of `make k8s-e2e`, on a cluster that runs: a line for each, and the last line says how many failed.

    checks.py [NAME…]      default: all
"""

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

from alerts import alerts
from cluster import (
    EXISTING, GATEWAY, OVERLAY, ROOT, STORES, Likes, Load, as_root, ask, eventually, expect, is_ready, kill, kubectl, make_clients,
    new_article, objects, ready, rows,
)
from limits import headers, rate_limit
from policies import policies
from release import helm

OURS = {
    "interaction": ["relay", "consume", "snapshot", "warm", "trends"],
    "interaction-spin": ["toggle", "read", "queries"],
    "articles": ["articles"],
}
# The labels by which the pods of a part are found.
LABELS = {
    "interaction": "app.kubernetes.io/component", "interaction-spin": "core.spinkube.dev/app-name",
    "articles": "app.kubernetes.io/name", "interaction-stores": "app.kubernetes.io/name",
}
ENVOY = "envoy-gateway-system"
OF_GATEWAY = "gateway.envoyproxy.io/owning-gateway-name=gateway"


def whole_path():
    """A like, a favourite and a view through Envoy are counted, and are rows of MySQL."""
    user, article = 7, new_article()
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
    """Any other path is the article service's."""
    text = expect(ask("GET", "/v1/articles/42/comments"), 200)[1]
    assert "GET /v1/articles/42/comments" in text, text
    return "GET /v1/articles/42/comments reached the article service"


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
    lines = kubectl("apply", "-k", str(OVERLAY)).splitlines()
    nothing_changed(before)
    unchanged = sum(line.endswith(" unchanged") for line in lines)
    return f"{len(before)} objects unchanged; kubectl says so of {unchanged} of {len(lines)}"


def nothing_changed(before):
    after = generations()
    changed = [key for key in before if before[key] != after.get(key)]
    assert not changed, f"changed: {changed}"


def existing_cluster():
    """The scripts with KUBECONFIG set, as for a cluster that was there before: nothing changes, and checks run."""
    before = generations()
    up = script("dev/k8s-up")
    assert not up.returncode and f"the service: curl {GATEWAY}/" in up.stderr, up.stderr
    e2e = script("dev/k8s-e2e", "path")
    assert not e2e.returncode and "1 passed, 0 failed" in e2e.stdout, e2e.stdout + e2e.stderr
    nothing_changed(before)
    refused = script("dev/k8s-e2e", "rollout")
    assert refused.returncode == 1 and "rollout needs the cluster" in refused.stderr, refused.stdout + refused.stderr
    return f"{len(before)} objects unchanged; the Gateway's address; `path` passed, `rollout` was refused"


def script(name, *arguments):
    """Runs a script of the repository as from another terminal."""
    ours = {"EXISTING", "GATEWAY", "PICTURE", "SAMPLES"}
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    return subprocess.run([ROOT / name, *arguments], capture_output=True, text=True, env=environment)


def roll(namespace, name):
    kubectl("-n", namespace, "rollout", "restart", "deployment", name)
    kubectl("-n", namespace, "rollout", "status", "deployment", name, "--timeout=5m")


def envoy():
    (deployment,) = objects("deployment", ENVOY, "-l", OF_GATEWAY)
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
    """All processes of one part after the other are killed. Each part comes back, and what was acknowledged is stored."""
    lines = []
    with Likes() as likes:
        for namespace, name, selector in [
            *((namespace, name, f"{LABELS[namespace]}={name}") for namespace, names in OURS.items() for name in names),
            (ENVOY, envoy(), OF_GATEWAY),
        ]:
            began = time.time()
            with Load() as load:
                lose(namespace, selector)
                kubectl("-n", namespace, "rollout", "status", "deployment", name, "--timeout=5m")
                back = time.time() - began
            lines.append(f"{name}: back after {back:.0f} s, {load}")
        # A store's volume is a folder of the node, which outlives the store's processes, so nothing acknowledged may be lost.
        for name in STORES:
            began = time.time()
            with Load() as load:
                restart(name)
                # After a restart of Redis, `warm` makes its partitions warm again.
                eventually(lambda: expect(ask("PUT", "/v1/articles/44/like", 7), 200), 300)
                back = time.time() - began
            lines.append(f"{name}: back after {back:.0f} s, {load}")
    whole_path()
    eventually(likes.are_stored, 120)
    lines.append(f"{len(likes.acknowledged)} acknowledged likes are rows of MySQL")
    return "".join(f"\n    {line}" for line in [*lines, reconciled()])


def lose(namespace, selector):
    """Pods vanish without a warning, as with their node, and others take their place."""
    old = objects("pod", namespace, "-l", selector)
    kill(old)
    names = [one["metadata"]["name"] for one in old]
    kubectl("-n", namespace, "delete", "pod", *names, "--grace-period=0", "--force", "--ignore-not-found")
    known = {one["metadata"]["uid"] for one in old}

    def replaced():
        fresh = [one for one in objects("pod", namespace, "-l", selector) if one["metadata"]["uid"] not in known]
        assert fresh and all(map(is_ready, fresh)), f"{selector}: no pod that is ready"

    eventually(replaced, 300)


def restart(store):
    """A store's processes vanish, and the kubelet starts them again in the same pod: its volume never has two writers."""
    selector = f"{LABELS['interaction-stores']}={store}"

    def containers(pod):
        return {one.get("containerID") for one in pod["status"].get("containerStatuses", [])}

    (old,) = objects("pod", "interaction-stores", "-l", selector)
    kill([old])

    def restarted():
        (pod,) = objects("pod", "interaction-stores", "-l", selector)
        assert is_ready(pod) and not containers(pod) & containers(old), f"{store} has not restarted"

    eventually(restarted, 300)


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
    # A check before this one may have added consumers, of which KEDA removes half each time, after ten minutes.
    eventually(least_consumers, 1800)
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


def least_consumers():
    found = ready("interaction", "consume")
    assert found == 1, f"{found} consumers"


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

    def calm():
        for user in range(20_000, 20_010):
            expect(ask("PUT", "/v1/articles/45/like", user), 200)

    def shrunk():
        assert sample(False) == before, samples[-1]

    with Load(clients=8) as load:
        eventually(grown, 240)
        peak = samples[-1]
        # A while at the peak, for the picture.
        for _ in range(30):
            sample(True)
            time.sleep(1)
    # What the load has left in queues is worked off first. The HPA waits five minutes before it removes a pod.
    eventually(calm, 120)
    with Load(rate=10, longest=1500) as slow:
        assert sample(False) == peak["pods"], f"pods went before the slow client came: {samples[-1]}"
        eventually(shrunk, 900)
        down = samples[-1]["seconds"]
        # Pods that end still answer for a while.
        eventually(lambda: gone("interaction-spin"), 120)
    if "SAMPLES" in os.environ:
        Path(os.environ["SAMPLES"]).write_text(json.dumps({"samples": samples, "likes": load.likes() + slow.likes(), "began": began}))
    text = f"{before} to {peak['pods']} pods within {peak['seconds']:.0f} s, and back after {down:.0f} s; {load}\n    while pods went: {slow}"
    assert not slow.failed, text
    return text


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
    left = [one["metadata"]["name"] for one in objects("deployment,service", ENVOY, "-l", OF_GATEWAY)]
    assert not left, left
    return "nothing is left"


CHECKS = {
    "path": whole_path, "articles": articles_route, "headers": headers, "ratelimit": rate_limit, "apply": apply_twice,
    "existing": existing_cluster, "rollout": rolling_updates, "kill": kills, "policies": policies, "scale": scaling, "lag": lag,
    "drain": drain, "helm": helm, "alerts": alerts, "delete": delete,
}


def main():
    failed = 0
    names = sys.argv[1:] or list(CHECKS)
    if not EXISTING:
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
