"""Whatever is sent: a status from the fixed set, CORS always, and no exception escapes."""

import asyncio
import json
import logging
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.server.app import build_app
from handlers.server.audit import discard
from handlers.server.cors import Cors
from handlers.server.gateway import Handler, lambda_handler
from handlers.settings.server import server_settings
from temporal_codec.keys.sources import open_source
from tests.handlers.calls import JSON_HEADERS, ORIGIN, app, call
from tests.vectors_read import vectors

BODIES = int(os.environ.get("FUZZ", "20000"))  # `make fuzz` sends a million
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
    for number, body in enumerate(bodies(random.Random(3), BODIES)):
        path = "/encode" if number % 4 == 0 else "/decode"
        reply = call(server, path, body, headers=headers)
        seen[reply.status] += 1
        assert reply.status in STATUSES, body
        assert reply.headers["access-control-allow-origin"] == ORIGIN, body
        answer = reply.json()
        assert ("payloads" in answer) == (reply.status == 200), body
    assert seen[200] > BODIES / 100
    assert seen[400] > BODIES / 100


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
                node[dice.choice([name, name.title(), "x-forwarded-port", "host"])] = dice.choice(
                    JUNK
                )
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
        event = spoiled(dice.choice([EVENT, V1]), dice)
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
