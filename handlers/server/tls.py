"""TLS of the local server, in which a handshake counts as a connection that waits for its client.

In a listener with TLS, uvicorn learns of a connection only when its handshake is complete: until
then nothing would bound how many there are, and asyncio gives each a minute.
"""

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from handlers.server.connection import BoundedConnection


@dataclass
class Tls:
    """Makes connections, as uvicorn asks for them; worker processes receive it pickled."""

    connection: Callable[..., BoundedConnection]
    cert: str
    key: str | None

    @cached_property
    def context(self) -> ssl.SSLContext:
        """With the certificate; raises OSError if it cannot be used."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.cert, self.key)
        return context

    def __call__(self, **given: Any) -> asyncio.BaseProtocol:  # noqa: ANN401 — as uvicorn has it
        """A protocol for what is accepted now."""
        return _Handshake(self.connection(**given), self.context)


class _Handshake(SSLProtocol):
    max_size = 32_768  # of a buffer that each connection has: asyncio's has 256 KiB

    def __init__(self, inner: BoundedConnection, context: ssl.SSLContext) -> None:
        waiter: Any = None  # nobody waits for it: see `Waiting`
        super().__init__(inner.loop, inner, context, waiter, server_side=True)
        self._inner = inner

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._inner.accepted(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._inner.forget()
