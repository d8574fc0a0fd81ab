"""One HTTP exchange, bounded in time and size whatever the other side does (rule J1).

http.client alone has no total deadline: a server that sends a byte a second holds it for ever.
So the bytes are read here, against the clock, and http.client parses them as they come.
Only the resolver has a time of its own, since Python cannot interrupt it.
"""

import io
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing, suppress
from enum import Enum
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any, NamedTuple

import msgspec

from temporal_codec.errors import CodecError

USER_AGENT = "temporal-codec-server"
MAX_HEAD_BYTES = 16_384


class Stage(Enum):
    """The stage at which an exchange failed."""

    RESOLVE = "the host name cannot be resolved"
    CONNECT = "no connection"
    PROXY = "the proxy does not connect"
    TLS = "no TLS"
    ANSWER = "no answer"
    HTTP = "the answer is not HTTP"
    SIZE = "the answer is too large"


class ExchangeError(CodecError):
    """There is no answer that can be used."""

    def __init__(self, stage: Stage, cause: Exception | None = None) -> None:
        super().__init__(f"{stage.value} ({type(cause).__name__})" if cause else stage.value)
        self.stage, self.cause = stage, cause


class Reply(NamedTuple):
    """A server's response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes


class Proxy(msgspec.Struct, frozen=True):
    """A proxy that connects to hosts with CONNECT; credentials are `user:password`."""

    host: str
    port: int
    credentials: str = ""
    __repr__ = object.__repr__  # the default would show these


class Peer:
    """A server; each exchange has a connection of its own."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, proxy: Proxy | None = None
    ) -> None:
        """Take its name and port; without `tls` it is asked over http."""
        self._host, self._port, self._tls, self._proxy = host, port, tls, proxy
        self._first_port = proxy.port if proxy else port
        self.certificate: dict[str, Any] = {}
        """Of the latest connection, as `ssl` reads it; empty over http."""
        self.version = "plain HTTP"

    def addresses(self) -> Sequence[str]:
        """The addresses of the host to connect to; raises ExchangeError."""
        first = self._proxy.host if self._proxy else self._host
        try:
            found = socket.getaddrinfo(first, self._first_port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ExchangeError(Stage.RESOLVE, error) from None
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def exchange(
        self, request: bytes, seconds: float, max_bytes: int, addresses: Sequence[str] = ()
    ) -> Reply:
        """Send a request, but no HEAD, and read its answer; raises ExchangeError."""
        addresses = addresses or self.addresses()
        deadline = time.monotonic() + seconds
        with self._connect(addresses, deadline) as stream:
            try:
                # A server that refuses a large request may answer before it has read it.
                with suppress(ConnectionError, ssl.SSLEOFError):
                    stream.settimeout(_left(deadline))
                    stream.sendall(request)
                return _reply(_Clocked(stream, deadline, max_bytes), max_bytes)
            except (OSError, IncompleteRead) as error:
                raise ExchangeError(Stage.ANSWER, error) from None
            except (HTTPException, ValueError) as error:  # a chunk's size may be below zero
                raise ExchangeError(Stage.HTTP, error) from None

    def _connect(self, addresses: Sequence[str], deadline: float) -> socket.socket:
        # Each is tried once, and the first once more; a request that was sent is not sent again.
        fault = ExchangeError(Stage.CONNECT, TimeoutError())
        tries = [*addresses, addresses[0]]
        for tried, address in enumerate(tries):
            try:
                raw = self._reach(address, deadline, len(tries) - tried)
                return self._secured(raw, deadline)
            except ExchangeError as error:
                fault = error
                if isinstance(error.cause, ssl.SSLError) or error.stage is Stage.PROXY:
                    break  # what is not trusted now will not be a moment later
        raise fault

    def _reach(self, address: str, deadline: float, untried: int) -> socket.socket:
        try:
            # An address that never answers must not use up the time of the next one.
            return socket.create_connection((address, self._first_port), _left(deadline) / untried)
        except OSError as error:
            raise ExchangeError(Stage.CONNECT, error) from None

    def _secured(self, raw: socket.socket, deadline: float) -> socket.socket:
        try:
            if self._proxy:
                self._tunnel(raw, self._proxy, deadline)
            if self._tls is None:
                return raw
            raw.settimeout(_left(deadline))
            stream = self._tls.wrap_socket(raw, server_hostname=self._host)
        except (OSError, ExchangeError) as error:
            raw.close()
            if isinstance(error, ExchangeError):
                raise
            raise ExchangeError(Stage.TLS, error) from None
        self.certificate, self.version = stream.getpeercert() or {}, str(stream.version())
        return stream

    def _tunnel(self, raw: socket.socket, proxy: Proxy, deadline: float) -> None:
        host = f"[{self._host}]" if ":" in self._host else self._host
        token = b64encode(proxy.credentials.encode()).decode()
        lines = [
            *(f"CONNECT {host}:{self._port} HTTP/1.1", f"Host: {host}:{self._port}"),
            f"User-Agent: {USER_AGENT}",
            *([f"Proxy-Authorization: Basic {token}"] if token else []),
        ]
        try:
            raw.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
            head = _Clocked(raw, deadline, 0)
            with closing(HTTPResponse(head)) as response:  # type: ignore[arg-type]
                response.begin()
        except (OSError, HTTPException) as error:
            raise ExchangeError(Stage.PROXY, error) from None
        if response.status != 200:
            raise ExchangeError(Stage.PROXY)


class _Clocked(io.RawIOBase):
    """A socket read against the clock and up to a size; http.client takes it for the socket."""

    def __init__(self, stream: socket.socket, deadline: float, max_bytes: int) -> None:
        self._stream, self._deadline = stream, deadline
        self._allowed = max_bytes + MAX_HEAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — of io
        self._stream.settimeout(_left(self._deadline))
        size = self._stream.recv_into(buffer)
        self._allowed -= size
        if self._allowed < 0:
            raise ExchangeError(Stage.SIZE)
        return size

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def _reply(stream: _Clocked, max_bytes: int) -> Reply:
    with closing(HTTPResponse(stream)) as response:  # type: ignore[arg-type]
        response.begin()
        body = response.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise ExchangeError(Stage.SIZE)
    if response.length:
        raise IncompleteRead(b"")
    headers = tuple((name.lower(), value) for name, value in response.headers.items())
    return Reply(response.status, headers, body)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
