"""Who is calling: an access token, verified.

Cheap checks come before any that may need the network, so that garbage never causes a fetch
(rules T1 to T7).
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from handlers.access import jws
from handlers.access.jwks import Jwks, UnknownKid
from handlers.access.jws import ID, refuse
from handlers.settings.issuer import Issuer
from temporal_codec.cached import Cached, InThread
from temporal_codec.policy import Identity
from temporal_codec.strict_json import NotStrict, read_object

MAX_TOKEN_BYTES = 8192
MAX_LIFETIME_SECONDS = 24 * 3600
LEEWAY_SECONDS = 60
_EMAIL = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,255}")  # ASCII, and one @


Headers = Mapping[bytes, bytes]
"""A request's headers, by lower-case name."""


class Verifier:
    """Turns an Authorization header into an Identity."""

    def __init__(self, issuer: Issuer, keys: Jwks, clock: Callable[[], float] = time.time) -> None:
        """Take the issuer to trust, its keys, and what tells the time in seconds."""
        self._issuer = issuer
        self._keys = keys
        self._clock = clock

    async def verify(self, headers: Headers, in_thread: InThread = asyncio.to_thread) -> Identity:
        """The caller; raises TokenRefused, or JwksUnavailable if its keys cannot be fetched."""
        token = _token(headers.get(b"authorization", b"").decode("latin-1"))
        signed = jws.read(token)
        claims = _claims(signed.payload)
        self._check_claims(claims)
        identity = self._identity(claims, signed.kid, token)
        try:
            key = await self._keys.key(signed.kid, in_thread)
        except UnknownKid:
            refuse("unknown kid")
        signed.check(key)
        return identity

    def is_stale(self, _identity: Identity) -> bool:
        """Whether the keys of this identity's issuer are past their fresh time."""
        return self._keys.cached.is_stale

    @property
    def caches(self) -> Mapping[str, Cached[Any]]:
        """What every request needs, by name."""
        return {"jwks": self._keys.cached}

    def _check_claims(self, claims: dict[str, Any]) -> None:
        now = self._clock()
        issued, expires = (_number(claims, name) for name in ("iat", "exp"))
        starts = _number(claims, "nbf") if "nbf" in claims else issued
        if claims.get("iss") != self._issuer.issuer:
            refuse("issuer")
        if not _audiences(claims.get("aud")) & set(self._issuer.audiences):
            refuse("audience")
        if not 0 < expires - issued <= MAX_LIFETIME_SECONDS:
            refuse("lifetime")
        if expires + LEEWAY_SECONDS <= now:
            refuse("expired")
        if max(issued, starts) - LEEWAY_SECONDS > now:
            refuse("not yet valid")
        if claims.get("email_verified", True) is not True:
            refuse("e-mail not verified")

    def _identity(self, claims: dict[str, Any], kid: str, token: str) -> Identity:
        subject, jti = claims.get("sub"), claims.get("jti")
        if not (isinstance(subject, str) and 0 < len(subject) <= 256 and subject.isprintable()):
            refuse("sub")
        permissions = claims.get("permissions", [])
        listed = permissions if isinstance(permissions, list) else []
        named = isinstance(jti, str) and ID.fullmatch(jti)
        return Identity(
            subject=subject,
            email=_email(claims.get(self._issuer.email_claim)),
            issuer=self._issuer.issuer,
            kid=kid,
            token=str(jti)
            if named
            else f"sha256:{hashlib.sha256(token.encode()).hexdigest()[:16]}",
            permissions=tuple(each for each in listed if isinstance(each, str)),
        )


def _token(authorization: str) -> str:
    if not authorization:
        refuse("no token")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or len(authorization) > MAX_TOKEN_BYTES:
        refuse("not one bearer token of a fitting size")
    return token


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        return read_object(payload)
    except NotStrict:
        refuse("not strict JSON")


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(name)
    if not abs(value) <= 2**53:  # nor is infinity, nor what is no number
        refuse(name)
    return value


def _audiences(claim: object) -> set[str]:
    listed = [claim] if isinstance(claim, str) else claim
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        refuse("audience")
    return set(listed)


def _email(claim: object) -> str | None:
    if isinstance(claim, str) and _EMAIL.fullmatch(claim):
        return claim.lower()
    return None
