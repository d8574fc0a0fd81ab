"""Settings, parsed once at start: the only reader of the environment, which is an argument.

A setting that is wrong stops the start; the message names it and never shows its value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from handlers.cors import Cors
from handlers.trust import TEMPORAL_CLOUD, Trust

LOCAL_ORIGINS = "http://localhost:8233,http://127.0.0.1:8233,http://localhost:8080"
OPERATIONS = ("decode", "encode")
AUTHORIZERS = ("policy", "permissions-claim", "temporal-cloud")
NAMES = frozenset(
    {
        "CODEC_AUDIENCES",
        "CODEC_AUTH",
        "CODEC_AUTHORIZER",
        "CODEC_CLOUD_API_KEY",
        "CODEC_COMPRESSION",
        "CODEC_DEFAULT_NAMESPACE",
        "CODEC_EMAIL_CLAIM",
        "CODEC_ISSUER",
        "CODEC_JWKS_URL",
        "CODEC_KEYRING",
        "CODEC_ON_DENY",
        "CODEC_OPERATIONS",
        "CODEC_ORIGINS",
        "CODEC_POLICY",
        "CODEC_STORAGE_BUCKETS",
        "CODEC_STORAGE_DRIVERS",
        "CODEC_STORAGE_SHARED",
        "CODEC_STRICT",
    }
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ORIGIN = re.compile(
    r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"
)
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?")
_SECRET = re.compile(r"secretsmanager:[A-Za-z0-9/_+=.@:-]{1,2048}")  # what AWS lets a name hold
# A bucket's own name: an ARN may name another region. A directory bucket has endpoints of its own.
_BUCKET = re.compile(r"(?!.*--x-s3$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_DRIVER = re.compile(r"[!-+\--~]{1,128}")  # printable, without blanks and commas
DRIVER = "aws.s3driver"  # as the SDKs call theirs unless told otherwise
_DEFAULT_PORT = re.compile(r"https:.*:443|http:.*:80")

Environ = Mapping[str, str]


class SettingsError(Exception):
    """A setting is missing, unknown or wrong."""


@dataclass(frozen=True, slots=True)
class PreflightSettings:
    """What the preflight function needs."""

    cors: Cors


@dataclass(frozen=True, slots=True)
class Access:
    """Whose tokens are believed, and who of them may read."""

    trust: Trust
    authorizer: str
    policy: str | None
    """Where the policy document is; None allows nobody."""
    cloud_api_key: str | None
    """The secret that holds Temporal Cloud's API key, for that authorizer alone."""
    passes_through: bool
    """Whether /decode gives a caller who may not read the payloads back as they came."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Which references to payloads in S3 are followed."""

    buckets: frozenset[str]
    drivers: frozenset[str]
    shared: bool


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
    storage: StorageSettings | None
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


def preflight_settings(environ: Environ) -> PreflightSettings:
    """Settings of the preflight function; raises SettingsError."""
    _refuse_unknown(environ)
    return PreflightSettings(_cors(environ))


