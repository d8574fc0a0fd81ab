"""Log lines on standard error for the person who started the local server."""

import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

from handlers.server.asgi import log
from handlers.server.audit import Record, Write
from handlers.server.status import Caches, missing
from handlers.settings.local import LocalSettings
from handlers.settings.server import ServerSettings
from temporal_codec.errors import CodecError
from temporal_codec.keys.keys import Keys
from temporal_codec.text import shown

_SHOWN = (
    *("operation", "status", "namespace", "email", "subject", "rule", "payloads"),
    *("undecoded", "reason", "detail", "stale"),
)
_PLAIN = re.compile(r"""[^\s"'=]+""")


class _Formatter(logging.Formatter):
    """A line for people: the time, and what is logged about a request."""

    def format(self, record: logging.LogRecord) -> str:
        found = vars(record).items()
        fields = [field(k, v) for k, v in found if k in ("reason", "cause") and v]
        request_id = getattr(record, "request_id", "")
        return _line([request_id, shown(record.getMessage()), *fields])


def field(name: str, value: object) -> str:
    """A field of a line, quoted if the value could be read as another field."""
    if isinstance(value, dict):  # counts by reason
        value = [f"{each}:{count}" for each, count in value.items()]
    text = shown(",".join(value) if isinstance(value, list | tuple) else str(value))
    return f"{name}={text if _PLAIN.fullmatch(text) else json.dumps(text)}"


def logs_to_stderr() -> None:
    """Show what the server logs."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def with_lines(write: Write) -> Write:
    """Keep each record, and show a line of it."""

    def both(record: Record) -> None:
        write(record)
        found = [field(n, value) for n in _SHOWN if (value := getattr(record, n))]
        show(_line([record.request_id, *found]))

    return both


def show(text: str) -> None:
    """Write a line to standard error; if that is closed or full, ignore it."""
    # Written directly: through logging, a line takes as long as ten small payloads.
    with suppress(OSError, ValueError, AttributeError):  # it is None if it was closed at start
        sys.stderr.write(text + "\n")


def banner(local: LocalSettings, settings: ServerSettings) -> str:
    """The lines that say what is served, and where."""
    scheme = "https" if local.tls_cert else "http"
    host = f"[{local.host}]" if ":" in local.host else local.host
    lines = [f"Codec Server on {scheme}://{host}:{local.port}"]
    if settings.keyring == "development":
        without = "" if settings.access else " and does not require a token"
        lines.append(
            f"For development only: it uses the well-known keys of Temporal's samples{without}."
        )
    elif settings.access is None:
        lines.append("It does not require a token, because CODEC_AUTH is none.")
    return "\n".join(lines)


def warn(settings: ServerSettings, caches: Caches, keys: Keys) -> None:
    """Log each document that is missing. It can be added later, so the server starts anyway."""
    access = settings.access
    places = {
        "keyring": f"CODEC_KEYRING={settings.keyring}",
        "cloud-api-key": "CODEC_CLOUD_API_KEY",
    }
    if access:
        places["policy"] = f"CODEC_POLICY={access.policy}"
        places["trust"] = f"CODEC_TRUST={access.trust_document}"
        for each in access.trust.issuers:
            places[f"jwks of {each.name}"] = f"CODEC_JWKS_URL={each.jwks_url}"
    for name, cause in missing(caches):
        place = places.get(name, name)
        reason = shown(cause.removeprefix(f"{place.partition('=')[2]}: "))
        show(f"WARNING: {place}: {reason}.")
    if "keyring" not in caches:  # each namespace has its own: look for that of the default one
        try:
            keys.sealing()
        except CodecError as error:
            namespace = settings.default_namespace or "default"
            reason = shown(f"namespace {namespace}: {error}")
            show(f"WARNING: CODEC_KEYRING={settings.keyring}: {reason}.")
    if access and access.authorizer == "policy" and access.policy is None:
        show("WARNING: CODEC_POLICY is not set, so access is denied to everybody.")


def _line(fields: Iterable[str]) -> str:
    return " ".join([time.strftime("%H:%M:%S"), *fields])
