"""Keys and signatures of every algorithm, for tokens that are good and for those that are not."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.rigs.issuer import b64url, claims, header, rsa_key
from tests.rigs.issuer import jwk as rsa_jwk

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
CURVES: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "ES256": (ec.SECP256R1(), hashes.SHA256()),
    "ES384": (ec.SECP384R1(), hashes.SHA384()),
    "ES512": (ec.SECP521R1(), hashes.SHA512()),
}
_NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def private_key(algorithm: str, number: int = 1) -> Private:
    """A key for an algorithm, made once for each number."""
    return _made(algorithm, number)


@cache
def _made(algorithm: str, number: int) -> Private:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm][0])
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else rsa_key(number)


def sign(algorithm: str, key: Private, signed: bytes) -> bytes:
    """A signature as JWS has it."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(CURVES[algorithm][1])))
        size = (key.key_size + 7) // 8
        return r.to_bytes(size) + s.to_bytes(size)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(signed)
    if algorithm == "PS256":
        return key.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return key.sign(signed, padding.PKCS1v15(), hashes.SHA256())


def jwk(algorithm: str, kid: str = "key-1", number: int = 1, **more: Any) -> dict[str, Any]:
    """A key's public half as an issuer publishes it."""
    key = private_key(algorithm, number)
    if isinstance(key, rsa.RSAPrivateKey):
        return rsa_jwk(key, kid, **{"alg": algorithm, **more})
    if isinstance(key, ed25519.Ed25519PrivateKey):
        point = b64url(key.public_key().public_bytes_raw())
        made = {"kty": "OKP", "crv": "Ed25519", "x": point}
    else:
        numbers, size = key.public_key().public_numbers(), (key.key_size + 7) // 8
        x, y = (b64url(each.to_bytes(size)) for each in (numbers.x, numbers.y))
        made = {"kty": "EC", "crv": _NAMES[algorithm], "x": x, "y": y}
    return {**made, "kid": kid, "use": "sig", "alg": algorithm, **more}


def parts(head: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes) -> str:
    """What a signature is about."""
    texts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in (head, payload)]
    return ".".join(map(b64url, texts))


def token(
    algorithm: str,
    head: Mapping[str, Any] | bytes | None = None,
    payload: Mapping[str, Any] | bytes | None = None,
    key: Private | None = None,
) -> str:
    """A token, correctly signed over whatever it says."""
    signed = parts(
        header(alg=algorithm) if head is None else head, claims() if payload is None else payload
    )
    signature = sign(algorithm, key or private_key(algorithm), signed.encode())
    return f"{signed}.{b64url(signature)}"
