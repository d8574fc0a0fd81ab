"""Settings of access: which tokens are accepted, and which of their holders may read."""

import re
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from handlers.settings.environ import Environ, SettingsError, choice, text
from handlers.settings.issuer import DOCUMENT, TEMPORAL_CLOUD, Issuer, Trust
from temporal_codec.arn import region_of
from temporal_codec.https import Proxy

_OBJECT = r"s3:[A-Za-z0-9._-]+/.+"


class Access(msgspec.Struct, frozen=True):
    """Which tokens are accepted, and which of their holders may read."""

    trust: Trust
    """The accepted issuers: empty if a trust document names them."""
    trust_document: str | None
    """Where that document is: `file:PATH` or `ssm:NAME`."""
    authorizer: str
    policy: str | None
    """Where the policy document is; None allows nobody."""
    cloud_api_key: str | None
    """The secret that holds Temporal Cloud's API key, for that authorizer alone."""
    passes_through: bool
    """Whether /decode returns the payloads unchanged to a caller that the policy denies."""
    proxy_of: Callable[[str], Proxy | None]
    """The proxy that leads to a host."""
    with_cookies: bool
    """Whether a token may come from a cookie."""


def read_access(environ: Environ) -> Access:
    """Which tokens are accepted; raises SettingsError."""
    authorizer = choice(environ, "CODEC_AUTHORIZER")
    policy = text(environ, "CODEC_POLICY") or None
    if policy is not None and not (_is_document(policy) or re.fullmatch(_OBJECT, policy)):
        raise SettingsError("CODEC_POLICY must be file:PATH, ssm:NAME or s3:BUCKET/KEY")
    trust = _trust(environ)
    if authorizer == "permissions-claim":
        _refuse_shared(trust)
    return Access(
        trust=trust,
        trust_document=text(environ, "CODEC_TRUST") or None,
        authorizer=authorizer,
        policy=policy,
        cloud_api_key=_cloud_api_key(environ, needed=authorizer == "temporal-cloud"),
        passes_through=choice(environ, "CODEC_ON_DENY") == "passthrough",
        proxy_of=_proxy_of(environ),
        with_cookies=choice(environ, "CODEC_CREDENTIALS") == "true",
    )


def _is_document(uri: str) -> bool:
    return _is_named(uri, "ssm") or re.fullmatch(r"file:.+", uri) is not None


def _is_named(uri: str, service: str) -> bool:
    try:
        region_of(service, uri.removeprefix(f"{service}:"))
    except ValueError:
        return False
    return uri.startswith(f"{service}:")


def _refuse_shared(trust: Trust) -> None:
    if TEMPORAL_CLOUD.issuer in {each.issuer for each in trust.issuers}:
        raise SettingsError(
            "CODEC_AUTHORIZER=permissions-claim needs CODEC_ISSUER or CODEC_TRUST: all customers "
            "of Temporal Cloud share its issuer"
        )


def _cloud_api_key(environ: Environ, *, needed: bool) -> str | None:
    # Everybody who may view the function could read a key in the environment itself.
    uri = text(environ, "CODEC_CLOUD_API_KEY") or None
    if (uri is not None) != needed:
        raise SettingsError(
            "CODEC_CLOUD_API_KEY and CODEC_AUTHORIZER=temporal-cloud belong together: set both, "
            "or neither"
        )
    if uri is not None and not _is_named(uri, "secretsmanager"):
        raise SettingsError(
            "CODEC_CLOUD_API_KEY must be secretsmanager:NAME, of a secret that holds the key"
        )
    return uri.removeprefix("secretsmanager:") if uri else None


def _trust(environ: Environ) -> Trust:
    own = ("CODEC_ISSUER", "CODEC_JWKS_URL", "CODEC_AUDIENCES")
    uri, values = text(environ, "CODEC_TRUST"), [text(environ, name) for name in own]
    email_claim = text(environ, "CODEC_EMAIL_CLAIM")
    if uri:
        if any(values) or email_claim or not _is_document(uri):
            raise SettingsError(
                "CODEC_TRUST must be file:PATH or ssm:NAME, and replaces CODEC_ISSUER, "
                "CODEC_JWKS_URL, CODEC_AUDIENCES and CODEC_EMAIL_CLAIM: unset those"
            )
        return Trust(())
    if not any(values):
        claim = email_claim or TEMPORAL_CLOUD.email_claim
        return Trust((replace(TEMPORAL_CLOUD, email_claim=claim),))
    if not all(values):
        raise SettingsError(
            "CODEC_ISSUER, CODEC_JWKS_URL and CODEC_AUDIENCES belong together: set all three, or "
            "none for Temporal Cloud's"
        )
    issuer, jwks_url, audiences = values
    if not re.fullmatch(DOCUMENT, jwks_url):
        raise SettingsError("CODEC_JWKS_URL must be an https address, or file:PATH")
    listed = tuple(each.strip() for each in audiences.split(","))
    if "" in listed:
        raise SettingsError("CODEC_AUDIENCES must be a comma-separated list without empty members")
    return Trust((Issuer(issuer, jwks_url, listed, email_claim or "email"),))


def _proxy_of(environ: Environ) -> Callable[[str], Proxy | None]:
    if not ("https_proxy" in environ or "HTTPS_PROXY" in environ):
        return lambda _host: None
    from handlers.settings.proxy import read_proxy  # noqa: PLC0415 — few have one

    return read_proxy(environ)
