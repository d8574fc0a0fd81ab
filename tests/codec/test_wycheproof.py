"""Wycheproof's vectors of AES-GCM, for the sizes that we use, and of HKDF-SHA-256.

See tests/wycheproof/README.md.
"""

import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from temporal_codec import Key, PayloadError
from temporal_codec.encryption import open_sealed, seal
from tests.codec.rings import SINCE

FOLDER = Path(__file__).parents[1] / "wycheproof"
SIZES = {"keySize": 256, "ivSize": 96, "tagSize": 128}
CASES: list[dict[str, Any]] = [
    test
    for group in json.loads((FOLDER / "aes_gcm_test.json").read_text())["testGroups"]
    if {name: group[name] for name in SIZES} == SIZES
    for test in group["tests"]
]
HKDF_CASES: list[dict[str, Any]] = [
    test
    for group in json.loads((FOLDER / "hkdf_sha256_test.json").read_text())["testGroups"]
    for test in group["tests"]
]


def test_all_cases_are_here() -> None:
    assert (len(CASES), len(HKDF_CASES)) == (66, 86)
    assert sum(case["comment"] == "RFC 5869" for case in HKDF_CASES) == 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['tcId']}")
def test_agrees(case: dict[str, Any]) -> None:
    """K3: every valid one opens and seals to the same bytes, every invalid one is refused."""
    nonce, aad, message, ciphertext, tag = (
        bytes.fromhex(case[name]) for name in ("iv", "aad", "msg", "ct", "tag")
    )
    key = Key("wycheproof", bytes.fromhex(case["key"]), SINCE)
    sealed = nonce + ciphertext + tag
    if aad:  # ours has none, so the cipher itself is asked
        if case["result"] == "valid":
            assert key.cipher.decrypt(nonce, ciphertext + tag, aad) == message
        else:
            with pytest.raises(InvalidTag):
                key.cipher.decrypt(nonce, ciphertext + tag, aad)
    elif case["result"] == "valid":
        assert open_sealed(key, sealed) == message
        assert seal(key, message, nonce) == sealed
    else:
        with pytest.raises(PayloadError):
            open_sealed(key, sealed)


def hkdf(ikm: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 in five lines, to hold our own derivation to: it is held to the vectors itself."""
    key, block, found = hmac.digest(salt or bytes(32), ikm, sha256), b"", b""
    for number in range(1, -(-size // 32) + 1):  # at most 255 blocks
        block = hmac.digest(key, block + info + bytes([number]), sha256)
        found += block
    return found[:size]


@pytest.mark.parametrize("case", HKDF_CASES, ids=lambda case: f"{case['tcId']}")
def test_hkdf_agrees(case: dict[str, Any]) -> None:
    """The library that derives, and the reference; what is too long is refused."""
    ikm, salt, info = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info"))

    def derive() -> bytes:
        return HKDF(SHA256(), case["size"], salt=salt or None, info=info).derive(ikm)

    if case["result"] == "valid":
        assert derive() == hkdf(ikm, salt, info, case["size"]) == bytes.fromhex(case["okm"])
    else:
        with pytest.raises(ValueError, match="larger than 8160"):
            derive()


@pytest.mark.parametrize("key_id", ["a", "", "ü ≠ k"], ids=["plain", "empty", "odd"])
@pytest.mark.parametrize("namespace", ["orders", "ü" * 500], ids=["plain", "longest"])
def test_a_namespace_s_key_is_hkdf_of_the_ring_s(key_id: str, namespace: str) -> None:
    """With the info that docs/format.md gives, for all who derive in another language."""
    secret = bytes(range(32))
    info = b"temporal-codec/derive/v1\0%b\0%b" % (key_id.encode(), namespace.encode())
    derived = Key(key_id, secret, SINCE, derives=True).derived(namespace)
    assert derived.secret == hkdf(secret, b"", info, 32)
