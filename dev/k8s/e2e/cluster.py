"""What the checks need of the cluster: kubectl, requests through the gateway, load by vegeta, rows of MySQL."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
OVERLAY = ROOT / "k8s/overlays/dev"
GATEWAY = "http://" + os.environ["GATEWAY"]
KEY = base64.urlsafe_b64decode(json.loads((OVERLAY / "jwks.json").read_text())["keys"][0]["k"] + "==")
# Where load comes from: a network of its own, so that the gateway sees many addresses, each with limits of its own.
CLIENTS = [f"198.18.37.{number}" for number in range(2, 34)]


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


def ask(method, path, user=None, body=None):
    """A request through the gateway: the status, and what the answer says."""
    headers = {"User-Agent": "Mozilla/5.0"}
    if user is not None:
        headers["Authorization"] = "Bearer " + token(user)
    request = urllib.request.Request(GATEWAY + path, method=method, headers=headers, data=body)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def rows(query):
    """What MySQL answers, as its user of the components."""
    return kubectl(
        "-n", "interaction-stores", "exec", "mysql-0", "--", "mariadb", "--host=127.0.0.1", "--user=persister",
        "--password=dev-only-persister", "--batch", "--skip-column-names", "interaction", f"--execute={query}",
    ).split("\n")[:-1]


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
                for method, path in ("PUT", "like"), ("GET", "interactions"), ("DELETE", "like"):
                    url = f"{GATEWAY}/v1/articles/{user % 50 + 1000}/{path}"
                    file.write(json.dumps({"method": method, "url": url, "header": header}) + "\n")
        self.running = []
        for number, source in enumerate(self.sources):
            self.running.append(subprocess.Popen([
                *"ip netns exec clients vegeta attack -format=json -timeout=10s".split(), f"-targets={targets}", f"-rate={self.rate}",
                f"-duration={self.longest}s", f"-output={self.folder.name}/results-{number}", f"-laddr={source}",
            ]))
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
        self.folder.cleanup()

    def __str__(self):
        codes = {code: count for code, count in self.report["status_codes"].items() if not code.startswith("2")}
        p99 = self.report["latencies"]["99th"] / 1e6
        detail = f" {codes} {self.report['errors'][:3]}" if self.failed else ""
        return f"{self.failed} failed of {self.requests} requests, p99 {p99:.0f} ms{detail}"