def server_settings(environ: Environ) -> ServerSettings:
    """Settings of a function that decodes or encodes; raises SettingsError."""
    _refuse_unknown(environ)
    storage = _storage(environ)
    with_tokens = _choice(environ, "CODEC_AUTH", ("none", "jwt")) == "jwt"
    settings = ServerSettings(
        cors=_cors(environ),
        keyring=environ.get("CODEC_KEYRING", "development"),
        operations=_operations(environ, with_storage=storage is not None),
        default_namespace=environ.get("CODEC_DEFAULT_NAMESPACE", "default") or None,
        strict=_choice(environ, "CODEC_STRICT", ("false", "true")) == "true",
        compress=_choice(environ, "CODEC_COMPRESSION", ("none", "zlib")) == "zlib",
        storage=storage,
        access=_access(environ) if with_tokens else None,
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


def _refuse_unknown(environ: Environ) -> None:
    unknown = sorted(n for n in environ if n.startswith("CODEC_") and n not in NAMES)
    if unknown:
        known = ", ".join(sorted(NAMES))
        raise SettingsError(f"unknown setting {', '.join(unknown)}; there are {known}")


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


def _cors(environ: Environ) -> Cors:
    origins = environ.get("CODEC_ORIGINS", LOCAL_ORIGINS).split(",")
    for origin in (origin.strip() for origin in origins):
        if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
            raise SettingsError(
                "CODEC_ORIGINS must be a comma-separated list of origins as browsers send them: "
                "https://host or https://host:port in lower case, without *, path or trailing "
                "slash; http only for localhost, 127.0.0.1 and [::1]"
            )
    return Cors(origin.strip() for origin in origins)


def _access(environ: Environ) -> Access:
    authorizer = _choice(environ, "CODEC_AUTHORIZER", AUTHORIZERS)
    policy = environ.get("CODEC_POLICY") or None
    if policy is not None and not re.fullmatch(r"(file|ssm):.+", policy):
        raise SettingsError("CODEC_POLICY must be file:PATH or ssm:NAME")
    return Access(
        trust=_trust(environ),
        authorizer=authorizer,
        policy=policy,
        cloud_api_key=_cloud_api_key(environ, needed=authorizer == "temporal-cloud"),
        passes_through=_choice(environ, "CODEC_ON_DENY", ("reject", "passthrough"))
        == "passthrough",
    )


def _cloud_api_key(environ: Environ, *, needed: bool) -> str | None:
    # A key in the environment itself would be readable by whoever may look at the function.
    uri = environ.get("CODEC_CLOUD_API_KEY") or None
    if (uri is not None) != needed:
        raise SettingsError(
            "CODEC_CLOUD_API_KEY and CODEC_AUTHORIZER=temporal-cloud belong together: set both, "
            "or neither"
        )
    if uri is not None and not _SECRET.fullmatch(uri):
        raise SettingsError(
            "CODEC_CLOUD_API_KEY must be secretsmanager:NAME, of a secret that holds the key"
        )
    return uri.removeprefix("secretsmanager:") if uri else None


def _trust(environ: Environ) -> Trust:
    email_claim = environ.get("CODEC_EMAIL_CLAIM") or TEMPORAL_CLOUD.email_claim
    own = [environ.get(name, "") for name in ("CODEC_ISSUER", "CODEC_JWKS_URL", "CODEC_AUDIENCES")]
    if not any(own):
        return replace(TEMPORAL_CLOUD, email_claim=email_claim)
    issuer, jwks_url, audiences = own
    if not all(own):
        raise SettingsError(
            "CODEC_ISSUER, CODEC_JWKS_URL and CODEC_AUDIENCES belong together: set all three, or "
            "none for Temporal Cloud's"
        )
    if not _HTTPS.fullmatch(jwks_url):
        raise SettingsError("CODEC_JWKS_URL must be an https address")
    return Trust(issuer, jwks_url, tuple(audiences.split(",")), email_claim)


def _storage(environ: Environ) -> StorageSettings | None:
    shared = _choice(environ, "CODEC_STORAGE_SHARED", ("false", "true")) == "true"
    drivers = environ.get("CODEC_STORAGE_DRIVERS", DRIVER).split(",")
    if not all(map(_DRIVER.fullmatch, drivers)):
        raise SettingsError(
            "CODEC_STORAGE_DRIVERS must be a comma-separated list of the names under which "
            "workers registered their S3 drivers"
        )
    names = environ.get("CODEC_STORAGE_BUCKETS", "")
    if not names:
        return None
    buckets = names.split(",")
    if not all(map(_BUCKET.fullmatch, buckets)):
        raise SettingsError(
            "CODEC_STORAGE_BUCKETS must be a comma-separated list of names of S3 buckets in this "
            "region; no ARNs, and no directory buckets"
        )
    return StorageSettings(frozenset(buckets), frozenset(drivers), shared)


def _operations(environ: Environ, *, with_storage: bool) -> tuple[str, ...]:
    names = tuple(environ.get("CODEC_OPERATIONS", ",".join(OPERATIONS)).split(","))
    if not set(names) <= set(OPERATIONS):
        raise SettingsError(
            f"CODEC_OPERATIONS must be a comma-separated list out of {', '.join(OPERATIONS)}"
        )
    return (*names, "download") if with_storage and "decode" in names else names


def _choice(environ: Environ, name: str, choices: tuple[str, ...]) -> str:
    value = environ.get(name, choices[0])
    if value not in choices:
        raise SettingsError(f"{name} must be {' or '.join(choices)}")
    return value


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise SettingsError("PORT must be a number from 0 to 65535")
    return int(text)
