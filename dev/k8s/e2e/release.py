"""The chart as Helm installs it, with its defaults: Deployments in a namespace that enforces Pod Security `restricted`, and hooks."""

import json
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

from cluster import OVERLAY, ROOT, as_root, ask, eventually, expect, kubectl, likers, new_article, objects

RELEASE = NAMESPACE = DATABASE = "blog"
HOST = "blog.example.com"
CHART = ROOT / "k8s/chart"
IN_TIME = ["--timeout", "10m"]
# The labels of all that the chart makes.
PARTS = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/part-of=interaction"
COMPONENTS = {"toggle", "read", "queries"}
JOBS = {"relay", "consume", "snapshot", "warm", "trends"}


def small(**values):
    return {"resources": {"requests": {"cpu": "10m"}}, **values}


def peers(namespace, name):
    return [{
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
    }]


# What differs from the values of the overlay of dev: the kind, the namespace, a Redis, a database and a topic of its own, and little
# processor time, because the overlay runs beside it. Load is no part of this check, so nothing scales.
VALUES = {
    "namePrefix": f"{RELEASE}-",
    "namespaces": {"components": "", "persister": "", "gateway": "", "create": False},
    "components": {"kind": "Deployment", **{name: small(maxReplicas=1) for name in COMPONENTS}},
    "persister": {
        "environment": {"INTERACTION_TOPIC": f"{RELEASE}.events"},
        **{name: small(maxReplicas=1) for name in ("relay", "consume")},
        **{name: small() for name in ("snapshot", "warm", "trends", "migrate", "reconcile")},
    },
    "redis": {"address": f"redis://redis.{NAMESPACE}.svc.cluster.local:6379", "peers": peers(NAMESPACE, "redis")},
    # The overlay's Gateway, which does for all its routes what k8s/README.md wants of a Gateway that exists already.
    "gateway": {
        "mode": "shared", "hostname": HOST,
        "shared": {"name": "gateway", "namespace": "interaction-gateway", "sectionName": "http"},
    },
    "articles": {"service": ""},
    "monitoring": {"selector": f'app_kubernetes_io_instance="{RELEASE}"'},
}


def helm():
    """Installs the chart, upgrades it in the order of k8s/README.md, and uninstalls it: nothing is left."""
    try:
        provide()
        return live()
    except AssertionError as error:
        # The namespace says why, and is gone afterwards.
        raise AssertionError(f"{error}\n{kubectl('-n', NAMESPACE, 'get', 'pod,event')}") from error
    finally:
        clean()


def live():
    before, article, lines = eventually(everything), new_article(), []
    with Pods() as pods, tempfile.NamedTemporaryFile("w", suffix=".json") as values:
        json.dump(VALUES, values)
        values.flush()
        run("install", RELEASE, CHART, "--values", OVERLAY / "values.yaml", "--values", values.name, *IN_TIME)
        kubectl("-n", NAMESPACE, "rollout", "status", "deployment", "--timeout=5m")
        lines.append(f"install: {pods.follow_migration(COMPONENTS | JOBS)}")
        as_chart_promises()
        like(article, 1)

        # The same images under other names, which is a change to Helm and to the API server.
        app, persister = image("toggle"), image("relay")
        upgrade = ["upgrade", RELEASE, CHART, "--reset-then-reuse-values", *IN_TIME]
        pods.forget()
        run(*upgrade, "--set", f"persister.image=docker.io/{persister}", "--set", f"components.image={app}")
        kubectl("-n", NAMESPACE, "rollout", "status", "deployment", "-l", "app.kubernetes.io/name=persister", "--timeout=5m")
        lines.append(f"upgrade of the persister: {pods.follow_migration(JOBS)}")
        as_chart_promises()
        pods.forget()
        run(*upgrade, "--set", f"components.image=docker.io/{app}")
        kubectl("-n", NAMESPACE, "rollout", "status", "deployment", "--timeout=5m")
        lines.append(f"upgrade of the components: {pods.follow_migration(COMPONENTS)}")
        assert (image("toggle"), image("relay")) == (f"docker.io/{app}", f"docker.io/{persister}"), "the images are not the new ones"
        as_chart_promises()
        like(article, 2)

    manifest = run("get", "manifest", RELEASE)
    run("uninstall", RELEASE, "--timeout=5m")

    def nothing_left():
        installed = set(kubectl("get", "-f", "-", "--ignore-not-found", "-o", "name", text=manifest).split())
        left = installed | (everything() - before)
        assert not left, f"left: {sorted(left)}"

    # The last pods still answer for a while.
    eventually(nothing_left, 180)
    count = sum(line.startswith("kind: ") for line in manifest.splitlines())
    lines.append(f"uninstall: nothing is left of {count} objects")
    return "".join(f"\n    {line}" for line in lines)


def run(*arguments):
    done = subprocess.run(["helm", *arguments, "--namespace", NAMESPACE], capture_output=True, text=True)
    assert not done.returncode, f"helm {arguments[0]}: {done.stderr.strip()}"
    return done.stdout


