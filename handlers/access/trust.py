"""The trust document: several issuers, and where in a request a token may be.

{"token_from": ["authorization", "cookie:CF_Authorization"],
 "issuers": [{"name": "cloud", "issuer": "https://login.tmprl.cloud/",
              "jwks": "https://login.tmprl.cloud/.well-known/jwks.json",
              "audiences": ["https://saas-api.tmprl.cloud"]}]}
"""

import re
from typing import Annotated, Literal

import msgspec

from handlers.settings.issuer import ALGORITHMS, DOCUMENT, LOOPBACK, Algorithm, Issuer, Trust
from temporal_codec.errors import CodecError
from temporal_codec.strict_json import NotStrict, read_document

MAX_BYTES = 65_536
MAX_ISSUERS = 32
_TOKEN_FROM = re.compile(
    r"authorization|authorization-extras|header:[a-z0-9-]{1,64}|cookie:[A-Za-z0-9_.-]{1,64}"
)
_JWKS = re.compile(rf"{DOCUMENT}|{LOOPBACK}|alb:[a-z0-9-]{{1,32}}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=64)]


class TrustError(CodecError):
    """The trust document is invalid; the message says where and why."""


class IssuerDocument(msgspec.Struct, forbid_unknown_fields=True):
    """An issuer as it is written."""

    name: Text
    """The issuer's name in policies and records."""
    issuer: Text
    """The claim `iss` of its tokens, exactly."""
    jwks: Text
    """Where its keys are: `https://…`, `file:PATH`, or `alb:REGION` for a load balancer's."""
    audiences: Texts
    """A token must be for one of these."""
    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    """The signatures that are accepted."""
    audience_claim: Text = "aud"
    """The claim that holds the audience; Cognito's access tokens have `client_id`."""
    email_claim: str = "email"
    """The claim that holds the person's e-mail address; empty if no address may decide."""
    groups_claim: Text | Texts | None = None
    """The claim that holds groups or roles: its name, or the names that lead to it."""
    permissions_claim: Text = "permissions"
    """As `permissionsClaimName` of a Temporal server."""
    permissions_regex: Text | None = None
    """As `permissionsRegex` of a Temporal server, with the groups `namespace` and `role`."""
    token_use: Literal["access", "id"] = "access"  # noqa: S105 — a kind of token
    """`id` if its ID tokens are accepted, in place of access tokens."""
    accepts_bound: bool = False
    """Whether tokens bound to a key (`cnf`) are accepted without proof of that key."""
    signer: str = ""
    """The ARN of the load balancer; required with `alb:`, and rejected without it."""


class TrustDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A trust document as it is written."""

    issuers: list[IssuerDocument]
    """At least one; the first is the one that grants without `issuers` count for."""
    token_from: Texts = ("authorization",)
    """Where a token may be, in order: the first place that holds one decides."""


def parse(document: bytes, *, with_cookies: bool = False) -> Trust:
    """The trust; raises TrustError. Cookies may be named only if CODEC_CREDENTIALS is true."""
    try:
        read = read_document(document, TrustDocument)
    except NotStrict as error:
        raise TrustError(str(error)) from None
    if not 0 < len(read.issuers) <= MAX_ISSUERS:
        raise TrustError(f"issuers: there must be 1 to {MAX_ISSUERS}")
    for each in (*_repeated(read, "name"), *_repeated(read, "issuer")):
        raise TrustError(f"issuers: two have the same {each}")
    if not all(map(_TOKEN_FROM.fullmatch, read.token_from)):
        raise TrustError(
            "token_from: a place is authorization, authorization-extras, header:NAME in lower "
            "case, or cookie:NAME"
        )
    if not with_cookies and any(each.startswith("cookie:") for each in read.token_from):
        raise TrustError("token_from: a cookie needs CODEC_CREDENTIALS=true")
    issuers = tuple(_issuer(f"issuers[{n}]", each) for n, each in enumerate(read.issuers))
    return Trust(issuers, read.token_from)


def _repeated(read: TrustDocument, member: str) -> list[str]:
    values = [getattr(each, member) for each in read.issuers]
    return [member] if len(set(values)) < len(values) else []


def _issuer(place: str, read: IssuerDocument) -> Issuer:
    if not _NAME.fullmatch(read.name):
        raise TrustError(f"{place}.name: it may hold letters, digits, _, - and .")
    if not _JWKS.fullmatch(read.jwks):
        raise TrustError(
            f"{place}.jwks: it must be an https address, file:PATH or alb:REGION; http is for "
            "this machine alone"
        )
    if read.jwks.startswith("alb:") != bool(read.signer):
        raise TrustError(
            f"{place}.signer: alb: needs the load balancer's ARN, and nothing else does"
        )
    if not read.algorithms:
        raise TrustError(f"{place}.algorithms: there must be at least one")
    groups = (read.groups_claim,) if isinstance(read.groups_claim, str) else read.groups_claim
    return Issuer(
        issuer=read.issuer,
        jwks_url=read.jwks,
        audiences=read.audiences,
        email_claim=read.email_claim,
        name=read.name,
        algorithms=read.algorithms,
        audience_claim=read.audience_claim,
        groups_claim=groups or (),
        permissions_claim=read.permissions_claim,
        permissions_regex=_regex(place, read.permissions_regex),
        token_use=read.token_use,
        accepts_bound=read.accepts_bound,
        signer=read.signer,
    )


def _regex(place: str, text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError):
        pattern = re.compile("")
    if not {"namespace", "role"} <= pattern.groupindex.keys():
        raise TrustError(
            f"{place}.permissions_regex: it must be a regular expression with the groups "
            "(?P<namespace>…) and (?P<role>…)"
        )
    return pattern
