"""A signed token in its compact form, read strictly (rules T1 to T3). RS256 itself is PyJWT's.

What PyJWT's own reader takes and RFC 8725 would not is refused here: padding, other alphabets
and spellings, members that are there twice, headers that change what the rest means.
"""

import re
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from handlers.access.jwks import ALGORITHM
from temporal_codec.strict_json import NotStrict, read_object

MAX_HEADER_BYTES = 1024
MAX_PAYLOAD_BYTES = 6144
_TYPES = ("JWT", "at+jwt")
# They change what the rest means, or name keys to be fetched: no token of ours has one.
_REFUSED_HEADERS = frozenset({"crit", "b64", "zip", "cty", "enc", "jku", "x5u", "jwk", "x5c"})
_PART = re.compile(r"[A-Za-z0-9_-]+")
_RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)
ID = re.compile(r"[!-~]{1,128}")


class TokenRefused(Exception):
    """The token proves nothing; the reason is for the record alone."""


def refuse(reason: str) -> NoReturn:
    """Raise TokenRefused, without what led to it: that may quote the token."""
    raise TokenRefused(reason) from None


@dataclass(frozen=True, slots=True, repr=False)
class Jws:
    """A token whose header may be believed once the signature is checked."""

    kid: str
    payload: bytes
    _signed: bytes
    _signature: bytes

    def check(self, key: RSAPublicKey) -> None:
        """Check the signature; raises TokenRefused."""
        if not _RS256.verify(self._signed, key, self._signature):
            refuse("signature")


def read(token: str) -> Jws:
    """The parts of a token, its header checked; raises TokenRefused."""
    parts = token.split(".")
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):
        refuse("not three parts of base64url")
    try:
        header, payload, signature = map(_bytes, parts)
        if len(header) > MAX_HEADER_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
            refuse("too large")
        kid = _kid(read_object(header))
    except (NotStrict, ValueError):
        refuse("not strict base64url of strict JSON")
    return Jws(kid, payload, token.rpartition(".")[0].encode(), signature)


def _bytes(part: str) -> bytes:
    decoded = base64url_decode(part)
    if base64url_encode(decoded).decode() != part:  # one text for each value
        raise ValueError
    return decoded


def _kid(header: dict[str, Any]) -> str:
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM:
        refuse("algorithm")
    if header.get("typ", "JWT") not in _TYPES:
        refuse("typ")
    if _REFUSED_HEADERS & header.keys():
        refuse("a header that changes the meaning or names a key")
    if not (isinstance(kid, str) and ID.fullmatch(kid)):
        refuse("kid")
    return kid
