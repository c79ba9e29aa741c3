"""What the checks need of the cluster: kubectl, requests through the gateway, load by vegeta, rows of MySQL."""

import base64
import collections
import hashlib
import hmac
import http.client
import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
OVERLAY = ROOT / "k8s/overlays/dev"
GATEWAY = "http://" + os.environ["GATEWAY"]
KEY = base64.urlsafe_b64decode(json.loads((OVERLAY / "jwks.json").read_text())["keys"][0]["k"] + "==")
# Set if the cluster was there before: nothing of this machine is its own, neither a network of clients nor processes of pods.
EXISTING = "EXISTING" in os.environ
# Where load comes from: a network of its own, so that the gateway sees many addresses, each with limits of its own.
CLIENTS = [f"198.18.37.{number}" for number in range(2, 34)]
IN_CLIENTS = "ip netns exec clients".split()
STORES = ["redis", "mysql", "kafka"]


def kubectl(*arguments, text=None):
    done = subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def objects(kind, namespace, *arguments):
    return json.loads(kubectl("-n", namespace, "get", kind, "-o", "json", *arguments))["items"]


def token(user):
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"sub": str(user), "iss": "https://issuer.dev.invalid", "aud": "interaction-dev", "exp": int(time.time()) + 7200}
    text = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "dev"}).encode()) + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.new(KEY, text, hashlib.sha256).digest())).decode()


def ask(method, path, user=None, body=None, host=None):
    """A request through the gateway: the status, or 0 if there was none, and what the answer says."""
    headers = {"User-Agent": "Mozilla/5.0"}
    if user is not None:
        headers["Authorization"] = "Bearer " + token(user)
    if host is not None:
        headers["Host"] = host
    request = urllib.request.Request(GATEWAY + path, method=method, headers=headers, data=body)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)


def ask_from_outside(method, path, headers):
    """The same from the first of the clients, whose address the gateway sees, with these headers."""
    command = ["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", "--request", method, GATEWAY + path]
    if not EXISTING:
        command = [*IN_CLIENTS, *command, "--interface", CLIENTS[0]]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    text, _, status = subprocess.run(command, capture_output=True, text=True).stdout.rpartition("\n")
    return int(status), text


def new_article():
    """The id of an article that no check has seen, nor an earlier run on the same cluster."""
    return time.time_ns() // 1000


def expect(answer, status):
    assert answer[0] == status, answer
    return answer


def rows(query, database="interaction"):
    """What MySQL answers, as its user of the persister."""
    return mysql("--host=127.0.0.1", "--user=persister", "--password=dev-only-persister", database, f"--execute={query}")


def as_root(statement):
    """A statement of MySQL's administrator, whom its socket knows by the user of its process."""
    mysql("--socket=/var/run/mysqld/mysqld.sock", f"--execute={statement}")


def mysql(*options):
    # MySQL's own image has its own client.
    client = ["sh", "-c", 'exec "$(command -v mariadb || command -v mysql)" --batch --skip-column-names "$@"', "client"]
    return kubectl("-n", "interaction-stores", "exec", "mysql-0", "--", *client, *options).splitlines()


def likers(article, database="interaction"):
    """The users whose like of an article is a row of MySQL."""
    query = f"SELECT user_id FROM interaction JOIN kind ON code = kind WHERE kind.name = 'like' AND article_id = {article} AND status = 1"
    return {int(user) for user in rows(query, database)}


def ready(namespace, name):
    """How many pods of a Deployment are ready."""
    return json.loads(kubectl("-n", namespace, "get", "deployment", name, "-o", "json"))["status"].get("readyReplicas", 0)


def is_ready(pod):
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


def kill(pods):
    """Ends all processes of some pods at once, by SIGKILL, so none of them can finish anything."""
    found = [process for pod in pods for process in processes(pod["metadata"]["uid"])]
    assert found, f"no process of {[pod['metadata']['name'] for pod in pods]}"
    for process in found:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            # It ended with another one.
            pass


def processes(uid):
    """The processes of a pod, whose cgroup the kubelet names by the pod's uid."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if f"/pod{uid}" in file.read_text():
                found.append(int(file.parent.name))
        except OSError:
            # The process has ended since.
            pass
    return found


def start_probe(namespace, labels):
    """A pod with these labels, from which to call others. Its image is the overlay's Redis, because it has a shell."""
    (image,) = {one["spec"]["containers"][0]["image"] for one in objects("pod", "interaction-stores", "-l", "app.kubernetes.io/name=redis")}
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": namespace, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe", "image": image, "command": ["sleep", "infinity"],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    }
    kubectl("apply", "-f", "-", text=json.dumps(pod))
    kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/probe", "--timeout=1m")


