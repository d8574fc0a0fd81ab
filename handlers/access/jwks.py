"""The issuer's public keys: parsed strictly, kept as rules J2 to J7 say."""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from jwt.utils import base64url_decode

from temporal_codec.cached import Cached, InThread, Life, Unavailable
from temporal_codec.clock import Clock, system_clock
from temporal_codec.strict_json import NotStrict, read_object

ALGORITHM = "RS256"
MAX_KEYS = 32
LIFE = Life(fresh=300, last_good=3600, cooldown=30)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_BITS = range(2048, 4097)
_EXPONENT = 65537


class JwksError(Exception):
    """The document is no set of keys that may be used; the message says why."""


class UnknownKid(Exception):
    """The issuer has published no key of this id."""


class JwksUnavailable(Exception):
    """Whether the issuer has such a key cannot be told now."""


class Jwks:
    """An issuer's keys by id."""

    def __init__(self, fetch: Callable[[], bytes], clock: Clock = system_clock) -> None:
        """Take what fetches the document."""
        self.cached = Cached(lambda: parse(fetch()), LIFE, clock)

    async def key(self, kid: str, in_thread: InThread = asyncio.to_thread) -> RSAPublicKey:
        """The key of this id; raises UnknownKid or JwksUnavailable."""
        try:
            key = (await self.cached.ready(in_thread)).get(kid)
            if key is None:
                key = (await self.cached.newer(in_thread)).get(kid)
        except Unavailable as error:
            raise JwksUnavailable(str(error.__cause__)) from None
        if key is None:
            raise UnknownKid
        return key


def parse(document: bytes) -> dict[str, RSAPublicKey]:
    """The usable keys of a set (J2); raises JwksError."""
    try:
        entries = read_object(document).get("keys")
    except NotStrict as error:
        raise JwksError(str(error)) from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise JwksError(f"keys must be a list of at most {MAX_KEYS}")
    found: dict[str, RSAPublicKey] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        if _PRIVATE & entry.keys():
            raise JwksError("it publishes a private key")
        key = _usable(entry)
        if key is not None and found.setdefault(entry["kid"], key) != key:
            raise JwksError("two keys have the same kid")
    if not found:
        raise JwksError("it has no usable key")
    return found


def _usable(entry: dict[str, Any]) -> RSAPublicKey | None:
    operations = entry.get("key_ops", ["verify"])
    fits = (
        entry.get("kty") == "RSA"
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and entry.get("alg", ALGORITHM) == ALGORITHM
        and isinstance(entry.get("kid"), str)
    )
    return _public_key(entry) if fits else None


def _is_weak(modulus: int) -> bool:
    # Made by a faulty chip whose primes can be found (CVE-2017-15361): such a modulus is a power
    # of the exponent modulo every small prime, which another is once in some 2^27 times.
    return all(modulus % prime in powers for prime, powers in _powers().items())


@cache
def _powers() -> dict[int, set[int]]:
    primes = [n for n in range(3, 168, 2) if all(n % d for d in range(3, n, 2))]
    return {prime: {pow(_EXPONENT, n, prime) for n in range(prime)} for prime in primes}


def _public_key(entry: dict[str, Any]) -> RSAPublicKey | None:
    try:
        modulus, exponent = (int.from_bytes(base64url_decode(entry[name])) for name in ("n", "e"))
        if exponent != _EXPONENT or modulus.bit_length() not in _BITS or _is_weak(modulus):
            return None
        return RSAPublicNumbers(exponent, modulus).public_key()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
