"""Settings, parsed once at start from the environment, which is an argument.

A setting that is wrong stops the start; the message names it and never shows its value.
"""

import msgspec

from handlers.settings.access import Access, read_access
from handlers.settings.cors import Pages, read_cors
from handlers.settings.environ import Environ, SettingsError, choice, number, refuse_unknown, text
from handlers.settings.kms import KmsKeys, read_kms
from handlers.settings.storage import read_storage
from temporal_codec.errors import InvalidNamespace
from temporal_codec.namespace import PLACEHOLDER, check_namespace
from temporal_codec.storage.reference import AllowedReferences

OPERATIONS = ("decode", "encode")


class ServerSettings(msgspec.Struct, frozen=True):
    """The settings of the decode and encode functions and of the local server."""

    cors: Pages
    keyring: str
    max_rings: int
    """How many rings are kept, if each namespace has one."""
    shared_rings: tuple[tuple[str, tuple[str, ...]], ...]
    """URIs of rings that namespaces share, each with these namespaces."""
    operations: tuple[str, ...]
    """The operations that are served: CODEC_OPERATIONS, and `download` if a bucket is set."""
    default_namespace: str | None
    strict: bool
    compress: bool
    storage: AllowedReferences | None
    """Which references to payloads in S3 are followed; None follows none."""
    access: Access | None
    """Who may call; None allows everybody, and is rejected on Lambda."""
    kms: KmsKeys | None
    """Which KMS keys unwrap the data keys of Temporal's own proxy."""
    audit_copy: str | None
    """A file that takes each record, beside standard output."""
    digests: int
    """How many payloads of a request a record names by their digests."""
    service: str
    """The dimension `service` of metrics: the stack's name."""
    warms: bool
    """Whether to fetch keys and policy at start; a snapshot would hold them for days."""


def server_settings(environ: Environ) -> ServerSettings:
    """Settings of a function that decodes or encodes; raises SettingsError."""
    refuse_unknown(environ)
    storage = read_storage(environ)
    with_tokens = choice(environ, "CODEC_AUTH") == "jwt"
    settings = ServerSettings(
        cors=read_cors(environ),
        keyring=text(environ, "CODEC_KEYRING"),
        max_rings=number(environ, "CODEC_MAX_RINGS", 100_000, at_least=1),
        shared_rings=_shared_rings(text(environ, "CODEC_SHARED_RINGS")),
        operations=_operations(environ, with_storage=storage is not None),
        default_namespace=_namespace(text(environ, "CODEC_DEFAULT_NAMESPACE")),
        strict=choice(environ, "CODEC_STRICT") == "true",
        compress=choice(environ, "CODEC_COMPRESSION") == "zlib",
        storage=storage,
        access=read_access(environ) if with_tokens else None,
        kms=read_kms(environ),
        audit_copy=_file(environ, "CODEC_AUDIT_COPY"),
        digests=number(environ, "CODEC_AUDIT_DIGESTS", 1000),
        service=text(environ, "POWERTOOLS_SERVICE_NAME"),
        warms=environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start",
    )
    _refuse_open_decoder(environ, settings)
    return settings


def _namespace(name: str) -> str | None:
    try:
        return check_namespace(name) if name else None
    except InvalidNamespace as error:
        raise SettingsError(f"CODEC_DEFAULT_NAMESPACE: {error}") from None


def _file(environ: Environ, name: str) -> str | None:
    value = text(environ, name)
    scheme, _, path = value.partition(":")
    if value and (scheme != "file" or not path.strip()):
        raise SettingsError(f"{name} must be file:PATH, or not set")
    return path or None


def _refuse_open_decoder(environ: Environ, settings: ServerSettings) -> None:
    # Without this, a forgotten parameter would expose plaintext to the internet.
    on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in environ
    if not on_lambda or environ.get("AWS_SAM_LOCAL") == "true":
        return
    if settings.access is None:
        raise SettingsError(
            "CODEC_AUTH=none is refused on Lambda, because anybody could decode: set CODEC_AUTH=jwt"
        )
    if settings.keyring == "development":
        raise SettingsError(
            "CODEC_KEYRING=development is refused on Lambda: everybody has its keys"
        )


def _shared_rings(value: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    rings = []
    for entry in filter(None, value.split(";")):
        uri, _, names = entry.strip().rpartition("=")
        namespaces = tuple(name.strip() for name in names.split(","))
        if not uri or not all(namespaces) or PLACEHOLDER in uri:
            raise SettingsError(
                "CODEC_SHARED_RINGS must be entries such as file:PATH=orders,billing, separated "
                "by semicolons, and a shared ring has no {namespace} in it"
            )
        rings.append((uri, namespaces))
    return tuple(rings)


def _operations(environ: Environ, *, with_storage: bool) -> tuple[str, ...]:
    names = tuple(text(environ, "CODEC_OPERATIONS").split(","))
    if not set(names) <= set(OPERATIONS):
        raise SettingsError(
            f"CODEC_OPERATIONS must be a comma-separated list of some of {', '.join(OPERATIONS)}"
        )
    return (*names, "download") if with_storage and "decode" in names else names
