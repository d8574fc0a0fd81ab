"""One https request, bounded in time and size whatever the other side does (rule J1).

http.client alone has no total deadline: a server that sends a byte a second holds it for ever.
So the bytes are read here, against the clock, and http.client parses what has come.
"""

import io
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

DEADLINE_SECONDS = 1.5
MAX_BYTES = 150_000
_MAX_HEAD_BYTES = 16_384


class FetchError(Exception):
    """The document could not be had; the message says why."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        """Take the reason, and the status of an answer that was not 200."""
        super().__init__(reason)
        self.status = status


class HttpsHost:
    """A host that is asked for documents over https."""

    def __init__(self, url: str) -> None:
        """Take an address, whose path does not matter; raises ValueError where it is not https."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("an https address is needed")
        self._host, self._port, self._name = parts.hostname, parts.port or 443, parts.netloc
        self._tls = ssl.create_default_context()

    def get(
        self,
        target: str,
        headers: Mapping[str, str] | None = None,
        seconds: float = DEADLINE_SECONDS,
    ) -> bytes:
        """The document at this path and query, within these seconds; raises FetchError.

        Neither the target nor a header may hold a line's end: that is the caller's to see to.
        """
        request = _request(target, {"Host": self._name, **(headers or {})})
        try:
            # The resolver has its own time: Python cannot interrupt it.
            addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            deadline = time.monotonic() + seconds
            with self._connect(addresses, deadline) as stream:
                stream.settimeout(_left(deadline))
                stream.sendall(request)
                return _document(_read(stream, deadline))
        except (OSError, HTTPException) as error:
            raise FetchError(type(error).__name__) from None

    def _connect(self, addresses: Sequence[Any], deadline: float) -> ssl.SSLSocket:
        # Two tries, for a connection alone: a request that was sent is not sent again.
        fault: OSError = TimeoutError()
        for family, kind, protocol, _, address in (*addresses, addresses[0]):
            raw = socket.socket(family, kind, protocol)
            try:
                raw.settimeout(_left(deadline))
                raw.connect(address)
                raw.settimeout(_left(deadline))
                return self._tls.wrap_socket(raw, server_hostname=self._host)
            except OSError as error:
                raw.close()
                fault = error
                if isinstance(error, ssl.SSLError):
                    break  # whom we do not trust now we will not trust a moment later
        raise fault


class HttpsDocument:
    """A document at one https address, which is fetched anew at each call."""

    def __init__(self, url: str) -> None:
        """Take the address; raises ValueError where it is not https."""
        self._host = HttpsHost(url)
        parts = urlsplit(url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def __call__(self) -> bytes:
        """The document; raises FetchError."""
        return self._host.get(self._target)


def _request(target: str, headers: Mapping[str, str]) -> bytes:
    given = {
        **headers,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _read(stream: ssl.SSLSocket, deadline: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        stream.settimeout(_left(deadline))
        piece = stream.recv(65_536)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BYTES + _MAX_HEAD_BYTES:
            raise FetchError(f"over {MAX_BYTES} bytes")


class _Received:
    """What http.client takes for a socket."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._received)


def _document(received: bytes) -> bytes:
    response = HTTPResponse(_Received(received), method="GET")  # type: ignore[arg-type]
    response.begin()
    if response.status != 200:
        # A redirect too: none is followed.
        raise FetchError(f"status {response.status}", response.status)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchError("compressed although plain was asked for")
    document = response.read()
    if len(document) > MAX_BYTES:
        raise FetchError(f"over {MAX_BYTES} bytes")
    return document
