"""CORS: the matrix of origins and answers (rules C1, C2, C4)."""

import zlib
from base64 import b64encode
from itertools import product
from typing import Any

import pytest

from temporal_codec import Keyring, KeyringUnavailable
from temporal_codec.keys.sources import KeySource
from tests.codec.rings import key, source_of
from tests.handlers.calls import JSON_HEADERS, Reply, app, call
from tests.handlers.server.test_app import Fails, as_json, request

ALLOWED = "https://cloud.temporal.io"
HOSTILE = {
    "other": "https://evil.io",
    "null": "null",
    "scheme": "http://cloud.temporal.io",
    "port": "https://cloud.temporal.io:8443",
    "case": "https://Cloud.temporal.io",
    "sub-domain": "https://x.cloud.temporal.io",
    "suffix": "https://cloud.temporal.io.evil.io",
    "two": "https://cloud.temporal.io, https://evil.io",
    "CR LF": "https://cloud.temporal.io\r\nx: y",
    "empty": "",
    "any": "*",
}
CORS = "access-control-"
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
BOMB = {
    "metadata": {"encoding": b64encode(b"binary/zlib").decode()},
    "data": b64encode(zlib.compress(b"\x12\x80\x80\xd0\x01" + bytes(3_407_872))).decode(),
}


OURS = request(as_json(b"", key()))
SOURCES: dict[str, KeySource] = {
    "500": Fails(ZeroDivisionError()),
    "503": Fails(KeyringUnavailable("down")),
}
CALLS: dict[str, dict[str, Any]] = {
    "preflight": {"method": "OPTIONS"},
    "preflight elsewhere": {"method": "OPTIONS", "path": "/a/download"},
    "200 decode": {},
    "200 encode": {"path": "/encode"},
    "400": {"body": b"[]"},
    "404": {"path": "/download"},
    "405": {"method": "GET"},
    "413 request": {"headers": {"content-length": "4500001"}},
    "413 answer": {"body": request(BOMB, BOMB)},
    "415": {"headers": {"content-type": "text/plain"}},
    "500": {"body": OURS},
    "503": {"body": OURS},
}
CASES = [case for case in CALLS if not case.startswith("preflight")]
BEFORE_THE_ORIGIN = ("404", "405")


def answer(case: str, origin: str | None, credentials: str = "false") -> Reply:
    """One answer of each status that the app gives."""
    source = SOURCES.get(case, source_of(Keyring([key()])))
    server = app(source, origins=ALLOWED, credentials=credentials)
    spec = CALLS[case]
    sent = {} if origin is None else {"origin": origin}
    headers = {**JSON_HEADERS, **sent, **spec.get("headers", {})}
    return call(server, **{**spec, "headers": headers})


def cors_headers(reply: Reply) -> dict[str, str]:
    return {k: v for k, v in reply.headers.items() if k.startswith(CORS)}


@pytest.mark.parametrize("case", CASES)
def test_an_allowed_origin_gets_its_own(case: str) -> None:
    """C1: exactly its own origin and `Vary: Origin`, whatever the answer."""
    reply = answer(case, ALLOWED)
    assert reply.status == int(case[:3])
    assert cors_headers(reply) == {
        "access-control-allow-origin": ALLOWED,
        "access-control-expose-headers": "x-codec-undecoded, x-request-id",
    }
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize("case", CASES)
def test_without_an_origin_there_is_nothing_to_allow(case: str) -> None:
    """C4: the CLI sends none, which is fine."""
    reply = answer(case, None)
    assert reply.status == int(case[:3])
    assert cors_headers(reply) == {}
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize(("case", "hostile"), list(product(CASES, HOSTILE)))
def test_a_foreign_origin_is_403_and_gets_nothing(case: str, hostile: str) -> None:
    """C1 and C4: before anything is read; never `*`, never `null`."""
    reply = answer(case, HOSTILE[hostile])
    assert reply.status == (int(case) if case in BEFORE_THE_ORIGIN else 403)
    assert cors_headers(reply) == {}


@pytest.mark.parametrize("case", ["preflight", "preflight elsewhere"])
def test_a_preflight_allows_what_the_ui_sends(case: str) -> None:
    """C2: for any path, so that the page can see a 404, too."""
    reply = answer(case, ALLOWED)
    assert (reply.status, reply.body) == (204, b"")
    assert cors_headers(reply) == {
        "access-control-allow-origin": ALLOWED,
        "access-control-allow-methods": "POST, OPTIONS",
        "access-control-allow-headers": (
            "authorization, authorization-extras, content-type, x-namespace"
        ),
        "access-control-max-age": "7200",
    }
    assert reply.headers["vary"] == VARY


@pytest.mark.parametrize("hostile", [*HOSTILE, None])
def test_a_foreign_preflight_allows_nothing(hostile: str | None) -> None:
    reply = answer("preflight", None if hostile is None else HOSTILE[hostile])
    assert reply.status == 204
    assert cors_headers(reply) == {}
    assert reply.headers["vary"] == VARY


@pytest.mark.parametrize(("case", "origin"), list(product(CALLS, [ALLOWED, "null", None])))
def test_every_answer_has_the_usual_headers(case: str, origin: str | None) -> None:
    """L4: it is stored nowhere, is what it says it is, and has its length."""
    reply = answer(case, origin)
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize("case", ["preflight", "200 decode", "415"])
def test_credentials_are_allowed_to_allowed_origins_alone(case: str) -> None:
    """Never with a star, never to another origin; without the setting never at all."""
    for value, expected in (("true", "true"), ("false", None)):
        reply = answer(case, ALLOWED, credentials=value)
        assert reply.headers.get(f"{CORS}allow-credentials") == expected
        assert reply.headers[f"{CORS}allow-origin"] == ALLOWED
        assert cors_headers(answer(case, HOSTILE["other"], credentials=value)) == {}


def test_two_origin_headers_are_no_origin() -> None:
    pairs = [*JSON_HEADERS.items(), ("origin", ALLOWED), ("origin", ALLOWED)]
    assert call(app(origins=ALLOWED), headers=pairs).status == 403
