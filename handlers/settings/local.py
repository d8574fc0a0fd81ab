"""Settings of the local server: where it listens, behind what, with how many processes."""

from collections.abc import Iterator
from ipaddress import ip_network

import msgspec

from handlers.settings.environ import Environ, SettingsError, choice, text
from handlers.settings.table import SETTINGS

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_WORKERS = 64


class LocalSettings(msgspec.Struct, frozen=True):
    """The settings of the local server, in addition to those of every server."""

    host: str
    port: int
    tls_cert: str | None
    tls_key: str | None
    trusted_proxies: tuple[str, ...]
    """Networks of the proxies whose X-Forwarded-For is trusted."""
    workers: int
    metrics_port: int | None
    """Where Prometheus finds /metrics; None serves none."""
    emf: bool
    """Whether metrics are lines for CloudWatch between the records."""
    traces: bool
    access_log: bool
    """Whether to log a line for each request: it takes as long as decoding a small payload."""


def local_settings(environ: Environ) -> LocalSettings:
    """Settings of the local server; raises SettingsError."""
    settings = LocalSettings(
        host=text(environ, "HOST") or SETTINGS["HOST"].default,
        port=_number(environ, "PORT", 0, 65535),
        tls_cert=text(environ, "TLS_CERT") or None,
        tls_key=text(environ, "TLS_KEY") or None,
        trusted_proxies=tuple(_networks(environ)),
        workers=_number(environ, "WORKERS", 1, MAX_WORKERS),
        metrics_port=_metrics_port(environ),
        emf=choice(environ, "CODEC_METRICS") == "emf",
        traces=choice(environ, "CODEC_TRACES") == "otlp",
        access_log=choice(environ, "ACCESS_LOG") == "on",
    )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("TLS_CERT and TLS_KEY belong together: set both, or neither")
    is_terminated = choice(environ, "CODEC_TLS") == "terminated"
    if is_terminated and settings.tls_cert:
        raise SettingsError("CODEC_TLS=terminated and TLS_CERT exclude each other: choose one")
    is_open = _is_open(environ)
    if settings.host not in _LOOPBACK and not is_open:
        _check_public(environ, with_tls=is_terminated or settings.tls_cert is not None)
    return settings


def _metrics_port(environ: Environ) -> int | None:
    if choice(environ, "CODEC_METRICS") != "prometheus":
        return None
    if _number(environ, "WORKERS", 1, MAX_WORKERS) > 1:
        raise SettingsError(
            "CODEC_METRICS=prometheus requires WORKERS=1, because each process has its own counts: "
            "run more servers instead, or use CODEC_METRICS=emf"
        )
    return _number(environ, "METRICS_PORT", 0, 65535)


def _check_public(environ: Environ, *, with_tls: bool) -> None:
    if text(environ, "CODEC_AUTH") == "none" or not with_tls:
        raise SettingsError(
            "HOST beyond loopback requires CODEC_AUTH=jwt, and TLS_CERT or CODEC_TLS=terminated: "
            "otherwise anybody who can reach it can read every payload"
        )
    if text(environ, "CODEC_KEYRING") == "development":
        raise SettingsError(
            "HOST beyond loopback requires a key ring of your own: set CODEC_KEYRING, because "
            "everybody has the keys of the development ring"
        )


def _is_open(environ: Environ) -> bool:
    # For a container, which listens beyond its own loopback although only this machine reaches it.
    value = text(environ, "CODEC_OPEN")
    if value not in {"", "i-understand"}:
        raise SettingsError("CODEC_OPEN must be i-understand, or not set")
    alone = (text(environ, "CODEC_KEYRING"), text(environ, "CODEC_AUTH")) == ("development", "none")
    if value and not alone:
        raise SettingsError(
            "CODEC_OPEN is for CODEC_KEYRING=development and CODEC_AUTH=none alone: unset it"
        )
    return bool(value)


def _networks(environ: Environ) -> Iterator[str]:
    for name in filter(None, text(environ, "CODEC_TRUSTED_PROXIES").split(",")):
        try:
            network = ip_network(name.strip())
        except ValueError:
            network = None
        if network is None or network.prefixlen == 0:
            raise SettingsError(
                "CODEC_TRUSTED_PROXIES must be a comma-separated list of addresses and networks, "
                "such as 10.0.0.0/8, and not the whole internet"
            )
        yield str(network)


def _number(environ: Environ, name: str, least: int, most: int) -> int:
    value = text(environ, name) or SETTINGS[name].default
    if not (value.isascii() and value.isdecimal() and len(value) < 9):
        value = "-1"
    if not least <= int(value) <= most:
        raise SettingsError(f"{name} must be a number from {least} to {most}")
    return int(value)
