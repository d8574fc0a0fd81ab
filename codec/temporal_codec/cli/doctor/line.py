"""The line to a server: a name, an address, TLS, and one request at a time.

The server is a stranger: what it sends is bounded in size, and the time of a request as a whole.
Only the resolver has a time of its own, since Python cannot interrupt it.
"""

import io
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.endpoint import Endpoint
from temporal_codec.cli.doctor.faults import (
    ENDLESS,
    NO_ANSWER,
    NOT_HTTP,
    UNKNOWN_HOST,
    connection_fault,
    reason,
    tls_fault,
)
from temporal_codec.cli.doctor.finding import Unreached
from temporal_codec.cli.errors import WrongUsage

MAX_BODY_BYTES = 8_000_000


class Line:
    """The way to an endpoint; each request has a connection of its own."""

    def __init__(self, endpoint: Endpoint, ca_file: Path | None, seconds: float) -> None:
        """Take a CA to trust beside the system's, and the time that a request may take."""
        self._endpoint = endpoint
        self._told = {"host": endpoint.host, "port": endpoint.port}
        self._seconds = seconds
        self._tls = _trust(ca_file) if endpoint.https else None
        self.certificate: dict[str, Any] = {}
        """Of the latest connection, as `ssl` reads it; empty over http."""
        self.version = "plain http"

    @cached_property
    def addresses(self) -> Sequence[str]:
        """What the name resolves to; raises Unreached."""
        endpoint = self._endpoint
        try:
            found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreached(UNKNOWN_HOST(**self._told)) from None
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def exchange(self, request: bytes, what: str, patience: int = 1) -> Answer:
        """Send a request and read its answer, in `patience` times the usual time."""
        deadline = time.monotonic() + self._seconds * patience
        with self._connect(deadline) as stream:
            try:
                # Who refuses a large request may answer before it has read it.
                with suppress(ConnectionError, ssl.SSLEOFError):
                    stream.settimeout(_left(deadline))
                    stream.sendall(request)
                return _read(_Clocked(stream, deadline), what)
            except OSError as error:
                raise Unreached(NO_ANSWER(what=what, reason=reason(error))) from None
            except HTTPException:
                raise Unreached(NOT_HTTP(what=what)) from None

    def _connect(self, deadline: float) -> socket.socket:
        raw = self._reach(deadline)
        if self._tls is None:
            return raw
        try:
            raw.settimeout(_left(deadline))
            stream = self._tls.wrap_socket(raw, server_hostname=self._endpoint.host)
        except OSError as error:
            raw.close()
            raise Unreached(tls_fault(error, self._told)) from None
        self.certificate, self.version = stream.getpeercert() or {}, str(stream.version())
        return stream

    def _reach(self, deadline: float) -> socket.socket:
        fault: OSError = TimeoutError()
        # One address that swallows everything shall not take the time of the next.
        for untried, address in zip(range(len(self.addresses), 0, -1), self.addresses, strict=True):
            try:
                seconds = _left(deadline) / untried
                return socket.create_connection((address, self._endpoint.port), seconds)
            except OSError as error:
                fault = error
        raise Unreached(connection_fault(fault, self._told))


class _Clocked(io.RawIOBase):
    """A socket read against the clock; http.client takes it for the socket."""

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — of io
        self._stream.settimeout(_left(self._deadline))
        return self._stream.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # Neither browsers nor the CLI are as strict with private CAs as Python is since 3.13.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
    except OSError:
        raise WrongUsage(f"{ca_file} is no readable file of certificates in PEM.") from None
    return context


def _read(stream: _Clocked, what: str) -> Answer:
    response = HTTPResponse(stream, method="POST")  # type: ignore[arg-type]
    response.begin()
    body = response.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise Unreached(ENDLESS(what=what))
    headers = tuple((name.lower(), value) for name, value in response.headers.items())
    return Answer(response.status, headers, body)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
