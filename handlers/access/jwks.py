"""The issuer's public keys: parsed strictly, kept as rules J2 to J7 say."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from handlers.access.jws import Key, base64url
from handlers.access.token import IssuerKeys
from temporal_codec.cached import Cached
from temporal_codec.clock import Clock, Life, system_clock
from temporal_codec.errors import CodecError
from temporal_codec.reported import reported
from temporal_codec.strict_json import NotStrict, read_object

MAX_KEYS = 32
LIFE = Life(fresh=300, last_good=3600, cooldown=30)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_BITS = range(2048, 4097)
_EXPONENT = 65537
_RSA = frozenset({"RS256", "PS256"})
_FIELD = 2**255 - 19
# The heights of Ed25519's points of small order: with such a key, signatures fit any message.
_SMALL_ORDER = frozenset(
    {
        *(0, 1, _FIELD - 1, _FIELD, _FIELD + 1),
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)


class JwksError(CodecError):
    """The document is not a set of usable keys; the message says why."""


def issuer_keys(
    fetch: Callable[[], bytes], clock: Clock = system_clock, life: Life = LIFE
) -> IssuerKeys:
    """The keys of an issuer, from what fetches its document."""
    return IssuerKeys(Cached(reported("the set of keys", lambda: parse(fetch())), life, clock))


def parse(document: bytes) -> Mapping[str, Key]:
    """The usable keys of a set (J2); raises JwksError."""
    try:
        entries = read_object(document).get("keys")
    except NotStrict as error:
        raise JwksError(str(error)) from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise JwksError(f"keys must be a list of at most {MAX_KEYS}")
    found: dict[str, Key] = {}
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


def _usable(entry: dict[str, Any]) -> Key | None:
    operations, make = entry.get("key_ops", ["verify"]), _MAKERS.get(str(entry.get("kty")))
    fits = (
        make is not None
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(entry.get("kid"), str)
    )
    if not fits or make is None:
        return None
    try:
        key = make(entry)
    except (KeyError, TypeError, ValueError, AttributeError, UnsupportedAlgorithm):
        return None
    # A key that names its algorithm is for this one alone.
    algorithms = key.algorithms & {entry.get("alg", each) for each in key.algorithms}
    return Key(key.public, algorithms) if algorithms else None


def _rsa(entry: dict[str, Any]) -> Key:
    modulus, exponent = (int.from_bytes(base64url(entry[name])) for name in ("n", "e"))
    if exponent != _EXPONENT or modulus.bit_length() not in _BITS or _is_weak(modulus):
        raise ValueError
    return Key(RSAPublicNumbers(exponent, modulus).public_key(), _RSA)


def _elliptic(entry: dict[str, Any]) -> Key:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 — most sets have none

    curves: dict[str, tuple[ec.EllipticCurve, str]] = {
        "P-256": (ec.SECP256R1(), "ES256"),
        "P-384": (ec.SECP384R1(), "ES384"),
    }
    curve, algorithm = curves[entry["crv"]]
    x, y = (base64url(entry[name]) for name in ("x", "y"))
    if {len(x), len(y)} != {curve.key_size // 8}:
        raise ValueError
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve)
    return Key(numbers.public_key(), frozenset({algorithm}))  # ValueError for a point off the curve


def _edwards(entry: dict[str, Any]) -> Key:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 — as above

    point = base64url(entry["x"])
    height = int.from_bytes(point, "little") & (2**255 - 1)
    if entry.get("crv") != "Ed25519" or height in _SMALL_ORDER:
        raise ValueError
    return Key(ed25519.Ed25519PublicKey.from_public_bytes(point), frozenset({"EdDSA"}))


_MAKERS: dict[str, Callable[[dict[str, Any]], Key]] = {
    "RSA": _rsa,
    "EC": _elliptic,
    "OKP": _edwards,
}


def _is_weak(modulus: int) -> bool:
    # From a faulty chip, whose primes can be computed (CVE-2017-15361): such a modulus is a power
    # of the exponent modulo every small prime, which another is once in some 2^27 times.
    return all(modulus % prime in powers for prime, powers in _powers().items())


@cache
def _powers() -> dict[int, set[int]]:
    primes = [n for n in range(3, 168, 2) if all(n % d for d in range(3, n, 2))]
    return {prime: set(_powers_modulo(prime)) for prime in primes}


def _powers_modulo(prime: int) -> Iterator[int]:
    power = 1
    while True:
        yield power
        power = power * _EXPONENT % prime
        if power == 1:
            return
