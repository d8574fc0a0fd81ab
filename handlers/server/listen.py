"""The local server's socket: whether it is available, and uvicorn on it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from handlers.server.asgi import App
from handlers.server.connection import BoundedConnection, Waiting
from handlers.server.tls import Tls
from handlers.settings.environ import SettingsError
from handlers.settings.local import LocalSettings

DRAIN_SECONDS = 15
"""How long requests may take to finish after SIGTERM: the deadline of a request."""


def check(local: LocalSettings) -> None:
    """Raise SettingsError for what uvicorn itself would report with a traceback."""
    family = socket.AF_INET6 if ":" in local.host else socket.AF_INET
    with ExitStack() as stack:
        for name, port in (("PORT", local.port), ("METRICS_PORT", local.metrics_port)):
            if port is None:
                continue
            try:
                stack.enter_context(socket.create_server((local.host, port), family=family))
            except OSError as error:
                why = os.strerror(error.errno or 0)
                raise SettingsError(
                    f"port {port} of {local.host} is taken or not available ({why}); "
                    f"choose another with {name}"
                ) from None
    if local.tls_cert:
        try:
            _ = Tls(BoundedConnection, local.tls_cert, local.tls_key).context
        except OSError as error:
            raise SettingsError(f"TLS_CERT and TLS_KEY cannot be used: {error.strerror}") from None


def serve(app: App | str, local: LocalSettings, metrics: App | None = None) -> None:
    """Serve until a signal ends it; `app` names the function that makes it, for many workers.

    `metrics` is served over plain HTTP on a port of its own; it needs one worker.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again after draining
    waiting = Waiting()
    plain = partial(BoundedConnection, waiting)
    connection = Tls(plain, local.tls_cert, local.tls_key) if local.tls_cert else plain
    config = _config(app, local, connection, waiting)
    if local.workers == 1:
        beside = metrics and _config(metrics, local, plain, waiting)
        _Server(config, beside, local.metrics_port).run()
    else:
        Multiprocess(config, sockets=[config.bind_socket()]).run()


class _Server(uvicorn.Server):
    """Listens on two ports, whose connections are bounded together."""

    def __init__(
        self, config: uvicorn.Config, beside: uvicorn.Config | None, port: int | None
    ) -> None:
        super().__init__(config)
        self._beside, self._port = beside, port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._beside is not None:
            self._beside.load()
            made: Any = self._beside.http_protocol_class
            connection = partial(
                made, config=self._beside, server_state=self.server_state, app_state={}
            )
            loop = asyncio.get_running_loop()
            self.servers.append(await loop.create_server(connection, self._beside.host, self._port))


def _config(
    app: App | str,
    local: LocalSettings,
    connection: Callable[..., Any],
    waiting: Waiting,
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=local.workers,
        host=local.host,
        port=local.port,
        http=connection,  # type: ignore[arg-type]
        ws="none",
        callback_notify=waiting.look,
        timeout_notify=1,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        log_level="error",  # each malformed request would be a line
        access_log=False,
        lifespan="off",
        server_header=False,
        # The caller's address comes from the connection, or from a header of a trusted proxy.
        proxy_headers=bool(local.trusted_proxies),
        forwarded_allow_ips=list(local.trusted_proxies),
    )
