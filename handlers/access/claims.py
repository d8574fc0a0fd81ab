"""The claims of a token: checks them and makes an identity of them (rules T3 to T5)."""

import hashlib
import re
from typing import Any

from handlers.access.jws import ID, refuse
from handlers.settings.issuer import Issuer
from temporal_codec.policy import Identity

MAX_LIFETIME_SECONDS = 24 * 3600
LEEWAY_SECONDS = 60
# ASCII, one @, and a domain without empty labels.
_EMAIL = re.compile(r"[!-?A-~]{1,64}@(?!.{256})[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
# The claim `typ` as Keycloak has it; other providers leave it out.
_TYPES = {"access": {"bearer", "jwt", "at+jwt"}, "id": {"id", "jwt"}}
# Claims with which other providers say what a token is for, and what a bearer token is not.
_PURPOSES = ("token_type", "type", "purpose")
_REFRESH = frozenset({"refresh", "refresh_token", "offline", "logout", "logout_token"})
_OTHER = {"access": _REFRESH | {"id", "id_token"}, "id": _REFRESH | {"access", "access_token"}}
MAX_TEXT = 256


def check(claims: dict[str, Any], issuer: Issuer, now: float) -> None:
    """Raise TokenRefused if the token is for others, not current, or of another kind."""
    issued, expires = (_number(claims, name) for name in ("iat", "exp"))
    starts = _number(claims, "nbf") if "nbf" in claims else issued
    audiences = _audiences(claims.get(issuer.audience_claim))
    if not set(audiences) & set(issuer.audiences):
        refuse("audience")
    _check_kind(claims, issuer, audiences)
    if not 0 < expires - issued <= MAX_LIFETIME_SECONDS:
        refuse("lifetime")
    if expires + LEEWAY_SECONDS <= now:
        refuse("expired")
    if max(issued, starts) - LEEWAY_SECONDS > now:
        refuse("not yet valid")


def _check_kind(claims: dict[str, Any], issuer: Issuer, audiences: list[str]) -> None:
    # A token of another kind must not pass because its audience happens to match.
    kind, wants_id = claims.get("typ", "jwt"), issuer.token_use == "id"  # noqa: S105 — a kind
    if claims.get("token_use", issuer.token_use) != issuer.token_use:
        refuse("token_use")
    if not isinstance(kind, str) or kind.lower() not in _TYPES[issuer.token_use]:
        refuse("the claim typ")
    if {str(claims.get(name)).lower() for name in _PURPOSES} & _OTHER[issuer.token_use]:
        refuse("of another kind")
    if "events" in claims:
        refuse("a logout token")
    if "cnf" in claims and not issuer.accepts_bound:
        refuse("bound to a key (cnf)")
    if not wants_id and {"at_hash", "c_hash"} & claims.keys():
        refuse("an ID token")
    if wants_id and len(audiences) > 1 and claims.get("azp") not in issuer.audiences:
        refuse("azp")


def identify(claims: dict[str, Any], issuer: Issuer, **more: Any) -> Identity:  # noqa: ANN401
    """The identity that the claims describe; `more` are its fields that do not come from claims."""
    subject = claims.get("sub")
    if not (isinstance(subject, str) and 0 < len(subject) <= MAX_TEXT and subject.isprintable()):
        refuse("sub")
    email, no_email = _email(claims, issuer.email_claim)
    return Identity(
        subject=subject,
        email=email,
        issuer=issuer.issuer,
        groups=_groups(claims, issuer.groups_claim),
        claims=claims,
        issuer_name=issuer.name,
        no_email=no_email,
        **more,
    )


def token_id(claims: dict[str, Any], token: str) -> str:
    """The token's `jti`, or the start of its hash if it has none that a record can hold."""
    jti = claims.get("jti")
    if isinstance(jti, str) and ID.fullmatch(jti):
        return jti
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def read_permissions(
    claim: object, pattern: re.Pattern[str] | None = None
) -> tuple[tuple[str, str], ...]:
    """Pairs of a namespace and a role, as Temporal's default claim mapper reads the claim."""
    listed = claim if isinstance(claim, list) else []
    texts = [each for each in listed if isinstance(each, str) and len(each) <= 4 * MAX_TEXT]
    if pattern is not None:
        matches = filter(None, map(pattern.search, texts))
        return tuple((each["namespace"] or "", each["role"] or "") for each in matches)
    pairs = (tuple(each.split(":")) for each in texts)
    return tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2)


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(name)
    if not abs(value) <= 2**53:  # nor is infinity, nor what is no number
        refuse(name)
    return value


def _audiences(claim: object) -> list[str]:
    listed = [claim] if isinstance(claim, str) else claim
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        refuse("audience")
    return listed


def _email(claims: dict[str, Any], name: str) -> tuple[str | None, str]:
    value = claims.get(name)
    if value is None:
        return None, f"the token has no claim {name}; set CODEC_EMAIL_CLAIM"
    if not (isinstance(value, str) and _EMAIL.fullmatch(value)):
        return None, f"the claim {name} is not an e-mail address"
    verified = claims.get("email_verified", True)
    if verified is not True and verified != "true":
        return None, "the e-mail address is not verified"
    return value.lower(), ""


def _groups(claims: dict[str, Any], path: tuple[str, ...]) -> frozenset[str]:
    if not path:
        return frozenset()
    left_out = claims.get("_claim_names")
    if claims.get("hasgroups") or (isinstance(left_out, dict) and path[0] in left_out):
        refuse("groups are left out of the token (overage)")
    value: Any = claims
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    listed = value.split() if isinstance(value, str) else value
    named = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    return frozenset(each for each in named if 0 < len(each) <= MAX_TEXT)
