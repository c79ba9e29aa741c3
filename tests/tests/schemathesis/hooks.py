"""Hooks of schemathesis besides its configuration: what to count, and which requests never reach the service."""

import atexit
import json
from collections import Counter
from pathlib import Path

import schemathesis

answers = Counter()  # by status; "none" where there was no answer in time
slowest = {"seconds": 0.0, "request": ""}


@schemathesis.hook
def after_call(context, case, response):
    answers[str(response.status_code)] += 1
    if response.elapsed > slowest["seconds"]:
        request = response.request
        slowest.update(seconds=response.elapsed, request=f"{request.method} {request.path_url}")


@schemathesis.hook
def after_network_error(context, case, request):
    answers["none"] += 1


@schemathesis.hook
def filter_headers(context, headers):
    """Spin itself answers 500 to a value that is not UTF-8; tests/tests/api/malformed.rs tests that."""
    return all(str(value).isascii() for value in (headers or {}).values())


@schemathesis.check
class every_operation_succeeds:
    """Every operation must succeed once. Otherwise all checks might pass on refusals."""

    def __init__(self):
        self.tried, self.succeeded = set(), set()

    def after_response(self, ctx, response, case):
        self.tried.add(case.operation.label)
        if response.status_code < 300:
            self.succeeded.add(case.operation.label)

    def after_run(self, ctx):
        never = sorted(self.tried - self.succeeded)
        assert not never, f"never a 2xx: {', '.join(never)}"


@atexit.register
def report():
    Path("counts.json").write_text(json.dumps({"answers": answers, "slowest": slowest}))
