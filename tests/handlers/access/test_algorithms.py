"""Hostile tokens for each family of signatures: refused with one body, and no socket (T2, J2)."""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256, sha512
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from handlers.access.authorizer import Decision
from handlers.access.guard import Guard
from handlers.access.jwks import JwksError, issuer_keys, parse
from handlers.access.jws import base64url
from handlers.access.token import Verifier
from handlers.server.app import build_app
from handlers.settings.issuer import Issuer, Trust
from handlers.settings.server import server_settings
from temporal_codec.keys.sources import open_source
from tests.handlers.access.test_auth import CLAIMS, HEADERS
from tests.handlers.calls import JSON_HEADERS, Reply, call
from tests.rigs.issuer import AUDIENCE, EMAIL_CLAIM, ISSUER, b64url, claims, header, rsa_key
from tests.rigs.signers import ALGORITHMS, CURVES, Private, jwk, parts, private_key, sign, token


class Everybody:
    """An authorizer that allows everything: what is refused here is refused by the verifier."""

    caches: ClassVar[dict[str, Any]] = {}

    async def decide(self, *_: object) -> Decision:
        return Decision("all")


class Server:
    """An app that trusts one issuer, whose keys are held."""

    def __init__(self, *keys: dict[str, Any], algorithms: Any = ALGORITHMS) -> None:
        self.fetches = 0
        self.keys = list(keys)
        issuer = Issuer(ISSUER, "https://x", (AUDIENCE,), EMAIL_CLAIM, algorithms=algorithms)
        self.jwks = issuer_keys(self._fetch)
        self.jwks.cached.warm()
        guard = Guard(Verifier(Trust((issuer,)), lambda _: self.jwks), Everybody())
        settings = server_settings({"CODEC_AUTH": "jwt"})
        self.app = build_app(settings, open_source("development"), guard)

    def _fetch(self) -> bytes:
        self.fetches += 1
        return json.dumps({"keys": self.keys}).encode()

    def ask(self, bearer: str) -> Reply:
        return call(self.app, headers={**JSON_HEADERS, "authorization": f"Bearer {bearer}"})


SERVERS = {each: Server(jwk(each)) for each in ALGORITHMS}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_is_taken(algorithm: str) -> None:
    """With the key's own `alg`, and without one."""
    assert SERVERS[algorithm].ask(token(algorithm)).status == 200
    unnamed = {name: value for name, value in jwk(algorithm).items() if name != "alg"}
    assert Server(unnamed).ask(token(algorithm)).status == 200


def public_pem(key: Private) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def symmetric(algorithm: str) -> str:
    """HS256 with the public key's text as its secret."""
    signed = parts(header(alg="HS256"), claims())
    secret = public_pem(private_key(algorithm))
    return f"{signed}.{b64url(hmac.digest(secret, signed.encode(), sha256))}"


def with_signature(algorithm: str, change: Callable[[bytes], bytes]) -> str:
    signed, _, signature = token(algorithm).rpartition(".")
    raw = sign(algorithm, private_key(algorithm), signed.encode())
    assert signature
    return f"{signed}.{b64url(change(raw))}"


def flipped(position: int) -> Callable[[bytes], bytes]:
    def flip(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[position] ^= 1
        return bytes(changed)

    return flip


def of_every_family(algorithm: str) -> dict[str, str]:
    """What is wrong whatever the signature is."""
    made = {
        **{f"{n}": token(algorithm, payload=payload) for n, payload in CLAIMS.items()},
        **{
            n: token(algorithm, {**head, "alg": algorithm} if head.get("alg") == "RS256" else head)
            if isinstance(head, dict)
            else token(algorithm, head)
            for n, head in HEADERS.items()
            if not (isinstance(head, dict) and head.get("alg") == algorithm)
        },
        "HS256 with the public key": symmetric(algorithm),
        "another key": token(algorithm, key=_other(algorithm)),
        "no signature": f"{parts(header(alg=algorithm), claims())}.AA",
        "a signature twice": with_signature(algorithm, lambda raw: raw + raw),
        "a byte more": with_signature(algorithm, lambda raw: raw + b"\0"),
        "a byte before": with_signature(algorithm, lambda raw: b"\0" + raw),
        "a byte less": with_signature(algorithm, lambda raw: raw[:-1]),
        "empty": with_signature(algorithm, lambda raw: bytes(len(raw))),
        "ones": with_signature(algorithm, lambda raw: b"\xff" * len(raw)),
        "reversed": with_signature(algorithm, lambda raw: raw[::-1]),
        **{f"bit {n}": with_signature(algorithm, flipped(n)) for n in (0, 1, 31, 32, -2, -1)},
    }
    for other in ALGORITHMS:
        if other != algorithm:
            made[f"signed as {other}"] = token(other)
            made[f"{other} by name alone"] = (
                f"{parts(header(alg=other), claims())}.{token(algorithm).rpartition('.')[2]}"
            )
    return made


def _other(algorithm: str) -> Private:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm][0])
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else rsa_key(9)


