"""Who is calling: an access token, verified. Signature, issuer and audience are PyJWT's work.

What PyJWT takes and RFC 8725 would not is refused here, and cheap checks come before any that
may need the network, so that garbage never causes a fetch (rules T1 to T7).
"""

import hashlib
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.utils import base64url_decode, base64url_encode

from handlers.jwks import ALGORITHM, UnknownKid
from handlers.strict_json import NotStrict, read_object
from handlers.trust import Trust

MAX_TOKEN_BYTES = 8192
MAX_HEADER_BYTES = 1024
MAX_PAYLOAD_BYTES = 6144
MAX_LIFETIME_SECONDS = 24 * 3600
LEEWAY_SECONDS = 60
_TYPES = ("JWT", "at+jwt")
# They change what the rest means, or name keys to be fetched: no token of ours has one.
_REFUSED_HEADERS = frozenset({"crit", "b64", "zip", "cty", "enc", "jku", "x5u", "jwk", "x5c"})
_ID = re.compile(r"[!-~]{1,128}")
_EMAIL = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,255}")  # ASCII, and one @
_PART = re.compile(r"[A-Za-z0-9_-]+")


class TokenRefused(Exception):
    """The token proves nothing; the reason is for the log alone."""


class KeyStore(Protocol):
    """The issuer's keys."""

    def key(self, kid: str) -> RSAPublicKey:
        """The key of this id; raises UnknownKid or JwksUnavailable."""

    def warm(self) -> None:
        """Fetch them; a failure is told when it matters."""

    @property
    def is_stale(self) -> bool:
        """Whether they outlived their fresh time."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the token says is calling."""

    subject: str
    email: str | None
    """In lower-case ASCII."""
    issuer: str
    kid: str
    token: str
    """The token's id, or where it has none the start of its hash."""
    permissions: tuple[str, ...]


class Verifier:
    """Turns an Authorization header into an Identity."""

    def __init__(
        self, trust: Trust, keys: KeyStore, clock: Callable[[], float] = time.time
    ) -> None:
        """Take whom to trust, the issuer's keys, and what tells the time in seconds."""
        self._trust = trust
        self._keys = keys
        self._clock = clock

    def verify(self, authorization: str | None) -> Identity:
        """The caller; raises TokenRefused, or JwksUnavailable where that can't be told now."""
        token = _token(authorization)
        header, claims = _parts(token)
        kid = _check_header(header)
        self._check_claims(claims)
        identity = self._identity(claims, kid, token)
        try:
            key = self._keys.key(kid)
        except UnknownKid:
            _refuse("unknown kid")
        self._check_signature(token, key)
        return identity

    def warm(self) -> None:
        """Fetch the issuer's keys."""
        self._keys.warm()

    @property
    def is_stale(self) -> bool:
        """Whether the issuer's keys outlived their fresh time."""
        return self._keys.is_stale

    def _check_claims(self, claims: dict[str, Any]) -> None:
        now = self._clock()
        issued, expires = (_number(claims, name) for name in ("iat", "exp"))
        starts = _number(claims, "nbf") if "nbf" in claims else issued
        if claims.get("iss") != self._trust.issuer:
            _refuse("issuer")
        if not _audiences(claims.get("aud")) & set(self._trust.audiences):
            _refuse("audience")
        if not 0 < expires - issued <= MAX_LIFETIME_SECONDS:
            _refuse("lifetime")
        if expires + LEEWAY_SECONDS <= now:
            _refuse("expired")
        if max(issued, starts) - LEEWAY_SECONDS > now:
            _refuse("not yet valid")
        if claims.get("email_verified", True) is not True:
            _refuse("e-mail not verified")

    def _identity(self, claims: dict[str, Any], kid: str, token: str) -> Identity:
        subject, jti = claims.get("sub"), claims.get("jti")
        if not (isinstance(subject, str) and 0 < len(subject) <= 256 and subject.isprintable()):
            _refuse("sub")
        permissions = claims.get("permissions", [])
        listed = permissions if isinstance(permissions, list) else []
        named = isinstance(jti, str) and _ID.fullmatch(jti)
        return Identity(
            subject=subject,
            email=_email(claims.get(self._trust.email_claim)),
            issuer=self._trust.issuer,
            kid=kid,
            token=str(jti)
            if named
            else f"sha256:{hashlib.sha256(token.encode()).hexdigest()[:16]}",
            permissions=tuple(each for each in listed if isinstance(each, str)),
        )

    def _check_signature(self, token: str, key: RSAPublicKey) -> None:
        # The claims are PyJWT's to check once more; ours above came before the network.
        try:
            jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._trust.issuer,
                audience=self._trust.audiences,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            _refuse("signature")


def _refuse(reason: str) -> NoReturn:
    raise TokenRefused(reason) from None


def _token(authorization: str | None) -> str:
    if not authorization:
        _refuse("no token")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or len(authorization) > MAX_TOKEN_BYTES:
        _refuse("not one bearer token of a fitting size")
    return token


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = token.split(".")
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):
        _refuse("not three parts of base64url")
    try:
        header, payload, _signature = map(_bytes, parts)
        if len(header) > MAX_HEADER_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
            _refuse("too large")
        return read_object(header), read_object(payload)
    except (NotStrict, ValueError):
        _refuse("not strict base64url of strict JSON")


def _bytes(part: str) -> bytes:
    decoded = base64url_decode(part)
    if base64url_encode(decoded).decode() != part:  # one text for each value
        raise ValueError
    return decoded


def _check_header(header: dict[str, Any]) -> str:
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM:
        _refuse("algorithm")
    if header.get("typ", "JWT") not in _TYPES:
        _refuse("typ")
    if _REFUSED_HEADERS & header.keys():
        _refuse("a header that changes the meaning or names a key")
    if not (isinstance(kid, str) and _ID.fullmatch(kid)):
        _refuse("kid")
    return kid


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(name)
    if not math.isfinite(value) or abs(value) > 2**53:
        _refuse(name)
    return value


def _audiences(claim: object) -> set[str]:
    listed = [claim] if isinstance(claim, str) else claim
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        _refuse("audience")
    return set(listed)


def _email(claim: object) -> str | None:
    if isinstance(claim, str) and _EMAIL.fullmatch(claim):
        return claim.lower()
    return None
