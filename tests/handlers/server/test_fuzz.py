"""Whatever is sent: a status from the fixed set, CORS always, and no exception escapes.

`make fuzz` also holds the CPU time of each request below a second, and writes the slowest down in
slowest.json; their work is counted here from then on, in calls and not in time.
"""

import asyncio
import heapq
import json
import logging
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from handlers.access import trust
from handlers.access.guard import Guard
from handlers.access.policy import PolicyAuthorizer
from handlers.access.token import Verifier
from handlers.server.app import build_app
from handlers.server.audit import discard
from handlers.server.cors import Cors
from handlers.server.gateway import Handler, lambda_handler
from handlers.settings.server import server_settings
from temporal_codec.keys.sources import open_source
from tests.handlers.calls import JSON_HEADERS, ORIGIN, app, call
from tests.handlers.server.costly import costly, names
from tests.rigs.processes import ROOT
from tests.vectors_read import vectors

BODIES = int(os.environ.get("FUZZ", "20000"))  # `make fuzz` sends a million
BY_COMMAND = "FUZZ" in os.environ
MOST_CPU_SECONDS = 1.0  # rule D1
EVENTS = ROOT / "tests" / "events"
SLOWEST = Path(__file__).with_name("slowest.json")
KEPT = 20
OF_LOOPS = re.compile(r"[/\\](asyncio[/\\]\w+|_weakrefset|weakref)\.py$")
STATUSES = {200, 400, 413}
TOKENS = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"1e999", b"-0", b"\0"),
    *(b'{"payloads":[', b'"metadata":{', b'"data":"', b"\xff", b"\xed\xa0\x80", b"\\ud800", b"=="),
    *(b'"YmluYXJ5L2VuY3J5cHRlZA=="', b'"YmluYXJ5L3psaWI="', b'"encoding"', b"eJw=", b"[" * 2000),
]


def bodies(dice: random.Random, count: int) -> Iterator[bytes]:
    """Real requests with bytes changed, cut, doubled; and strings of tokens."""
    real = [vector.body for vector in vectors() if len(vector.body) < 5_000]
    for _ in range(count):
        if dice.random() < 0.1:
            yield b"".join(dice.choices(TOKENS, k=dice.randint(0, 12)))
            continue
        body = bytearray(dice.choice(real))
        for _ in range(dice.randint(1, 4)):
            at, length = dice.randrange(len(body) + 1), dice.choice([0, 0, 1, 4, 60])
            piece = bytes(body[at : at + length])
            body[at : at + length] = dice.choice([b"", piece * 2, dice.choice(TOKENS)])
        yield bytes(body)


def test_any_body_gets_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "codec-server")
    server, seen = app(), Counter[int]()
    headers = {**JSON_HEADERS, "origin": ORIGIN}
    costs = Costs()
    for number, body in enumerate(bodies(random.Random(3), BODIES)):
        path = "/encode" if number % 4 == 0 else "/decode"
        with costs.of(path, body.decode("latin-1")):
            reply = call(server, path, body, headers=headers)
        seen[reply.status] += 1
        assert reply.status in STATUSES, body
        assert reply.headers["access-control-allow-origin"] == ORIGIN, body
        answer = reply.json()
        assert ("payloads" in answer) == (reply.status == 200), body
    assert seen[200] > BODIES / 100
    assert seen[400] > BODIES / 100
    costs.check()


