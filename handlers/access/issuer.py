"""Whose tokens are believed. A plain module: settings need it, and the preflight function those."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are believed."""

    issuer: str
    jwks_url: str
    audiences: tuple[str, ...]
    email_claim: str


TEMPORAL_CLOUD = Trust(
    issuer="https://login.tmprl.cloud/",
    jwks_url="https://login.tmprl.cloud/.well-known/jwks.json",
    audiences=("https://saas-api.tmprl.cloud",),
    email_claim="https://saas-api.tmprl.cloud/user/email",
)
