"""Settings of who may call: whose tokens are believed, and who of their bearers may read."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from handlers.settings.environ import Environ, SettingsError, choice, text
from handlers.settings.issuer import TEMPORAL_CLOUD, Issuer
from temporal_codec.https import Proxy

_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?")
_SECRET = re.compile(r"secretsmanager:[A-Za-z0-9/_+=.@:-]{1,2048}")  # what AWS lets a name hold


@dataclass(frozen=True, slots=True)
class Access:
    """Whose tokens are believed, and who of them may read."""

    issuer: Issuer
    authorizer: str
    policy: str | None
    """Where the policy document is; None allows nobody."""
    cloud_api_key: str | None
    """The secret that holds Temporal Cloud's API key, for that authorizer alone."""
    passes_through: bool
    """Whether /decode returns the payloads unchanged to a caller that the policy denies."""
    proxy_of: Callable[[str], Proxy | None]
    """The proxy that leads to a host."""


def read_access(environ: Environ) -> Access:
    """Whose tokens are believed; raises SettingsError."""
    authorizer = choice(environ, "CODEC_AUTHORIZER")
    policy = text(environ, "CODEC_POLICY") or None
    if policy is not None and not re.fullmatch(r"(file|ssm):.+", policy):
        raise SettingsError("CODEC_POLICY must be file:PATH or ssm:NAME")
    return Access(
        issuer=_issuer(environ),
        authorizer=authorizer,
        policy=policy,
        cloud_api_key=_cloud_api_key(environ, needed=authorizer == "temporal-cloud"),
        passes_through=choice(environ, "CODEC_ON_DENY") == "passthrough",
        proxy_of=_proxy_of(environ),
    )


def _cloud_api_key(environ: Environ, *, needed: bool) -> str | None:
    # A key in the environment itself would be readable by whoever may look at the function.
    uri = text(environ, "CODEC_CLOUD_API_KEY") or None
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


def _issuer(environ: Environ) -> Issuer:
    email_claim = text(environ, "CODEC_EMAIL_CLAIM") or TEMPORAL_CLOUD.email_claim
    own = [text(environ, name) for name in ("CODEC_ISSUER", "CODEC_JWKS_URL", "CODEC_AUDIENCES")]
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
    return Issuer(issuer, jwks_url, tuple(audiences.split(",")), email_claim)


def _proxy_of(environ: Environ) -> Callable[[str], Proxy | None]:
    if not (environ.get("https_proxy") or environ.get("HTTPS_PROXY")):
        return lambda _host: None
    from handlers.settings.proxy import read_proxy  # noqa: PLC0415 — few have one

    return read_proxy(environ)