def test_bodies_that_ask_for_much_work_get_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """D1: no request within the limits takes more than a second of CPU time."""
    caplog.set_level(logging.CRITICAL, "codec-server")
    servers = {"/decode": app(), "/encode": app(compression="zlib")}
    costs, seen = Costs(), Counter[int]()
    for name in names(BODIES // 1000):
        body = costly(name)
        for path, server in servers.items():
            with costs.of(path, name):
                seen[call(server, path, body).status] += 1
    assert set(seen) <= STATUSES
    costs.check()
    costs.write_down()


class Costs:
    """The CPU time of requests, and which were the slowest."""

    def __init__(self) -> None:
        self.slowest: list[tuple[float, str, str]] = []

    @contextmanager
    def of(self, path: str, name: str) -> Iterator[None]:
        """Measure a request."""
        started = time.process_time()
        yield
        heapq.heappush(self.slowest, (time.process_time() - started, path, name))
        if len(self.slowest) > KEPT:
            heapq.heappop(self.slowest)

    def check(self) -> None:
        """In a run by command alone: what else runs on a machine of CI may take its time."""
        if BY_COMMAND:
            seconds, path, name = max(self.slowest)
            assert seconds < MOST_CPU_SECONDS, (path, name[:100])

    def write_down(self) -> None:
        if not BY_COMMAND:
            return
        rows = [
            {
                "path": path,
                "name": name,
                "cpu_ms": round(seconds * 1000),
                "calls": calls(path, name),
            }
            for seconds, path, name in sorted(self.slowest, reverse=True)
        ]
        SLOWEST.write_text(json.dumps(rows, indent=1) + "\n")


def calls(path: str, name: str) -> int:
    """How many functions a costly body calls, Python's and C's."""
    server = app(compression="zlib" if path == "/encode" else "none")
    body, count = costly(name), 0
    call(server, path)

    def counted(frame: Any, kind: str, _what: object) -> None:
        # An event loop looks through all tasks that other tests left behind.
        nonlocal count
        count += kind in {"call", "c_call"} and not OF_LOOPS.search(frame.f_code.co_filename)

    sys.setprofile(counted)
    try:
        call(server, path, body)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "row", json.loads(SLOWEST.read_text()), ids=lambda row: row["path"][1:] + "-" + row["name"]
)
def test_what_was_slowest_does_no_more_work(row: dict[str, Any]) -> None:
    """Twice as many calls would be a fault: what is repeated for each member or payload."""
    assert calls(row["path"], row["name"]) <= 2 * row["calls"]


EVENT: dict[str, Any] = {
    "version": "2.0",
    "rawPath": "/decode",
    "rawQueryString": "",
    "headers": {"origin": ORIGIN, **JSON_HEADERS},
    "requestContext": {"http": {"method": "POST", "path": "/decode", "sourceIp": "192.0.2.1"}},
    "body": '{"payloads":[]}',
    "isBase64Encoded": False,
}
V1: dict[str, Any] = {
    "resource": "/{proxy+}",
    "path": "/decode",
    "httpMethod": "POST",
    "headers": {"Origin": ORIGIN, **JSON_HEADERS},
    "multiValueHeaders": {"Origin": [ORIGIN], **{k: [v] for k, v in JSON_HEADERS.items()}},
    "requestContext": {"identity": {"sourceIp": "192.0.2.1"}},
    "body": '{"payloads":[]}',
    "isBase64Encoded": False,
}
JUNK = [
    None,
    "",
    0,
    True,
    [],
    {},
    "\ud800",
    "x" * 9000,
    -1,
    {"a": None},
    ["b"],
    "a:b:c",
    "é",
    1e999,
]


GOLDEN = [
    golden["event"]
    for golden in map(json.loads, (f.read_text() for f in sorted(EVENTS.glob("l*.json"))))
]
"""Those of load balancers and VPC Lattice."""
ODD = ["a/b", "é", "\u202e", " ", "default ", "x" * 1001, "a, b", "\t", "%2e%2e", "{namespace}"]
NAMESPACES = [name.encode().decode("latin-1") for name in ODD]