def provide():
    """What the chart expects to be there: the namespace, Secrets, and stores that let this namespace in."""
    kubectl("create", "namespace", NAMESPACE)
    kubectl("label", "namespace", NAMESPACE, "interaction/routes=allowed", "pod-security.kubernetes.io/enforce=restricted")
    as_root(
        f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4; GRANT ALL ON {DATABASE}.* TO 'migrator'@'%' WITH GRANT OPTION; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON {DATABASE}.* TO 'persister'@'%'"
    )
    secrets = {name: settings(f"{name}{file}.env") for name, file in (
        ("spin", "-secrets"), ("persister", "-secrets"), ("migrate", "-secrets"), ("keda-kafka", ""),
    )}
    secrets["spin"]["jwt_keys"] = (OVERLAY / "jwks.json").read_text()
    secrets["redis"] = {"password": "dev-only-redis"}
    made = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data}
        for name, data in secrets.items()
    ]
    allowed = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}
    made.append({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": RELEASE, "namespace": "interaction-stores"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [allowed]}]},
    })
    kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    kubectl("-n", NAMESPACE, "apply", "-f", str(OVERLAY / "stores/redis.yaml"))
    kubectl("-n", NAMESPACE, "rollout", "status", "statefulset", "redis", "--timeout=3m")


def settings(file):
    """A Secret of the overlay, with this release's Redis and database."""
    text = (OVERLAY / file).read_text()
    text = text.replace("@redis.interaction-stores.", f"@redis.{NAMESPACE}.").replace(":3306/interaction", f":3306/{DATABASE}")
    return dict(line.split("=", 1) for line in text.splitlines())


def clean():
    """Removes what `provide` has made, and whatever a check that failed has left. What is there no more does not matter."""
    for command in (
        ["helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found"],
        ["kubectl", "delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=5m"],
        ["kubectl", "-n", "interaction-stores", "delete", "networkpolicy", RELEASE, "--ignore-not-found"],
    ):
        subprocess.run(command, capture_output=True)
    as_root(f"DROP DATABASE IF EXISTS {DATABASE}")


def everything():
    """The names of all objects of the namespace, except those that only report on others."""
    reports = {"events", "events.events.k8s.io", "pods.metrics.k8s.io"}
    kinds = set(kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()) - reports
    return set(kubectl("-n", NAMESPACE, "get", ",".join(sorted(kinds)), "--ignore-not-found", "-o", "name").split())


def as_chart_promises():
    """Every container has a read-only root, and the hooks are gone."""
    for pod in objects("pod", NAMESPACE, "-l", PARTS):
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], pod["metadata"]["name"]
    eventually(hooks_are_gone)


def hooks_are_gone():
    left = kubectl("-n", NAMESPACE, "get", "job,networkpolicy,pod", "-l", PARTS, "-o", "name").split()
    assert not any("migrate" in one for one in left), left


def image(name):
    deployment = json.loads(kubectl("-n", NAMESPACE, "get", "deployment", f"{RELEASE}-{name}", "-o", "json"))
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def like(article, user):
    """A like through the Gateway is a row of this release's database, and not of the overlay's."""
    eventually(lambda: expect(ask("PUT", f"/v1/articles/{article}/like", user, host=HOST), 200), 120)

    def stored():
        found = likers(article, DATABASE)
        assert user in found, f"no like of {user} among {found}"

    eventually(stored, 120)
    assert not likers(article), "the overlay's database has the like, too"


class Pods:
    """What happens to the release's pods, in the order of the API server, until it is left."""

    def __enter__(self):
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        version = json.loads(kubectl("get", "--raw", path))["metadata"]["resourceVersion"]
        query = f"{path}?watch=1&timeoutSeconds=3600&resourceVersion={version}&labelSelector={urllib.parse.quote(PARTS)}"
        self.file, self.passed = tempfile.NamedTemporaryFile("w+"), 0
        self.process = subprocess.Popen(["kubectl", "get", "--raw", query], stdout=self.file)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.file.close()

    def changes(self):
        """Each change since `forget`: what it was, the job or the component, and the pod's phase."""
        lines = Path(self.file.name).read_text().rpartition("\n")[0].splitlines()
        for line in lines[self.passed:]:
            change = json.loads(line)
            labels = change["object"]["metadata"]["labels"]
            job = labels.get("app.kubernetes.io/component", labels["app.kubernetes.io/name"])
            yield change["type"], job, change["object"]["status"]["phase"]

    def forget(self):
        self.passed += len(list(self.changes()))

    def follow_migration(self, wanted):
        """Asserts that pods of exactly these parts began, all of them after the migration had ended."""
        changes = list(self.changes())
        ended = [at for at, change in enumerate(changes) if change == ("MODIFIED", "migrate", "Succeeded")]
        assert ended, f"no migration has ended: {changes}"
        # A comparison of the stores may begin at any time.
        began = [(at, job) for at, (kind, job, _) in enumerate(changes) if kind == "ADDED" and job not in ("migrate", "reconcile")]
        early = [job for at, job in began if at < ended[0]]
        assert not early, f"began before the migration had ended: {early}"
        assert {job for _, job in began} == wanted, f"pods of {sorted({job for _, job in began})} began, expected {sorted(wanted)}"
        return f"the migration, then {len(began)} pods of {', '.join(sorted(wanted))}"
