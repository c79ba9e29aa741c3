"""Puts load on a running stack, then asks Prometheus every query of the alerts and of the dashboard.

    observe.py PROMETHEUS RULES DASHBOARD SECONDS      the stack's addresses are in the environment, as `make env` says them
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

# Metrics of Envoy and of kube-state-metrics, which run in a cluster only.
FOREIGN = re.compile(r"\b(envoy|kube)_")


def token(user):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    now = int(time.time())
    claims = {"sub": str(user), "iss": os.environ["JWT_ISSUER"], "aud": os.environ["JWT_AUDIENCE"], "exp": now + 3600}
    text = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    key = hmac.new(os.environ["JWT_KEY"].encode(), text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(key).rstrip(b"=")).decode()


def toggles():
    """What users switch on and off: docs/openapi.yaml describes a PUT of each kind."""
    description = (Path(__file__).resolve().parents[2] / "docs/openapi.yaml").read_text()
    paths = re.split(r"(?m)^  (?=/)", description)
    return [found[1] for path in paths if "\n    put:" in path and (found := re.match(r"/v1/articles/\{id\}/([\w-]+):", path))]


def client(seed, until, kinds, counts):
    """One client: toggles of all kinds, views, and reads of views that are old enough."""
    rng = random.Random(seed)
    host = urllib.parse.urlparse(os.environ["HTTP_URL"]).netloc
    connection = http.client.HTTPConnection(host, timeout=10)
    views = []
    while time.time() < until:
        headers = {"Authorization": "Bearer " + token(rng.randrange(1, 5000))}
        article = rng.randrange(1, 300)
        method, path, body = rng.choice(["PUT", "PUT", "DELETE"]), rng.choice(kinds), None
        if rng.random() < 0.2:
            method, path = "POST", "views"
        if views and views[0][0] < time.time() - 6:
            # As the user whose view it was.
            _, article, view, headers = views.pop(0)
            method, path, body = "POST", "reads", json.dumps({"view_token": view})
        try:
            connection.request(method, f"/v1/articles/{article}/{path}", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if path == "views" and answer.status == 200:
                views.append((time.time(), article, json.loads(text)["view_token"], headers))
            key = (path, answer.status)
        except (OSError, http.client.HTTPException):
            connection.close()
            key = (path, "broken")
        counts[key] = counts.get(key, 0) + 1
        time.sleep(0.01)


def load(seconds):
    counts = {}
    until = time.time() + seconds
    kinds = toggles()
    # Without a limit no server has a share of it.
    redis("CONFIG", "SET", "maxmemory", "4gb")
    clients = [threading.Thread(target=client, args=(seed, until, kinds, counts)) for seed in range(8)]
    for thread in clients:
        thread.start()
    time.sleep(seconds / 3)
    # An entry that no script wrote: a dead letter.
    redis("XADD", "{5}:outbox", "*", "not", "an event")
    # And a Redis that lost everything: a rebuild.
    redis("FLUSHALL")
    for thread in clients:
        thread.join()
    print("load:", ", ".join(f"{path} {status}: {count}" for (path, status), count in sorted(counts.items(), key=str)))


def redis(*command):
    subprocess.run(["redis-cli", "-u", os.environ["REDIS_URL"], *command], check=True, stdout=subprocess.DEVNULL)


def ask(prometheus, expression):
    url = prometheus + "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)["data"]["result"]


def selectors(expression):
    """The metrics of an expression, each with its labels: what has to have data for the whole to mean anything."""
    return re.findall(r"\b(?:interaction|envoy|kube)_[a-z_]+(?:\{[^}]*\})?(?=[\[\s)]|$)", expression)


def queries(rules, dashboard):
    for block in re.split(r"(?m)^  - ", rules)[1:]:
        name = re.search(r"alert: (\w+)", block)[1]
        # What is asked of a metric, without the limit that it is compared with.
        expression = re.search(r"(?ms)expr: (?:\|-\n)?(.*?)\n    \w+:", block + "\n    end:")[1]
        for one in selectors(expression):
            yield f"alert {name}", " ".join(one.split())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            # The 0 that replaces missing data would hide that data is missing.
            expression = target["expr"].replace(" or vector(0)", "").replace("$__rate_interval", "1m")
            yield "panel " + panel["title"], expression


def main(prometheus, rules, dashboard, seconds):
    load(float(seconds))
    # A rate needs two scrapes, and `warm` measures every 5 s.
    until = time.time() + 60
    passed, failed, elsewhere = 0, 0, 0
    with open(rules) as file, open(dashboard) as panels:
        all_queries = list(queries(file.read(), json.load(panels)))
    for where, expression in all_queries:
        result = ask(prometheus, expression)
        while not result and not FOREIGN.search(expression) and time.time() < until:
            time.sleep(0.5)
            result = ask(prometheus, expression)
        if result:
            values = ", ".join(one["value"][1][:8] for one in result[:4])
            print(f"ok      {where}: {expression} = {values}")
            passed += 1
        elif FOREIGN.search(expression):
            print(f"not run {where}: {expression} is of Envoy or kube-state-metrics")
            elsewhere += 1
        else:
            print(f"NO DATA {where}: {expression}")
            failed += 1
    print("firing:", ", ".join(sorted({one["metric"]["alertname"] for one in ask(prometheus, 'ALERTS{alertstate="firing"}')})))
    print(f"{elsewhere} queries could not be run here: see above")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