def spoiled(event: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """An event with a few of its members, at any depth, replaced or taken away."""
    changed: dict[str, Any] = json.loads(json.dumps(event))
    for _ in range(dice.randint(1, 3)):
        node = changed
        while dice.random() < 0.6:
            inner = [value for value in node.values() if isinstance(value, dict) and value]
            if not inner:
                break
            node = dice.choice(inner)
        if node:
            name = dice.choice(list(node))
            if dice.random() < 0.3:
                del node[name]
            else:
                other = dice.choice([name, name.title(), "x-forwarded-port", "host"])
                node[other] = deepcopy(dice.choice(JUNK))
    return changed


@pytest.fixture
def handler() -> Iterator[Handler]:
    """A Lambda handler, and the event loop that Mangum finds, closed afterwards."""
    settings = server_settings({})
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        app = build_app(settings, open_source("development"))
        yield lambda_handler(app, Cors(settings.cors), discard)
        asyncio.set_event_loop(None)


def test_any_event_gets_an_answer(handler: Handler, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    dice, seen = random.Random(4), Counter[int]()
    for _ in range(BODIES // 4):
        event = spoiled(dice.choice([EVENT, V1, dice.choice(GOLDEN)]), dice)
        if dice.random() < 0.1 and isinstance(event.get("headers"), dict):
            event["headers"]["x-namespace"] = dice.choice(NAMESPACES)
        answer = handler(event, None)
        seen[answer["statusCode"]] += 1
        assert answer["statusCode"] in {200, 204, 400, 403, 404, 405, 413, 415}, event
        assert answer["isBase64Encoded"] is False, event
        json.dumps(answer)
    assert seen[200] > 100
    assert seen[400] > 100


@pytest.mark.parametrize(
    "event", [None, [], "x", 7, {}, {"version": "2.0"}, {"headers": []}], ids=str
)
def test_what_is_no_event_is_400(handler: Handler, event: Any) -> None:
    answer = handler(event, None)
    assert answer["statusCode"] == 400
    assert answer["headers"]["content-type"] == "application/problem+json"


COOKIES = ["token=", "a.b.c", ";", "=", ",", " ", "é", "\x00", '"', "token=a.b.c", "x" * 9000]
REGEXES = ["(?P<namespace>[^:]+):(?P<role>.+)", "(" * 510 + ")" * 510, "a{9999999999999}", "\\"]
TRUST: dict[str, Any] = {
    "token_from": ["authorization", "cookie:token"],
    "issuers": [
        {
            "name": "one",
            "issuer": "https://issuer.example.com/",
            "jwks": "https://issuer.example.com/jwks.json",
            "audiences": ["a"],
            "permissions_regex": "(?P<namespace>[^:]+):(?P<role>.+)",
        }
    ],
}


def test_any_cookie_and_authorization_is_refused_in_the_usual_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """T1 and T5: 401 or 403, whatever stands in the places of tokens; nothing is fetched."""
    caplog.set_level(logging.CRITICAL, "codec-server")
    environ = {
        "CODEC_AUTH": "jwt",
        "CODEC_CREDENTIALS": "true",
        "CODEC_ORIGINS": ORIGIN,
        "CODEC_TRUST": "file:/nowhere",
    }
    settings = server_settings(environ)
    trusted = trust.parse(json.dumps(TRUST).encode(), with_cookies=True)
    verifier = Verifier(trusted, never_asked)
    guard = Guard(verifier, PolicyAuthorizer(lambda: b'{"grants":[]}'))
    server, dice = build_app(settings, open_source("development"), guard), random.Random(5)
    for _ in range(BODIES // 20):
        headers = {**JSON_HEADERS, "origin": dice.choice([ORIGIN, "null", "https://evil.example"])}
        for name in dice.sample(["cookie", "authorization", "authorization-extras"], 2):
            headers[name] = "".join(dice.choices([*COOKIES, "Bearer "], k=dice.randint(0, 5)))
        if dice.random() < 0.5:
            headers["x-namespace"] = dice.choice(NAMESPACES)
        assert call(server, headers=headers).status in {400, 401, 403}, headers


def never_asked(_issuer: object) -> Any:
    """Keys that no spoiled token gets as far as."""
    return None


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of re: a set that looks nested
def test_any_trust_document_is_read_or_refused() -> None:
    dice, seen = random.Random(6), Counter[bool]()
    for _ in range(BODIES // 20):
        TRUST["issuers"][0]["permissions_regex"] = dice.choice(REGEXES)
        text = json.dumps(spoiled({**TRUST, "issuer": TRUST["issuers"][0]}, dice))
        document = bytearray(text.encode("utf-8", "surrogatepass"))
        if dice.random() < 0.5:
            at = dice.randrange(len(document))
            document[at : at + dice.choice([0, 1, 9])] = dice.choice(TOKENS)
        try:
            trust.parse(bytes(document), with_cookies=dice.random() < 0.5)
            seen[True] += 1
        except trust.TrustError:
            seen[False] += 1
    assert seen[False] > 100
