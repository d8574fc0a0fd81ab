"""The issuers whose tokens are accepted, and where in a request a token may be."""

import re
from typing import Literal

import msgspec

_PORT = r"(?:[0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_REST = rf"(?::{_PORT})?(?:/[!-~]*)?"
LOOPBACK = r"http://(?:localhost|127\.0\.0\.1|\[::1\])" + _REST
DOCUMENT = rf"https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]){_REST}|file:.+"
"""An https address, or `file:PATH`."""

Algorithm = Literal["RS256", "PS256", "ES256", "ES384", "EdDSA"]

ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""Never a symmetric one, and never `none`."""


class Issuer(msgspec.Struct, frozen=True):
    """An issuer whose tokens are believed, and how its tokens are read."""

    issuer: str
    jwks_url: str
    """`https://…`, `file:PATH`, or `alb:REGION` for the keys of a load balancer."""
    audiences: tuple[str, ...]
    email_claim: str
    name: str = "default"
    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    audience_claim: str = "aud"
    groups_claim: tuple[str, ...] = ()
    """The way to the claim: several names lead into objects."""
    permissions_claim: str = "permissions"
    permissions_regex: re.Pattern[str] | None = None
    token_use: str = "access"  # noqa: S105 — a kind of token
    """`access` or `id`."""
    accepts_bound: bool = False
    """Whether tokens that are bound to a key (`cnf`) are taken as plain bearer tokens."""
    signer: str = ""
    """The ARN of the load balancer that signs, for `alb:`."""


class Trust(msgspec.Struct, frozen=True):
    """The accepted issuers. A grant without `issuers` is for tokens of the first one."""

    issuers: tuple[Issuer, ...]
    token_from: tuple[str, ...] = ("authorization",)


TEMPORAL_CLOUD = Issuer(
    issuer="https://login.tmprl.cloud/",
    jwks_url="https://login.tmprl.cloud/.well-known/jwks.json",
    audiences=("https://saas-api.tmprl.cloud",),
    email_claim="https://saas-api.tmprl.cloud/user/email",
)
