"""Connections to a server: its addresses, its certificate, and one request at a time.

The server is not trusted: `temporal_codec.https` bounds a response in size and in time.
"""

import ssl
from collections.abc import Sequence
from functools import cached_property
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
from temporal_codec.cli.doctor.finding import Finding, Unreached
from temporal_codec.cli.errors import WrongUsage
from temporal_codec.https import ExchangeError, Peer, Stage

MAX_BODY_BYTES = 8_000_000


class Connection:
    """Reaches an endpoint; each request opens a connection of its own."""

    def __init__(self, endpoint: Endpoint, ca_file: Path | None, seconds: float) -> None:
        """Take a CA to trust beside the system's, and the time limit of a request."""
        self._told = {"host": endpoint.host, "port": endpoint.port}
        self._seconds = seconds
        tls = _trust(ca_file) if endpoint.https else None
        self._peer = Peer(endpoint.host, endpoint.port, tls)

    @property
    def certificate(self) -> dict[str, Any]:
        """Of the latest connection, as `ssl` reads it; empty over HTTP."""
        return self._peer.certificate

    @property
    def version(self) -> str:
        """The TLS version of the latest connection."""
        return self._peer.version

    @cached_property
    def addresses(self) -> Sequence[str]:
        """The addresses that the name resolves to; raises Unreached."""
        try:
            return self._peer.addresses()
        except ExchangeError:
            raise Unreached(UNKNOWN_HOST(**self._told)) from None

    def exchange(self, request: bytes, what: str, patience: int = 1) -> Answer:
        """Send a request and read the response, within `patience` times the time limit."""
        addresses = self.addresses
        try:
            reply = self._peer.exchange(
                request, self._seconds * patience, MAX_BODY_BYTES, addresses
            )
        except ExchangeError as error:
            raise Unreached(self._finding(error, what)) from None
        return Answer(*reply)

    def _finding(self, error: ExchangeError, what: str) -> Finding:
        cause = error.cause if isinstance(error.cause, OSError) else OSError()
        if error.stage is Stage.CONNECT:
            return connection_fault(cause, self._told)
        if error.stage is Stage.TLS:
            return tls_fault(cause, self._told)
        if error.stage is Stage.ANSWER:
            return NO_ANSWER(what=what, reason=reason(cause))
        return (ENDLESS if error.stage is Stage.SIZE else NOT_HTTP)(what=what)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # Since 3.13 Python is stricter with private CAs than browsers and the CLI are.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
    except OSError:
        raise WrongUsage(
            f"--ca-file: {ca_file} is not a readable PEM file of certificates."
        ) from None
    return context
