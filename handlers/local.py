"""The Codec Server on a laptop: the same app under uvicorn, with the development ring."""

import logging
import os
import socket
import ssl
import sys
import time

import uvicorn

from handlers.access.guard import make_guard
from handlers.server.app import build_app
from handlers.server.asgi import App, log
from handlers.server.audit import Record, Write, discard, lines_to
from handlers.settings.environ import SettingsError
from handlers.settings.local import LocalSettings, local_settings
from handlers.settings.server import ServerSettings, server_settings
from handlers.startup import collect_garbage_again, warm
from temporal_codec.errors import KeyringError
from temporal_codec.keys.sources import open_source


class _Formatter(logging.Formatter):
    """A line for people: the time, and what is told of a request."""

    def format(self, record: logging.LogRecord) -> str:
        told = [f"{k}={v}" for k, v in vars(record).items() if k in ("reason", "cause") and v]
        fields = [getattr(record, "request_id", ""), record.getMessage(), *told]
        return " ".join([self.formatTime(record, "%H:%M:%S"), *fields])


_SHOWN = (
    *("operation", "status", "namespace", "email", "subject", "rule", "payloads"),
    *("undecoded", "reason", "detail", "stale"),
)


def _told(write: Write) -> Write:
    """Keep each record, and tell people of it."""

    def both(record: Record) -> None:
        write(record)
        fields = [f"{name}={value}" for name in _SHOWN if (value := getattr(record, name))]
        # Written at once: on its way through logging, a line takes as long as ten small payloads.
        line = " ".join([time.strftime("%H:%M:%S"), record.request_id, *fields])
        sys.stderr.write(line + "\n")

    return both


def main() -> None:
    """Serve until interrupted; a wrong setting ends it at once with a sentence."""
    try:
        local, settings = local_settings(os.environ), server_settings(os.environ)
        source, guard = open_source(settings.keyring), make_guard(settings.access)
        warm([*source.caches(), *(guard.caches.values() if guard else ())])
        # Where everybody may read, there is nobody to be held to account.
        write = lines_to(sys.stdout) if settings.access else discard
        write = _told(write) if local.access_log else write
        app = build_app(settings, source, guard, write)
        _check(local)
    except (SettingsError, KeyringError) as error:
        sys.exit(f"codec-server: {error}")
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    print(_banner(local, settings), file=sys.stderr)  # noqa: T201 — for the person who started it
    collect_garbage_again()
    _serve(app, local)


def _check(local: LocalSettings) -> None:
    # The server itself would tell of these with a traceback, after the banner.
    try:
        family = socket.AF_INET6 if ":" in local.host else socket.AF_INET
        socket.create_server((local.host, local.port), family=family).close()
    except OSError as error:
        raise SettingsError(
            f"port {local.port} of {local.host} is taken or not to be had ({error.strerror}); "
            "choose another with PORT"
        ) from None
    if local.tls_cert:
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(local.tls_cert, local.tls_key)
        except OSError as error:
            raise SettingsError(f"TLS_CERT and TLS_KEY cannot be used: {error.strerror}") from None


def _serve(app: App, local: LocalSettings) -> None:
    uvicorn.run(
        app,
        host=local.host,
        port=local.port,
        ssl_certfile=local.tls_cert,
        ssl_keyfile=local.tls_key,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # who called is not what a header says
        h11_max_incomplete_event_size=16_384,
    )


def _banner(local: LocalSettings, settings: ServerSettings) -> str:
    scheme = "https" if local.tls_cert else "http"
    lines = [f"Codec Server on {scheme}://{local.host}:{local.port}"]
    if settings.keyring == "development":
        open_to_all = "" if settings.access else " and does not require a token"
        lines.append(
            f"For development only: it uses the well-known keys of Temporal's samples{open_to_all}."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
