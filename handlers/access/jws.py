"""A signed token in its compact form, read strictly (rules T1 to T3).

PyJWT checks signatures; it takes a tenth of a cold start, so it comes with the first one. What its
own reader takes and RFC 8725 would not is refused here: padding, other alphabets and spellings,
members that are there twice, headers that change the meaning of the rest.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, NoReturn

import cryptography
import msgspec

from handlers.access.unloaded import bind_unloaded
from handlers.settings.issuer import ALGORITHMS
from temporal_codec.strict_json import NotStrict, read_object

MAX_HEADER_BYTES = 1024
MAX_PAYLOAD_BYTES = 6144
_TYPES = ("jwt", "at+jwt")
# They change the meaning of the rest, or name keys to fetch: no valid token has one.
_REFUSED_HEADERS = frozenset({"crit", "b64", "zip", "cty", "enc", "jku", "x5u", "jwk", "x5c"})
_PART = re.compile(r"[A-Za-z0-9_-]+")
_PADDED_PART = re.compile(r"[A-Za-z0-9_-]+={0,2}")
ID = re.compile(r"[!-~]{1,128}")


class TokenRefused(Exception):
    """The token is not valid; the reason is for the record only."""


def refuse(reason: str) -> NoReturn:
    """Raise TokenRefused, without what led to it: that may quote the token."""
    raise TokenRefused(reason) from None


class Key(NamedTuple):
    """A public key, and the algorithms that it may be used with."""

    public: Any
    algorithms: frozenset[str]


class Jws(msgspec.Struct, frozen=True):
    """A token that may be believed once its signature is checked."""

    header: dict[str, Any]
    kid: str
    algorithm: str
    payload: bytes
    _signed: bytes
    _signature: bytes

    __repr__ = object.__repr__  # the default would show the token

    def check(self, key: Key) -> None:
        """Check the signature; raises TokenRefused."""
        if self.algorithm not in key.algorithms:
            refuse("the key is for another algorithm")
        if not _verifiers()[self.algorithm](self._signed, key.public, self._signature):
            refuse("signature")


@cache
def _verifiers() -> dict[str, Callable[[bytes, Any, bytes], bool]]:
    # PyJWT reads certificates, too, and no token brings one: X.509 is two thirds of loading it.
    bind_unloaded(cryptography, "x509")
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm  # noqa: PLC0415 — as above

    return {
        "RS256": RSAAlgorithm(RSAAlgorithm.SHA256).verify,
        "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256).verify,
        "ES256": ECAlgorithm(ECAlgorithm.SHA256).verify,
        "ES384": ECAlgorithm(ECAlgorithm.SHA384).verify,
        "EdDSA": OKPAlgorithm().verify,
    }


def read(token: str, *, padded: bool = False) -> Jws:
    """What a token says, its header checked; raises TokenRefused.

    `padded` accepts the padding that AWS load balancers put into their tokens.
    """
    parts = token.split(".")
    shape = _PADDED_PART if padded else _PART
    if len(parts) != 3 or not all(map(shape.fullmatch, parts)):
        refuse("not three parts of base64url")
    try:
        header, payload, signature = map(_bytes, parts)
        if len(header) > MAX_HEADER_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
            refuse("too large")
        head = read_object(header)
    except (NotStrict, ValueError):
        refuse("not strict base64url of strict JSON")
    kid, algorithm = _checked(head)
    return Jws(head, kid, algorithm, payload, token.rpartition(".")[0].encode(), signature)


def base64url(text: str) -> bytes:
    """Decode base64url, with or without padding; raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _bytes(part: str) -> bytes:
    decoded = base64url(part)
    # One text for each value.
    if urlsafe_b64encode(decoded).decode().rstrip("=") != part.rstrip("="):
        raise ValueError
    return decoded


def _checked(header: dict[str, Any]) -> tuple[str, str]:
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        refuse("algorithm")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        refuse("typ")
    if _REFUSED_HEADERS & header.keys():
        refuse("a header that changes the meaning or names a key")
    if not (isinstance(kid, str) and ID.fullmatch(kid)):
        refuse("kid")
    return kid, algorithm
