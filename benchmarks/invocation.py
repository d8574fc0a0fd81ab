"""Where the time of one warm invocation goes: each layer added to those below it, in turns.

What a layer costs is the difference to the stack without it. CPU time of all threads is
with_metrics, on the same event and the same token, with the issuer's keys, policy and ring cached.

A part of `make bench`, on Lambda's version of Python; ``--write`` and ``--long`` are as there.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import pairwise
from typing import Any

from aws_lambda_powertools import Logger
from mangum import Mangum

from benchmarks import page, runtime_json
from benchmarks.cases import CASES, Case
from benchmarks.runtime_json import marshaller
from handlers.access.guard import Guard
from handlers.access.jwks import issuer_keys
from handlers.access.policy import PolicyAuthorizer
from handlers.access.token import Verifier
from handlers.server.app import build_app
from handlers.server.asgi import Send
from handlers.server.audit import discard, lines_to
from handlers.server.cors import Cors
from handlers.server.gateway import lambda_handler
from handlers.server.metrics import with_metrics
from handlers.server.request import Message, Receive, Scope
from handlers.settings.issuer import Issuer, Trust
from handlers.settings.server import server_settings
from temporal_codec.keys.sources import open_source
from tests.rigs.issuer import AUDIENCE, EMAIL_CLAIM, ISSUER, jwk, rsa_key, token

TURNS = 15
POLICY = (
    b'{"grants":[{"identities":["*@example.com"],"namespaces":["*"],'
    b'"operations":["decode","encode"]}]}'
)
Handle = Callable[[Any, Any], Any]
NAMES = {
    "the runtime's JSON": "the event read, the answer written",
    "Mangum": "the event to ASGI and back, and its event loop",
    "our app and the codec": "every check of the request, decoding",
    "token and policy": "RS256 verified, grants compared",
    "audit record": "one line, written and flushed",
    "metrics": "Powertools, one line in CloudWatch's format",
    "Powertools' Logger": "the context of a log line that is not written",
}


class Context:
    """Lambda's, as far as anybody looks at it."""

    aws_request_id = "8f5a2f0c-7f6d-4f6e-8a4f-2f1d6f0a9b3c"
    function_version = "$LATEST"
    function_name = memory_limit_in_mb = invoked_function_arn = "x"

    def get_remaining_time_in_millis(self) -> int:
        """As at the start of an invocation."""
        return 15_000


def event(case: Case) -> str:
    """An HTTP API event as the runtime gets it."""
    headers = {
        "content-type": "application/json",
        "x-namespace": "default",
        "origin": "http://localhost:8233",
        "authorization": f"Bearer {token()}",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    }
    http = {"method": "POST", "path": "/decode", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"}
    return json.dumps(
        {
            "version": "2.0",
            "routeKey": "POST /decode",
            "rawPath": "/decode",
            "rawQueryString": "",
            "headers": headers,
            "requestContext": {"http": http, "stage": "$default"},
            "body": case.sealed().decode(),
            "isBase64Encoded": False,
        }
    )


async def _trivial(_scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    start: Message = {"type": "http.response.start", "status": 200}
    await send({**start, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def stacks() -> list[Handle]:
    """A handler for each layer, with all below it; the runtime's own JSON is around each."""
    source = open_source("development")
    asks = {"CODEC_AUTH": "jwt", "CODEC_POLICY": "file:x"}
    free, asking = server_settings({}), server_settings(asks)
    trusted = Issuer(ISSUER, "https://issuer", (AUDIENCE,), EMAIL_CLAIM)
    keys = issuer_keys(lambda: json.dumps({"keys": [jwk(rsa_key())]}).encode())
    guard = Guard(Verifier(Trust((trusted,)), lambda _: keys), PolicyAuthorizer(lambda: POLICY))
    lines = lines_to(sys.stdout)
    both = with_metrics(lines, "benchmark")
    apps = [
        (build_app(free, source), discard),
        (build_app(asking, source, guard), discard),
        (build_app(asking, source, guard, write=lines), lines),
        (build_app(asking, source, guard, write=both), both),
    ]
    ours = [lambda_handler(app, Cors(free.cors), write) for app, write in apps]
    return [
        lambda read, _context: {"statusCode": 200, "headers": {}, "body": read["body"]},
        Mangum(_trivial, lifespan="off", text_mime_types=["application/json"]),  # type: ignore[arg-type]
        *ours,
        Logger(service="benchmark").inject_lambda_context(ours[-1]),
    ]


def invoked(handle: Handle, sent: str) -> str:
    """What the runtime makes of an event: read, handled, the answer written."""
    runtime = marshaller()
    written, _ = runtime.marshal_response(handle(runtime.unmarshal_request(sent), Context()))
    return str(written)


@contextmanager
def surroundings() -> Iterator[None]:
    """An event loop to be found, as on Lambda, and nobody who reads the records."""
    with asyncio.Runner() as runner, open(os.devnull, "w") as nobody:  # noqa: PTH123 — a device
        asyncio.set_event_loop(runner.get_loop())
        with redirect_stdout(nobody):
            yield
        asyncio.set_event_loop(None)


def _microseconds(handle: Handle, sent: str, rounds: int) -> float:
    start = time.process_time()
    for _ in range(rounds):
        invoked(handle, sent)
    return (time.process_time() - start) / rounds * 1e6


def measure(case: Case, turns: int = TURNS) -> list[float]:
    """Microseconds of each layer: the least of many turns, less that of the layer below."""
    sent, rounds = event(case), max(20, case.rounds // 5)
    with surroundings():
        found = stacks()
        totals = [float("inf")] * len(found)
        for _ in range(turns):
            for place, handle in enumerate(found):
                totals[place] = min(totals[place], _microseconds(handle, sent, rounds))
    return [totals[0], *(after - before for before, after in pairwise(totals))]


def table(turns: int = TURNS) -> str:
    """A row for each layer."""
    cases = [CASES[0], CASES[2]]
    columns = [measure(case, turns) for case in cases]
    lines = [
        "| µs of CPU | what it does | a | | c | |",
        "|---|---|---|---|---|---|",
    ]
    for place, (name, what) in enumerate(NAMES.items()):
        cells = [
            f"{column[place]:,.0f} | {max(column[place], 0) / sum(column):.0%}"
            for column in columns
        ]
        lines.append(f"| {name} | {what} | {' | '.join(cells)} |")
    sums = " | ".join(f"**{sum(column):,.0f}** |" for column in columns)
    return "\n".join([*lines, f"| **together** | | {sums} |"])


def main() -> None:
    """Measure and show; with `--write`, put it into the page too."""
    turns = TURNS * (3 if "--long" in sys.argv[1:] else 1)
    page.show({"invocation": table(turns), "runtime JSON": runtime_json.table(turns)})


if __name__ == "__main__":
    main()
