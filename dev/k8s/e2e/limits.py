"""What the gateway believes of its clients, and how many requests it lets through."""

import base64
import collections
import hashlib
import hmac
import json
import subprocess
import tempfile
import time
from pathlib import Path

from cluster import (
    CLIENTS, EXISTING, GATEWAY, OVERLAY, ask, ask_from_outside, attack, eventually, expect, kubectl, new_article, objects, token,
)

# An address that no client has (RFC 5737).
FORGED = "203.0.113.7"
LIES = {
    "X-Interaction-User": "8", "X_Interaction_User": "8", "X-Forwarded-For": FORGED, "Forwarded": f"for={FORGED}", "X-Real-IP": FORGED,
    "True-Client-IP": FORGED, "X-Envoy-External-Address": FORGED, "Spin-Client-Addr": f"{FORGED}:4711", "Spin-Full-URL": "http://forged/",
    "X-Original-URL": "/forged", "X-Rewrite-URL": "/forged", "X-HTTP-Method-Override": "DELETE",
}


def headers():
    """A client sends false headers: neither the article service nor the log of changes believes them."""
    text = expect(ask_from_outside("GET", "/v1/articles/42/comments", LIES), 200)[1]
    seen = {name.lower(): value for name, _, value in (line.partition(": ") for line in text.splitlines())}
    # Envoy appends the address of the connection, and the components take the last address.
    forwarded = [one.strip() for one in seen["x-forwarded-for"].split(",")]
    address = forwarded[-1]
    assert forwarded == [FORGED, address] and address != FORGED, text
    assert EXISTING or address == CLIENTS[0], f"{CLIENTS[0]} is the client, and the article service sees:\n{text}"
    # Envoy writes this one itself.
    assert seen.get("x-envoy-external-address") != FORGED, text
    removed = {name.lower() for name in LIES} - {"x-forwarded-for", "x-envoy-external-address"}
    assert not removed & seen.keys(), f"the article service sees {sorted(removed & seen.keys())}"

    article = new_article()
    like = f"/v1/articles/{article}/like"
    expect(ask_from_outside("PUT", like, LIES), 401)
    expect(ask_from_outside("PUT", like, LIES | {"Authorization": "Bearer " + token(7)}), 200)
    event = eventually(lambda: logged(article))
    assert event["user_id"] == "7" and event["status"] == 1, event
    assert event["ip_hash"] == address_hash(address), f"{event} is not of {address}"
    return f"{len(removed)} false headers removed; address {address} at the article service and in the log of changes; 401 without a token"


def logged(article):
    """The newest change of an article in Kafka."""
    command = ["/usr/local/bin/persister", "audit", "--json", f"--article={article}"]
    lines = kubectl("-n", "interaction", "exec", "deployment/warm", "--", *command).splitlines()
    assert lines, "no change in the log"
    return json.loads(lines[-1])


def address_hash(address):
    """The keyed hash of an IPv4 address, as docs/operations.md has it."""
    settings = dict(line.split("=", 1) for line in (OVERLAY / "spin-secrets.env").read_text().splitlines())
    return hmac.new(settings["ip_hash_key"].encode(), address.encode(), hashlib.sha256).hexdigest()[:32]


def rate_limit():
    """One user asks more often than the gateway allows: Envoy answers the rest with 429, and others notice nothing."""
    (policy,) = [one for one in objects("backendtrafficpolicy", "interaction-spin") if one["metadata"]["name"] == "changes"]
    rules = policy["spec"]["rateLimit"]["local"]["rules"]
    (limit,) = [rule["limit"] for rule in rules if "headers" in rule["clientSelectors"][0]]
    assert limit["unit"] == "Second", limit
    path, seconds = "/v1/articles/42/interactions", 5
    answers, others = crowd(path, 2 * limit["requests"], seconds)
    codes = collections.Counter(one["code"] for one in answers)
    # The first second has what was saved before it, too. One second more is for a machine that is late.
    most = limit["requests"] * (seconds + 2)
    assert set(codes) == {200, 429} and codes[200] <= most, f"{codes}, at most {most} with 200 expected"
    assert set(others) == {200}, f"another user got {others}"
    refusal = next(one for one in answers if one["code"] == 429)
    kind, wait = (refusal["headers"].get(name) for name in ("Content-Type", "Retry-After"))
    problem = json.loads(base64.b64decode(refusal["body"]))
    assert (kind, wait) == (["application/problem+json"], ["1"]), refusal
    assert (problem["type"], problem["status"]) == ("/v1/problems/rate-limited", 429), problem
    eventually(lambda: expect(ask("GET", path, 7), 200), 5)
    return f"{limit['requests']} a second: {codes[200]} of {len(answers)} requests in {seconds} s got 200, the rest 429; another user always 200"


def crowd(path, rate, seconds):
    """All answers to user 7, who says each time to be another user, and what user 8 is answered meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        targets, output = Path(folder, "targets"), Path(folder, "results")
        with targets.open("w") as file:
            for number in range(100):
                header = {"Authorization": ["Bearer " + token(7)], "X-Interaction-User": [str(1000 + number)]}
                file.write(json.dumps({"method": "GET", "url": GATEWAY + path, "header": header}) + "\n")
        running, others = attack(targets, output, rate, seconds, CLIENTS[0]), []
        while running.poll() is None:
            others.append(ask("GET", path, 8)[0])
            time.sleep(0.2)
        encoded = subprocess.run(["vegeta", "encode", "-to=json", output], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in encoded.splitlines()], others
