"""One payload sealed and opened: the layout, and that not a bit of it may change."""

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from temporal_codec.encryption import open_sealed, seal, sealed_metadata
from temporal_codec.errors import PayloadError, Reason
from temporal_codec.pipeline import encode
from tests.codec.rings import key, plain

NONCE = bytes(range(12))


def test_the_layout_is_that_of_the_samples() -> None:
    """Decision 3: nonce, ciphertext, tag; no associated data."""
    data = seal(key(), plain(), NONCE)
    assert data[:12] == NONCE
    assert AESGCM(key().secret).decrypt(data[:12], data[12:], None) == plain()
    assert sealed_metadata(key()) == {
        "encoding": b"binary/encrypted",
        "encryption-key-id": b"key-1",
    }


def test_every_bit_flip_is_refused() -> None:
    """K3: exhaustive over nonce, ciphertext and tag of a 64-byte payload."""
    data = seal(key(), b"x" * 64, NONCE)
    for position in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(PayloadError) as caught:
            open_sealed(key(), bytes(flipped))
        assert caught.value.reason is Reason.AUTHENTICATION


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_opens_what_it_sealed(size: int) -> None:
    """Small data is sliced and large data viewed: both must give the same."""
    assert open_sealed(key(), seal(key(), bytes(size), NONCE)) == bytes(size)


@pytest.mark.parametrize("size", range(28))
def test_what_cannot_hold_nonce_and_tag_is_too_short(size: int) -> None:
    with pytest.raises(PayloadError) as caught:
        open_sealed(key(), bytes(size))
    assert caught.value.reason is Reason.TOO_SHORT


def test_another_key_opens_nothing() -> None:
    with pytest.raises(PayloadError):
        open_sealed(key(2), seal(key(1), plain(), NONCE))


def test_no_nonce_comes_twice() -> None:
    """K2: in one request and over many; `make seals` takes a million."""
    half = int(os.environ.get("SEALS", "50000")) // 2
    single = {encode([b""], key())[0][:12] for _ in range(half)}
    together = {data[:12] for data in encode([b""] * half, key())}
    assert len(single | together) == 2 * half
