"""A Codec Server that does everything right, but for the one fault that a test gives it."""

import json
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CLOUD = "https://cloud.temporal.io"
CODEC = {"encoding": b64encode(b"binary/test").decode()}
Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def operation(self) -> str:
        """The last element of the path."""
        return self.path.partition("?")[0].rpartition("/")[2]

    @property
    def payloads(self) -> list[Json]:
        """Those of the body."""
        payloads: list[Json] = json.loads(self.body)["payloads"]
        return payloads


@dataclass(frozen=True)
class Reply:
    """What goes back; `raw` pieces go back instead of it, one by one."""

    status: int
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: bytes = b""
    raw: Iterator[bytes] | None = None

    def but(self, status: int | None = None, **headers: str | Sequence[str] | None) -> "Reply":
        """With another status or other headers (`allow_origin=...`); None takes one away."""
        changed = {**self.headers, **{_header(name): value for name, value in headers.items()}}
        kept = {name: value for name, value in changed.items() if value is not None}
        return replace(self, status=status or self.status, headers=kept)

    def saying(self, body: bytes | object) -> "Reply":
        """With another body; what is no bytes is JSON."""
        return replace(self, body=body if isinstance(body, bytes) else json.dumps(body).encode())


def cut_off() -> Reply:
    """No answer at all: the connection is closed."""
    return Reply(200, raw=iter([b""]))


Answers = Callable[[Request], Reply]
Fault = Callable[[Request, Reply], Reply]


def _header(name: str) -> str:
    written = name.replace("_", "-")
    return f"access-control-{written}" if written.startswith(("allow-", "max-")) else written


def good(token: str | None = None, origin: str = CLOUD, namespace: str = "default") -> Answers:
    """A server as it should be, which asks for a token, if one is given."""

    def answer(request: Request) -> Reply:
        cors = {"vary": "Origin"}
        if request.headers.get("origin") == origin:
            cors["access-control-allow-origin"] = origin
        reply = Reply(404, {**cors, "content-type": "application/json"}, b"{}")
        if request.method == "OPTIONS":
            return _preflight(reply, allowed="access-control-allow-origin" in cors)
        if request.headers.get("origin", origin) != origin:
            return reply.but(403)
        if token and request.headers.get("authorization") != f"Bearer {token}":
            return reply.but(401)
        if request.headers.get("x-namespace") != namespace:
            return reply.but(403)
        if request.operation not in {"decode", "encode"}:
            return reply
        return reply.but(200).saying({"payloads": coded(request)})

    return answer


def _preflight(reply: Reply, *, allowed: bool) -> Reply:
    if not allowed:
        return reply.but(204).saying(b"")
    wanted = "authorization, authorization-extras, content-type, x-namespace"
    return reply.but(
        204, allow_headers=wanted, allow_methods="POST, OPTIONS", max_age="7200"
    ).saying(b"")


def coded(request: Request) -> list[Json]:
    """The payloads of a request, wrapped or unwrapped."""
    if request.operation == "encode":
        wrapped = (b64encode(json.dumps(each).encode()).decode() for each in request.payloads)
        return [{"metadata": CODEC, "data": data} for data in wrapped]
    return [
        json.loads(b64decode(each["data"])) if each["metadata"] == CODEC else each
        for each in request.payloads
    ]


@dataclass
class Server:
    """Where it runs, and what came."""

    port: int
    requests: list[Request] = field(default_factory=list)


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    if reply.raw is not None:
        for piece in reply.raw:
            handler.wfile.write(piece)
            handler.wfile.flush()
        return
    handler.send_response_only(reply.status)
    headers = {"date": formatdate(usegmt=True), **reply.headers}
    for name, values in headers.items():
        for value in [values] if isinstance(values, str) else values:
            handler.send_header(name, value)
    handler.send_header("content-length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that gives up is what some tests are about."""


@contextmanager
def faulty_server(
    answers: Answers,
    fault: Fault | None = None,
    tls: ssl.SSLContext | None = None,
    largest: int = 100_000_000,
) -> Iterator[Server]:
    """Run it on loopback; larger bodies than `largest` are refused unread, and cut off."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            super().handle_one_request()
            self.close_connection = True

        def _answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            if size > largest:
                _send(self, Reply(413, {"access-control-allow-origin": CLOUD}))
                return
            body = self.rfile.read(size)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            started.requests.append(request)
            reply = answers(request)
            _send(self, fault(request, reply) if fault else reply)

        do_GET = do_POST = do_OPTIONS = _answer  # noqa: N815 — the library's own names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    listener = _Listener(("127.0.0.1", 0), Handler)
    if tls is not None:
        listener.socket = tls.wrap_socket(
            listener.socket, server_side=True, do_handshake_on_connect=False
        )
    started = Server(listener.server_port)
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield started
    finally:
        listener.shutdown()
        listener.server_close()
