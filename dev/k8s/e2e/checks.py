"""The checks of `make k8s-e2e`, on a cluster that runs: a line for each, and its end says how many failed.

    checks.py [NAME…]      default: all
"""

import json
import sys
import time
import traceback

from cluster import OVERLAY, Load, ask, eventually, kubectl, make_clients, objects, rows

OURS = {
    "interaction": ["relay", "consume", "snapshot", "warm", "trends"],
    "interaction-spin": ["toggle", "read", "queries"],
    "articles": ["articles"],
}
ENVOY = "envoy-gateway-system"


def whole_path():
    """A like, a favourite and a view through Envoy are counted, and are rows of MySQL."""
    article, user = 42, 7
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
    whole_path()
    return "".join(f"\n    {line}" for line in lines)


def scaling():
    """Load on `toggle` makes KEDA's HPA add pods."""
    def replicas():
        return json.loads(kubectl("-n", "interaction-spin", "get", "deployment", "toggle", "-o", "json"))["status"].get("readyReplicas", 0)

    before, seen = replicas(), []
    with Load(clients=12, rate=60) as load:
        def grown():
            seen.append(replicas())
            assert seen[-1] > before, seen

        eventually(grown, 240)
    return f"{before} to {seen[-1]} pods; {load}"


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
    "scale": scaling, "delete": delete,
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


main()