def of_rsa(algorithm: str) -> dict[str, str]:
    signed = parts(header(alg=algorithm), claims())
    key = rsa_key()
    mgf = padding.MGF1(hashes.SHA256())
    wrong: dict[str, tuple[Any, Any]] = {
        "SHA-1": (padding.PKCS1v15(), hashes.SHA1()),
        "SHA-512": (padding.PKCS1v15(), hashes.SHA512()),
        "PSS with SHA-512": (padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512()),
        "PSS without salt": (padding.PSS(mgf, 0), hashes.SHA256()),
        "PSS with 20 bytes of salt": (padding.PSS(mgf, 20), hashes.SHA256()),
        "PSS with all the salt there is": (
            padding.PSS(mgf, padding.PSS.MAX_LENGTH),
            hashes.SHA256(),
        ),
        "PSS with a mask by SHA-1": (padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256()),
    }
    wrong["the other padding"] = (
        (padding.PKCS1v15(), hashes.SHA256())
        if algorithm == "PS256"
        else (padding.PSS(mgf, 32), hashes.SHA256())
    )
    made = {
        name: f"{signed}.{b64url(key.sign(signed.encode(), how, digest))}"
        for name, (how, digest) in wrong.items()
    }
    modulus = key.public_key().public_numbers().n
    for name, value in {
        "one": 1,
        "the modulus": modulus,
        "the modulus less one": modulus - 1,
    }.items():
        made[name] = f"{signed}.{b64url(value.to_bytes(256))}"
    return made


ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
}


