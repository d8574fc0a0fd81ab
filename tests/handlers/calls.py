"""Calls of the app without a server between: one ASGI request, one answer."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.server.app import build_app
from handlers.server.asgi import App
from handlers.server.audit import Write, discard
from handlers.server.request import Message
from handlers.settings.server import server_settings
from temporal_codec.keys.sources import KeySource, open_source

ORIGIN = "http://localhost:8233"
JSON_HEADERS = {"content-type": "application/json", "x-namespace": "default"}


@dataclass
class Reply:
    """What the app answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def app(source: KeySource | None = None, write: Write = discard, **settings: str) -> App:
    """The app with these settings, such as `strict="true"`."""
    environ = {f"CODEC_{name.upper()}": value for name, value in settings.items()}
    source = source or open_source("development")
    return build_app(server_settings(environ), source, write=write)


def call(
    app: App,
    path: str = "/decode",
    body: bytes | Iterable[bytes] = b'{"payloads":[]}',
    *,
    method: str = "POST",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = JSON_HEADERS,
    context: object = None,
) -> Reply:
    """Send one request; `body` may come in pieces, and Lambda's context with it."""
    pieces = [body] if isinstance(body, bytes) else list(body)
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": n + 1 < len(pieces)}
        for n, piece in enumerate(pieces)
    ]
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "client": ("203.0.113.7", 4711),
        "aws.context": context,
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in pairs],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0)  # as a server would
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    start, end = sent
    names = [name.decode() for name, _ in start["headers"]]
    assert len(names) == len(set(names)), "a header is sent once"
    given = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], given, end["body"])
