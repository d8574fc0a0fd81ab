"""Which pages may call: the only settings of the preflight function."""

import re
from typing import NamedTuple

from handlers.settings.environ import Environ, SettingsError, choice, refuse_unknown, text

_ORIGIN = re.compile(
    r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"
)
_HEADER = re.compile(r"[a-z0-9!#$%&'+.^_`|~-]{1,64}")  # a token of HTTP without *
MAX_HEADERS = 32
_DEFAULT_PORT = re.compile(r"https:.*:443|http:.*:80")


class Pages(NamedTuple):
    """Which pages may call, and what they may send."""

    origins: frozenset[str]
    more_headers: tuple[str, ...] = ()
    """Names in lower case, beside those that every client sends."""
    credentials: bool = False
    """Whether they may send cookies."""


class PreflightSettings(NamedTuple):
    """The settings of the preflight function."""

    cors: Pages


def preflight_settings(environ: Environ) -> PreflightSettings:
    """Settings of the preflight function; raises SettingsError."""
    refuse_unknown(environ)
    return PreflightSettings(read_cors(environ))


def read_cors(environ: Environ) -> Pages:
    """The origins that may call; raises SettingsError."""
    origins = text(environ, "CODEC_ORIGINS").split(",")
    for origin in (origin.strip() for origin in origins):
        if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
            raise SettingsError(
                "CODEC_ORIGINS must be a comma-separated list of origins as browsers send them: "
                "https://host or https://host:port in lower case, without *, path or trailing "
                "slash; http only for localhost, 127.0.0.1 and [::1]"
            )
    credentials = choice(environ, "CODEC_CREDENTIALS") == "true"
    return Pages(frozenset(o.strip() for o in origins), _headers(environ), credentials)


def _headers(environ: Environ) -> tuple[str, ...]:
    # Never `*`, which stands for a header of that name as soon as pages send cookies.
    names = [each.strip().lower() for each in text(environ, "CODEC_ALLOWED_HEADERS").split(",")]
    if names == [""]:
        return ()
    if len(names) > MAX_HEADERS or not all(map(_HEADER.fullmatch, names)):
        raise SettingsError(
            f"CODEC_ALLOWED_HEADERS must be a comma-separated list of at most {MAX_HEADERS} names "
            "of headers, such as traceparent, without *"
        )
    return tuple(names)
