"""Settings, parsed once at start: the only reader of the environment, which is an argument.

A setting that is wrong stops the start; the message names it and never shows its value.
"""

from dataclasses import dataclass

from handlers.server.cors import Cors
from handlers.settings.access import Access, read_access
from handlers.settings.cors import read_cors
from handlers.settings.environ import Environ, SettingsError, choice, refuse_unknown
from handlers.settings.storage import read_storage
from temporal_codec.storage.reference import AllowedReferences

OPERATIONS = ("decode", "encode")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the decode and encode functions, and the local server, need."""

    cors: Cors
    keyring: str
    operations: tuple[str, ...]
    """What is served: CODEC_OPERATIONS, and `download` where there is a storage to decode from."""
    default_namespace: str | None
    strict: bool
    compress: bool
    storage: AllowedReferences | None
    """Which references to payloads in S3 are followed; None follows none."""
    access: Access | None
    """Who may call; None lets everybody, and is refused on Lambda."""
    service: str
    """What metrics are counted under: the stack's name."""
    warms: bool
    """Whether to fetch keys and policy at start; a snapshot would hold them for days."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What the local server needs beside."""

    host: str
    port: int
    tls_cert: str | None
    tls_key: str | None
    access_log: bool
    """Whether a line tells of each request; it takes as long as decoding a small payload."""


def server_settings(environ: Environ) -> ServerSettings:
    """Settings of a function that decodes or encodes; raises SettingsError."""
    refuse_unknown(environ)
    storage = read_storage(environ)
    with_tokens = choice(environ, "CODEC_AUTH", ("none", "jwt")) == "jwt"
    settings = ServerSettings(
        cors=read_cors(environ),
        keyring=environ.get("CODEC_KEYRING", "development"),
        operations=_operations(environ, with_storage=storage is not None),
        default_namespace=environ.get("CODEC_DEFAULT_NAMESPACE", "default") or None,
        strict=choice(environ, "CODEC_STRICT", ("false", "true")) == "true",
        compress=choice(environ, "CODEC_COMPRESSION", ("none", "zlib")) == "zlib",
        storage=storage,
        access=read_access(environ) if with_tokens else None,
        service=environ.get("POWERTOOLS_SERVICE_NAME", "codec-server"),
        warms=environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start",
    )
    _refuse_open_decoder(environ, settings)
    return settings


def local_settings(environ: Environ) -> LocalSettings:
    """Settings of the local server; raises SettingsError."""
    settings = LocalSettings(
        host=environ.get("HOST") or "127.0.0.1",
        port=_port(environ.get("PORT") or "8081"),
        tls_cert=environ.get("TLS_CERT") or None,
        tls_key=environ.get("TLS_KEY") or None,
        access_log=choice(environ, "ACCESS_LOG", ("on", "off")) == "on",
    )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("TLS_CERT and TLS_KEY belong together: set both, or neither")
    open_to_all = environ.get("CODEC_AUTH", "none") == "none" or settings.tls_cert is None
    if settings.host not in _LOOPBACK and open_to_all:
        raise SettingsError(
            "HOST beyond loopback wants CODEC_AUTH=jwt and TLS_CERT: anybody who can reach it "
            "could read every payload"
        )
    return settings


def _refuse_open_decoder(environ: Environ, settings: ServerSettings) -> None:
    # Without this, a forgotten parameter would put everybody's plaintext on the internet.
    on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in environ
    if not on_lambda or environ.get("AWS_SAM_LOCAL") == "true":
        return
    if settings.access is None:
        raise SettingsError("CODEC_AUTH=none is refused on Lambda: anybody could decode")
    if settings.keyring == "development":
        raise SettingsError(
            "CODEC_KEYRING=development is refused on Lambda: everybody has its keys"
        )


def _operations(environ: Environ, *, with_storage: bool) -> tuple[str, ...]:
    names = tuple(environ.get("CODEC_OPERATIONS", ",".join(OPERATIONS)).split(","))
    if not set(names) <= set(OPERATIONS):
        raise SettingsError(
            f"CODEC_OPERATIONS must be a comma-separated list out of {', '.join(OPERATIONS)}"
        )
    return (*names, "download") if with_storage and "decode" in names else names


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise SettingsError("PORT must be a number from 0 to 65535")
    return int(text)