def of_curves(algorithm: str) -> dict[str, str]:
    order, size = ORDERS[algorithm], CURVES[algorithm][0].key_size // 8

    def raw(r: int, s: int) -> Callable[[bytes], bytes]:
        return lambda _: r.to_bytes(size) + s.to_bytes(size)

    def der(signature: bytes) -> bytes:
        r, s = (int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
        return encode_dss_signature(r, s)

    values = {"0": 0, "1": 1, "n": order, "n-1": order - 1, "2^bits-1": 2 ** (8 * size) - 1}
    made = {
        f"r={r_name} s={s_name}": with_signature(algorithm, raw(r, s))
        for r_name, r in values.items()
        for s_name, s in values.items()
    }
    other = "ES384" if algorithm == "ES256" else "ES256"
    made["DER"] = with_signature(algorithm, der)
    made["r and s swapped"] = with_signature(algorithm, lambda s: s[size:] + s[:size])
    made["zero r"] = with_signature(algorithm, lambda s: bytes(size) + s[size:])
    made["zero s"] = with_signature(algorithm, lambda s: s[:size] + bytes(size))
    made["a digest of the other size"] = _other_digest(algorithm)
    made["the other curve's key"] = token(other, header(alg=algorithm), key=private_key(other))
    return made


def _other_digest(algorithm: str) -> str:
    signed, key = parts(header(alg=algorithm), claims()), private_key(algorithm)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(signed.encode(), ec.ECDSA(hashes.SHA512()))
    return f"{signed}.{b64url(signature)}"


L = 2**252 + 27742317777372353535851937790883648493


def of_edwards() -> dict[str, str]:
    def plus(times: int) -> Callable[[bytes], bytes]:
        return lambda raw: (
            raw[:32] + (int.from_bytes(raw[32:], "little") + times * L).to_bytes(32, "little")
        )

    points = {"identity": 1, "order two": 2**255 - 20, "order four": 0}
    made = {f"S+{n}L": with_signature("EdDSA", plus(n)) for n in (1, 2, 7)}
    for name, point in points.items():
        for scalar in (0, 1, L):
            raw = point.to_bytes(32, "little") + scalar.to_bytes(32, "little")
            made[f"R of {name}, S={scalar}"] = with_signature("EdDSA", lambda _, raw=raw: raw)  # type: ignore[misc]
    signed = parts(header(alg="EdDSA"), claims())
    key = private_key("EdDSA")
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    made["a digest is signed"] = f"{signed}.{b64url(key.sign(sha512(signed.encode()).digest()))}"
    made["halves swapped"] = with_signature("EdDSA", lambda raw: raw[32:] + raw[:32])
    return made


HOSTILE: dict[str, dict[str, str]] = {
    "RS256": {**of_every_family("RS256"), **of_rsa("RS256")},
    "PS256": {**of_every_family("PS256"), **of_rsa("PS256")},
    "ES256": {**of_every_family("ES256"), **of_curves("ES256")},
    "ES384": {**of_every_family("ES384"), **of_curves("ES384")},
    "EdDSA": {**of_every_family("EdDSA"), **of_edwards()},
}
CASES = [(algorithm, name) for algorithm, made in HOSTILE.items() for name in made]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_there_are_enough(algorithm: str) -> None:
    """120 for each family."""
    assert len(HOSTILE[algorithm]) >= 120


# Some names hold the time, which is another one in each process that runs the tests.
@pytest.mark.parametrize(
    ("algorithm", "name"), CASES, ids=[f"{each[0]}-{n}" for n, each in enumerate(CASES)]
)
def test_a_hostile_token_is_401(algorithm: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """T6: one body for every fault; T7: no address is looked up, no socket opened."""
    monkeypatch.setattr("socket.getaddrinfo", None)
    monkeypatch.setattr("socket.create_connection", None)
    server = SERVERS[algorithm]
    before = server.fetches
    reply = server.ask(HOSTILE[algorithm][name])
    assert (reply.status, reply.json()) == (401, SERVERS["RS256"].ask("a.b.c").json())
    if " kid " not in name:
        assert server.fetches == before


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_algorithm_that_the_issuer_may_not_use(algorithm: str) -> None:
    """T2: by name, before the key is looked for."""
    others = tuple(each for each in ALGORITHMS if each != algorithm)
    server = Server(jwk(algorithm), algorithms=others)
    assert server.ask(token(algorithm)).status == 401


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("named", ["RS256", "PS256", "ES256", "ES384", "EdDSA", "ES512", "HS256"])
def test_a_key_serves_its_own_algorithm_alone(algorithm: str, named: str) -> None:
    """A key that names another is skipped, or refuses the token."""
    server = Server(jwk(algorithm, alg=named), jwk("ES256", "other"))
    assert (server.ask(token(algorithm)).status == 200) is (named == algorithm)


def test_a_mixed_set_binds_each_key_to_its_kind() -> None:
    server = Server(*(jwk(each, each) for each in ALGORITHMS))
    for algorithm in ALGORITHMS:
        for kid in ALGORITHMS:
            bearer = token(algorithm, header(alg=algorithm, kid=kid))
            assert (server.ask(bearer).status == 200) is (algorithm == kid), (algorithm, kid)


SMALL_ORDER = [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18]
TORSION = [
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]
POINTS = [*(each.to_bytes(32, "little") for each in SMALL_ORDER), *map(bytes.fromhex, TORSION)]
BAD_KEYS: dict[str, dict[str, Any]] = {
    **{f"small order {point.hex()[:6]}": jwk("EdDSA", x=b64url(point)) for point in POINTS},
    **{
        f"small order with the sign, {point.hex()[:6]}": jwk(
            "EdDSA", x=b64url(point[:31] + bytes([point[31] | 0x80]))
        )
        for point in POINTS
    },
    "Ed448": jwk("EdDSA", crv="Ed448"),
    "X25519": jwk("EdDSA", crv="X25519"),
    "a short point": jwk("EdDSA", x=b64url(bytes(31))),
    "no point": {k: v for k, v in jwk("EdDSA").items() if k != "x"},
    "P-521": jwk("ES512"),
    "secp256k1": jwk("ES256", crv="secp256k1"),
    "the wrong curve": jwk("ES256", crv="P-384", alg="ES384"),
    "a curve in a list": jwk("ES256", crv=["P-256"]),
    "off the curve": jwk("ES256", x=b64url(bytes(31) + b"\1"), y=b64url(bytes(31) + b"\1")),
    "the point at infinity": jwk("ES256", x=b64url(bytes(32)), y=b64url(bytes(32))),
    "x too long": jwk("ES256", x=b64url(bytes(33))),
    "x after a zero": jwk("ES256", x=b64url(b"\0" + base64url(jwk("ES256")["x"]))),
    "y too short": jwk("ES256", y=b64url(b"\1")),
    "for encryption": jwk("ES256", use="enc"),
    "for agreement": jwk("ES256", key_ops=["deriveKey"]),
    "a curve's alg on RSA": jwk("RS256", alg="ES256"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_may_not_be_used_is_skipped(name: str) -> None:
    """J2: of small order, off the curve, of another curve, for another use."""
    good = jwk("RS256", "good")
    document = json.dumps({"keys": [BAD_KEYS[name], good]}).encode()
    assert list(parse(document)) == ["good"]


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
def test_a_published_private_key_refuses_the_set(algorithm: str) -> None:
    with pytest.raises(JwksError, match="private"):
        parse(json.dumps({"keys": [jwk(algorithm, d="AA"), jwk("RS256", "good")]}).encode())


def test_one_kid_with_keys_of_two_kinds_refuses_the_set() -> None:
    with pytest.raises(JwksError, match="two keys"):
        parse(json.dumps({"keys": [jwk("ES256"), jwk("EdDSA")]}).encode())
