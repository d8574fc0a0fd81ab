"""S3 over HTTP: moto behind a gate that notes what is asked for and can be told to fail."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.rigs.secrets_manager import CREDENTIALS, client


class S3Gate(ThreadingHTTPServer):
    """Hands GETs on to moto and nothing else; `fault` answers in its place."""

    daemon_threads = True

    def __init__(self, moto_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.moto_port = moto_port
        self.asked: list[str] = []
        self.most_at_once = 0
        self.at_once = 0
        self.lock = threading.Lock()
        self.fault: Callable[[_Handler], None] | None = None
        self._aws = client(moto_port, "s3")

    @property
    def url(self) -> str:
        """The endpoint to give to AWS SDKs."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes AWS SDKs use this S3."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def put(self, bucket: str, key: str, body: bytes) -> str:
        """Store an object, past the gate; gives its SHA-256."""
        where = {"LocationConstraint": "eu-west-1"}
        if bucket not in [each["Name"] for each in self._aws.list_buckets()["Buckets"]]:
            self._aws.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        self._aws.put_object(Bucket=bucket, Key=key, Body=body)
        return sha256(body).hexdigest()

    def delete(self, bucket: str, key: str) -> None:
        """Take an object away, past the gate."""
        self._aws.delete_object(Bucket=bucket, Key=key)

    def handle_error(self, *_: Any) -> None:
        """A client that gave up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: S3Gate
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        gate = self.server
        with gate.lock:
            gate.at_once += 1
            gate.most_at_once = max(gate.most_at_once, gate.at_once)
            gate.asked.append(f"{self.command} {unquote(urlsplit(self.path).path)}")
        try:
            if gate.fault is not None:
                gate.fault(self)
            else:
                self.answer(*self.forward())
        finally:
            with gate.lock:
                gate.at_once -= 1

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 — noted, as it must not come

    def forward(self) -> tuple[int, bytes]:
        """What moto says."""
        connection = HTTPConnection("127.0.0.1", self.server.moto_port, timeout=20)
        headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
        connection.request(self.command, self.path, None, headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] = {}, declared: int = -1
    ) -> None:
        """Answer with a body, of which another length may be declared."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if declared < 0 else declared))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def error(status: int, code: str, headers: Mapping[str, str] = {}) -> Callable[[_Handler], None]:
    """An error in S3's words."""
    text = f"<Error><Code>{code}</Code><Message>canary</Message><Region>us-west-2</Region></Error>"
    return lambda handler: handler.answer(status, text.encode(), headers)


def trickle(handler: _Handler) -> None:
    """A byte in a tenth of a second, for a minute."""
    handler.send_response(200)
    handler.send_header("content-length", "600")
    handler.end_headers()
    for _ in range(600):
        handler.wfile.write(b"x")
        time.sleep(0.1)


def watched_trickle() -> tuple[Callable[[_Handler], None], threading.Event]:
    """The same, and what is set once the client hung up."""
    hung_up = threading.Event()

    def watched(handler: _Handler) -> None:
        try:
            trickle(handler)
        finally:
            hung_up.set()

    return watched, hung_up


def slow_head(handler: _Handler) -> None:
    """Half a minute for a header, of which something comes all the time."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    for _ in range(60):
        handler.wfile.write(b"x")
        time.sleep(0.5)


def silence(_handler: _Handler) -> None:
    """No answer at all."""
    time.sleep(20)


def reset(handler: _Handler) -> None:
    """The connection breaks."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def endless(handler: _Handler) -> None:
    """An object whose size is not told."""
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.wfile.write(b"x" * 65536)


def broken_off(handler: _Handler) -> None:
    """The connection breaks in the midst of an object."""
    handler.answer(200, b"xx", declared=1000)
    handler.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def s3_gate(moto_port: int) -> Iterator[S3Gate]:
    """Run a gate in front of moto."""
    server = S3Gate(moto_port)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
