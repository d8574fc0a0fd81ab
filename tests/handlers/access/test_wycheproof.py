"""Wycheproof's JWS, JWK and RS256 vectors with public keys (tests/wycheproof/README.md)."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from handlers.access.jwks import JwksError, parse
from handlers.access.jws import Jws, TokenRefused, read
from tests.rigs.issuer import b64url

FOLDER = Path(__file__).parents[2] / "wycheproof"
Json = dict[str, Any]
# Valid, and none of ours, by the rule that refuses them.
NOT_OURS = {
    "T1: a payload is never empty": {259, 272},
    "T2: RS384, RS512, PS384, PS512 and ES512 are not accepted": {
        *(*range(264, 272), *range(320, 324), *range(325, 329), 346, 347, 350, 351),
    },
}


def groups(name: str) -> list[Json]:
    read: Json = json.loads((FOLDER / name).read_text())
    found: list[Json] = read["testGroups"]
    return found


def is_public(group: Json) -> bool:
    return group.get("public", {}).get("kty") in {"RSA", "EC", "OKP"}


JWS: list[tuple[Json, Json]] = [
    (group["public"], case)
    for group in groups("json_web_signature_test.json")
    if is_public(group)
    for case in group["tests"]
]
KEYS = [each for each in groups("json_web_key_test.json") if "public" in each]


def accepted(public: Json, token: str) -> bool:
    """Whether a token is taken, from an issuer that publishes this key."""
    try:
        signed = read(token)
        key = parse(json.dumps({"keys": [public]}).encode()).get(signed.kid)
        if key is None:
            return False
        signed.check(key)
    except (TokenRefused, JwksError):
        return False
    return True


def test_all_cases_are_here() -> None:
    assert len(JWS) == 361
    assert len(KEYS) == 11


@pytest.mark.parametrize(("public", "case"), JWS, ids=[str(case["tcId"]) for _, case in JWS])
def test_agrees(public: Json, case: Json) -> None:
    """Every invalid signature is refused, and every valid one of ours is accepted."""
    ours = case["tcId"] not in {each for ids in NOT_OURS.values() for each in ids}
    assert accepted(public, case["jws"]) == (case["result"] == "valid" and ours)


def test_some_are_accepted() -> None:
    valid = {case["tcId"] for public, case in JWS if accepted(public, case["jws"])}
    assert valid == {18, 33, *range(260, 264), 273, 274, 275, 287, 288, 345, 349, 378}


@pytest.mark.parametrize("group", KEYS, ids=lambda group: str(group["tests"][0]["tcId"]))
def test_no_invalid_key_is_accepted(group: Json) -> None:
    """Weak, of a wrong use, of a wrong exponent: with the signature that it would verify."""
    published = json.dumps(group["public"]).encode()
    (case,) = group["tests"]
    taken = False
    with suppress(TokenRefused, JwksError):
        signed = read(case["jws"])
        key = parse(published if b'"keys"' in published else b'{"keys":[%b]}' % published)
        signed.check(key[signed.kid])
        taken = True
    assert taken == (case["result"] == "valid")


RS256 = [
    (group["publicKey"], case)
    for group in groups("rsa_signature_2048_sha256_test.json")
    for case in group["tests"]
]


def test_all_signatures_are_here() -> None:
    assert len(RS256) == 259


def published(key: Json) -> bytes:
    """This RSA key in a set of keys for RS256."""
    numbers = (bytes.fromhex(key[name]).lstrip(b"\0") for name in ("modulus", "publicExponent"))
    n, e = map(b64url, numbers)
    return json.dumps(
        {"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "n": n, "e": e}]}
    ).encode()


@pytest.mark.parametrize(("key", "case"), RS256, ids=[str(case["tcId"]) for _, case in RS256])
def test_a_signature_of_rs256(key: Json, case: Json) -> None:
    """The padding is exact: what is merely acceptable is refused, and so is an exponent of 3."""
    if int(key["publicExponent"], 16) != 65537:
        with pytest.raises(JwksError):
            parse(published(key))
        return
    public = parse(published(key))["1"]
    message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
    signed = Jws({}, "1", "RS256", b"", message, signature)
    taken = True
    try:
        signed.check(public)
    except TokenRefused:
        taken = False
    assert taken == (case["result"] == "valid")