def reached(namespace, targets):
    """Which of some addresses (host:port) the probe of a namespace can connect to."""
    script = 'for target; do timeout 3 bash -c "</dev/tcp/${target/://}" 2>/dev/null && echo "$target"; done; true'
    return set(kubectl("-n", namespace, "exec", "probe", "--", "bash", "-c", script, "probe", *targets).split())


def make_clients():
    for command in [
        "netns add clients", "link add clients type veth peer name eth0 netns clients", "addr add 198.18.37.1/24 dev clients",
        "link set clients up", "-n clients link set lo up", *(f"-n clients addr add {one}/24 dev eth0" for one in CLIENTS),
        "-n clients link set eth0 up", "-n clients route add default via 198.18.37.1",
    ]:
        subprocess.run(["ip", *command.split()], check=True)


def eventually(check, seconds=60):
    """Tries again until a check passes; its last failure counts."""
    until = time.time() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.time() > until:
                raise
            time.sleep(1)


def attack(targets, output, rate, seconds, source):
    """Starts vegeta, which sends the requests of a file at a rate a second, from one of the clients."""
    command = f"vegeta attack -format=json -timeout=10s -targets={targets} -rate={rate} -duration={seconds}s -output={output}".split()
    return subprocess.Popen(command if EXISTING else [*IN_CLIENTS, *command, f"-laddr={source}"])


class Likes:
    """Likes of one article by one user after the other, until it is left. `acknowledged` are the users who got 200."""

    def __init__(self):
        self.article, self.acknowledged = new_article(), set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.like)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def like(self):
        for user in itertools.count(10_000):
            if self.over.wait(0.1):
                return
            if ask("PUT", f"/v1/articles/{self.article}/like", user)[0] == 200:
                self.acknowledged.add(user)

    def are_stored(self):
        lost = self.acknowledged - likers(self.article)
        assert not lost, f"acknowledged, and no rows of MySQL: {len(lost)} of {len(self.acknowledged)} likes, of users {sorted(lost)[:5]}"


class Load:
    """Likes and counters of many users, from some addresses at a rate a second each, until it is left. That is below every limit.

    vegeta opens new connections only when it must, as a browser does. No request is tried again: each that is refused or cut
    off counts.
    """

    def __init__(self, clients=1, rate=40, longest=900):
        self.rate, self.sources, self.longest = rate, CLIENTS[:clients], longest

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        targets = Path(self.folder.name, "targets")
        with targets.open("w") as file:
            for user in range(1, 2001):
                header = {"Authorization": ["Bearer " + token(user)]}
                # Every other like stays, so that a comparison of the stores has something to compare.
                for method, path in (("PUT", "like"), ("GET", "interactions"), ("DELETE", "like"))[: 2 + user % 2]:
                    url = f"{GATEWAY}/v1/articles/{user % 50 + 1000}/{path}"
                    file.write(json.dumps({"method": method, "url": url, "header": header}) + "\n")
        self.running = []
        for number, source in enumerate(self.sources):
            self.running.append(attack(targets, f"{self.folder.name}/results-{number}", self.rate, self.longest, source))
        # Until each has had an answer.
        eventually(self.begun)
        return self

    def begun(self):
        for number in range(len(self.running)):
            results = Path(self.folder.name, f"results-{number}")
            assert results.exists() and results.stat().st_size, f"no answer in {results}"

    def __exit__(self, *_):
        for one in self.running:
            one.send_signal(2)
        for one in self.running:
            one.wait(30)
        results = [f"{self.folder.name}/results-{number}" for number in range(len(self.running))]
        report = subprocess.run(["vegeta", "report", "-type=json", *results], capture_output=True, text=True, check=True)
        self.report = json.loads(report.stdout)
        self.requests = self.report["requests"]
        self.failed = sum(count for code, count in self.report["status_codes"].items() if not code.startswith("2"))
        # The columns are vegeta's: nanoseconds of the request, status, …, error, body in base64, …, and the tenth is the method.
        encoded = subprocess.run(["vegeta", "encode", "-to=csv", *results], capture_output=True, text=True, check=True).stdout
        self.results = [line.split(",") for line in encoded.splitlines()]
        self.folder.cleanup()

    def likes(self):
        """How many likes were answered with 200 in each second since 1970."""
        counted = collections.Counter(int(one[0]) // 10**9 for one in self.results if one[1] == "200" and one[9] == "PUT")
        return sorted(counted.items())

    def refusals(self):
        """What requests that failed were answered, or why they were not, each once."""
        failed = (one for one in self.results if not one[1].startswith("2"))
        return collections.Counter(f"{one[9]} {one[1]} {one[5]} {base64.b64decode(one[6]).decode(errors='replace')}" for one in failed)

    def __str__(self):
        p99 = self.report["latencies"]["99th"] / 1e6
        detail = "".join(f"\n        {count} × {text}" for text, count in self.refusals().most_common(5))
        return f"{self.failed} failed of {self.requests} requests, p99 {p99:.0f} ms{detail}"
