"""The status page at `/`, and `/healthz`: people and probes read them without a token.

As a preflight, none of these requests leaves a record: a probe comes every few seconds.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from handlers.server.asgi import App, Send
from handlers.server.cors import Cors
from handlers.server.request import Receive, Scope
from temporal_codec.cached import Cached, Unavailable
from temporal_codec.errors import CodecError

Caches = Mapping[str, Cached[Any]]
"""What every request needs, by the name that a probe is answered."""


def with_status(app: App, cors: Cors, caches: Caches) -> App:
    """The app, which also answers people and probes."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path")).rstrip("/")
        is_read = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        if is_read and (not path or path.endswith("/healthz")):
            await answer(scope, path, send)
        else:
            await app(scope, receive, send)

    async def answer(scope: Scope, path: str, send: Send) -> None:
        status, body, headers = await _health(scope, caches) if path else _page()
        origin = next((v for name, v in scope["headers"] if name == b"origin"), b"")
        headers |= cors.headers(origin.decode("latin-1")) | {"content-length": str(len(body))}
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    return wrapped


async def ready(caches: Caches) -> dict[str, bool]:
    """Whether each value is there. Stale values are fetched, as often as their caches allow."""
    found: dict[str, bool] = {}
    for name, cached in caches.items():
        kind = name.partition(" ")[0]  # whose JWKS it is, is nobody's business
        found[kind] = await _is_there(cached) and found.get(kind, True)
    return found


def missing(caches: Caches) -> Iterator[tuple[str, str]]:
    """The name of each that is not there, and the reason."""
    for name, cached in caches.items():
        try:
            if cached.get() is None:
                yield name, "it does not exist"
        except Unavailable as error:
            yield name, _reason(error.__cause__)


def _reason(cause: BaseException | None) -> str:
    # Our own texts show no content; texts of other libraries may.
    if isinstance(cause, CodecError):
        return str(cause)
    return getattr(cause, "strerror", None) or type(cause).__name__


async def _is_there(cached: Cached[Any]) -> bool:
    try:
        return await cached.ready() is not None
    except Unavailable:
        return False


async def _health(scope: Scope, caches: Caches) -> tuple[int, bytes, dict[str, str]]:
    headers = {"content-type": "application/json"}
    if b"ready=1" not in scope["query_string"].split(b"&"):
        return 200, b'{"status":"ok"}', headers
    found = await ready(caches)
    is_ready = all(found.values())
    answer = {"status": "ready" if is_ready else "not ready", **found}
    return 200 if is_ready else 503, json.dumps(answer, separators=(",", ":")).encode(), headers


def _page() -> tuple[int, bytes, dict[str, str]]:
    from handlers.server import page  # noqa: PLC0415 — few requests are for it

    return 200, page.PAGE.encode(), page.headers()
