"""The local server's socket: whether it is available, and uvicorn on it."""

import os
import signal
import socket
import sys
from functools import partial

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
    try:
        family = socket.AF_INET6 if ":" in local.host else socket.AF_INET
        socket.create_server((local.host, local.port), family=family).close()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise SettingsError(
            f"port {local.port} of {local.host} is taken or not available ({why}); "
            "choose another with PORT"
        ) from None
    if local.tls_cert:
        try:
            _ = Tls(BoundedConnection, local.tls_cert, local.tls_key).context
        except OSError as error:
            raise SettingsError(f"TLS_CERT and TLS_KEY cannot be used: {error.strerror}") from None


def serve(app: App | str, local: LocalSettings) -> None:
    """Serve until a signal ends it; `app` names the function that makes it, for many workers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again after draining
    config = _config(app, local)
    if local.workers == 1:
        uvicorn.Server(config).run()
    else:
        Multiprocess(config, sockets=[config.bind_socket()]).run()


def _config(app: App | str, local: LocalSettings) -> uvicorn.Config:
    waiting = Waiting()
    plain = partial(BoundedConnection, waiting)
    connection = Tls(plain, local.tls_cert, local.tls_key) if local.tls_cert else plain
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
