"""An issuer whose tokens are believed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer whose tokens are believed."""

    issuer: str
    jwks_url: str
    audiences: tuple[str, ...]
    email_claim: str


TEMPORAL_CLOUD = Issuer(
    issuer="https://login.tmprl.cloud/",
    jwks_url="https://login.tmprl.cloud/.well-known/jwks.json",
    audiences=("https://saas-api.tmprl.cloud",),
    email_claim="https://saas-api.tmprl.cloud/user/email",
)
