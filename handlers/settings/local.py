"""Settings of the local server: where it listens, its certificate, its access log."""

from dataclasses import dataclass

from handlers.settings.environ import Environ, SettingsError, choice, text
from handlers.settings.table import SETTINGS

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What the local server needs beside the settings of every server."""

    host: str
    port: int
    tls_cert: str | None
    tls_key: str | None
    access_log: bool
    """Whether to log a line for each request: it takes as long as decoding a small payload."""


def local_settings(environ: Environ) -> LocalSettings:
    """Settings of the local server; raises SettingsError."""
    settings = LocalSettings(
        host=text(environ, "HOST") or SETTINGS["HOST"].default,
        port=_port(text(environ, "PORT") or SETTINGS["PORT"].default),
        tls_cert=text(environ, "TLS_CERT") or None,
        tls_key=text(environ, "TLS_KEY") or None,
        access_log=choice(environ, "ACCESS_LOG") == "on",
    )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("TLS_CERT and TLS_KEY belong together: set both, or neither")
    open_to_all = text(environ, "CODEC_AUTH") == "none" or settings.tls_cert is None
    if settings.host not in _LOOPBACK and open_to_all:
        raise SettingsError(
            "HOST beyond loopback requires CODEC_AUTH=jwt and TLS_CERT: otherwise anybody who "
            "can reach it can read every payload"
        )
    return settings


def _port(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) < 65536):
        raise SettingsError("PORT must be a number from 0 to 65535")
    return int(value)
