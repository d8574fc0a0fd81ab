"""Wycheproof's AES-GCM vectors, for the sizes that we use (tests/wycheproof/README.md)."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from temporal_codec import Key, PayloadError
from temporal_codec.encryption import open_sealed, seal
from tests.codec.rings import SINCE

FILE = Path(__file__).parents[1] / "wycheproof" / "aes_gcm_test.json"
SIZES = {"keySize": 256, "ivSize": 96, "tagSize": 128}
CASES: list[dict[str, Any]] = [
    test
    for group in json.loads(FILE.read_text())["testGroups"]
    if {name: group[name] for name in SIZES} == SIZES
    for test in group["tests"]
]


def test_all_cases_are_here() -> None:
    assert len(CASES) == 66


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
