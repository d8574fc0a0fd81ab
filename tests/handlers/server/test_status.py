"""The page at `/` and `/healthz`: for people and probes, without a token, a key or a record."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from handlers.server import page
from handlers.server.asgi import App
from handlers.server.cors import Cors
from handlers.server.status import with_status
from handlers.settings.server import server_settings
from temporal_codec.cached import Cached
from temporal_codec.clock import Life
from tests.handlers.calls import ORIGIN, Reply, app, call
from tests.rigs.codec_server import CodecServer

LIFE = Life(300, 300)


def absent() -> Any:
    raise OSError("arn:secret is down")


def served(caches: Mapping[str, Cached[Any]] | None = None, write: Any = None) -> App:
    inner = app(write=write) if write else app()
    return with_status(inner, Cors(server_settings({}).cors), caches or {})


def get(app: App, path: str, query: bytes = b"", **headers: str) -> Reply:
    async def asking(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "query_string": query}, receive, send)

    return call(asking, path, b"", method="GET", headers=headers)


@pytest.mark.parametrize("path", ["/", "", "//"])
def test_people_see_a_page(path: str) -> None:
    reply = get(served(), path, origin=ORIGIN)
    assert (reply.status, reply.body) == (200, page.PAGE.encode())
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert reply.headers["cache-control"] == "no-store"


def test_the_page_loads_nothing_from_elsewhere() -> None:
    """The policy names the script and the style by their hash, and this server alone."""
    policy = page.headers()["content-security-policy"]
    for kind in ("script", "style"):
        (text,) = re.findall(f"<{kind}>(.*?)</{kind}>", page.PAGE, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"(src|href|action)=|https?://|url\(", page.PAGE)


@pytest.mark.parametrize("path", ["/healthz", "/healthz/", "/codec/healthz"])
def test_a_process_that_runs_is_healthy(path: str) -> None:
    """Even if nothing that it needs is there: a restart would not help."""
    reply = get(served({"keyring": Cached(absent, LIFE)}), path)
    assert (reply.status, reply.json()) == (200, {"status": "ok"})


def test_ready_names_what_is_there() -> None:
    caches = {"keyring": Cached.of(1), "jwks": Cached.of(2)}
    reply = get(served(caches), "/healthz", b"ready=1")
    assert (reply.status, reply.json()) == (200, {"status": "ready", "keyring": True, "jwks": True})


def test_what_is_missing_is_named_without_detail() -> None:
    jwks = {"jwks of one": Cached(absent, LIFE), "jwks of two": Cached.of(1)}
    caches = {"keyring": Cached.of(None), **jwks, "policy": Cached.of(1)}
    reply = get(served(caches), "/healthz", b"ready=1")
    assert reply.status == 503
    assert reply.json() == {"status": "not ready", "keyring": False, "jwks": False, "policy": True}


def test_probes_fetch_no_more_often_than_requests_do() -> None:
    """A document that cannot be fetched is not fetched for each probe."""
    asked: list[int] = []

    def fetch() -> None:
        asked.append(1)
        absent()

    caches = {"policy": Cached(fetch, LIFE)}
    for _ in range(20):
        assert get(served(caches), "/healthz", b"ready=1").status == 503
    assert len(asked) == 1


def test_they_leave_no_record() -> None:
    records: list[Any] = []
    status = served(write=records.append)
    get(status, "/healthz")
    get(status, "/")
    assert records == []
    assert call(status, "/", method="POST").status == 404
    assert get(status, "/other").status == 404
    assert [record.reason for record in records] == ["operation", "operation"]


def test_a_probe_is_answered_by_the_server(development_server: CodecServer) -> None:
    reply = development_server.client.get("/healthz?ready=1")
    assert (reply.status_code, reply.json()) == (200, {"status": "ready", "keyring": True})
    head = development_server.client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert json.loads(development_server.client.get("/healthz").content) == {"status": "ok"}
