"""The server under test: requests in every form, and what it answers."""

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from temporal_codec.cli.conformance.vectors import Known
from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.connection import Connection
from temporal_codec.cli.doctor.endpoint import Endpoint

Json = dict[str, Any]
UI_HEADERS = "authorization,authorization-extras,content-type,x-namespace"


@dataclass(frozen=True)
class Server:
    """A Codec Server, the key that it is known to have, and how to call it."""

    endpoint: Endpoint
    connection: Connection
    known: Known
    namespace: str = "default"
    origin: str = "http://localhost:8233"
    token: str = ""

    def __repr__(self) -> str:
        """Without the token and the key."""
        return f"Server({self.endpoint.url})"

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        patience: int = 1,
    ) -> Answer:
        """Send one request; raises Unreached if there is no readable response."""
        lines = [
            f"{method} {self.endpoint.path}{path} HTTP/1.1",
            f"Host: {self.endpoint.authority}",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
            f"Content-Length: {len(body)}",
            "Accept-Encoding: identity",
            "Connection: close",
        ]
        request = "\r\n".join((*lines, "", "")).encode("ascii") + body
        return self.connection.exchange(request, f"{method} {path}", patience)

    def headers(self, **changed: str | None) -> dict[str, str]:
        """The headers of the Web UI, but for those changed; None leaves one out."""
        usual: dict[str, str | None] = {
            "Content-Type": "application/json",
            "X-Namespace": self.namespace,
            "Origin": self.origin,
            "Authorization": f"Bearer {self.token}" if self.token else None,
        }
        named = {name.replace("_", "-"): value for name, value in changed.items()}
        return {name: value for name, value in {**usual, **named}.items() if value is not None}

    def post(self, body: bytes | Json, path: str = "/decode", patience: int = 1) -> Answer:
        """Send a body as the Web UI does."""
        written = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, written, self.headers(), patience)

    def preflight(self, path: str = "/decode", origin: str | None = None) -> Answer:
        """Send what a browser sends before the Web UI's request; it never has a token."""
        headers = {
            "Origin": origin or self.origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": UI_HEADERS,
        }
        return self.send("OPTIONS", path, b"", headers)

    def sealed(self, *texts: str) -> list[Json]:
        """These texts as encrypted JSON payloads."""
        return [written(self.known.seal(plain(text))) for text in texts]


def plain(text: str) -> tuple[dict[str, bytes], bytes]:
    """The contents of a payload that the default converter makes of a text."""
    return {"encoding": b"json/plain"}, json.dumps(text).encode()


def written(contents: tuple[dict[str, bytes], bytes]) -> Json:
    """A payload in proto3 JSON."""
    metadata, data = contents
    return {"metadata": {name: b64(value) for name, value in metadata.items()}, "data": b64(data)}


def b64(data: bytes) -> str:
    """Standard base64."""
    return b64encode(data).decode()
