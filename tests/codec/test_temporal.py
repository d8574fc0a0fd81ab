"""The worker's side: the SDK's payloads through the same pipeline."""

import asyncio

import pytest
from temporalio.api.common.v1 import Payload

from codec import Keyring, KeyringUnavailable, PayloadError
from codec.sources import RingKeys
from codec.temporal import EncryptionCodec
from tests.codec.rings import key

PLAIN = Payload(
    metadata={"encoding": b"json/plain"},
    data=b'"hello"',
    external_payloads=[Payload.ExternalPayloadDetails(size_bytes=5)],
)
CODEC = EncryptionCodec(RingKeys(Keyring([key(1)])))


def encode(*payloads: Payload, codec: EncryptionCodec = CODEC) -> list[Payload]:
    return asyncio.run(codec.encode(payloads))


def decode(*payloads: Payload, codec: EncryptionCodec = CODEC) -> list[Payload]:
    return asyncio.run(codec.decode(payloads))


def test_opens_what_it_seals() -> None:
    sealed = encode(PLAIN, Payload())
    assert [each.metadata["encoding"] for each in sealed] == [b"binary/encrypted"] * 2
    assert sealed[0].external_payloads == PLAIN.external_payloads
    assert decode(*sealed) == [PLAIN, Payload()]


def test_keeps_unknown_fields() -> None:
    """A newer SDK's fields survive both ways."""
    newer = Payload.FromString(PLAIN.SerializeToString() + b"\x7a\x03new")
    assert decode(*encode(newer))[0].SerializeToString() == newer.SerializeToString()


def test_passes_on_what_was_never_sealed() -> None:
    """Histories from before the encryption stay readable."""
    assert decode(PLAIN, *encode(PLAIN)) == [PLAIN, PLAIN]


def test_never_takes_ciphertext_for_a_value() -> None:
    (sealed,) = encode(PLAIN)
    with pytest.raises(PayloadError):
        decode(sealed, codec=EncryptionCodec(RingKeys(Keyring([key(2)]))))


def test_compresses_where_that_makes_it_smaller() -> None:
    large = Payload(metadata=dict(PLAIN.metadata), data=b'"' + b"x" * 5000 + b'"')
    codec = EncryptionCodec(RingKeys(Keyring([key(1)])), compress=True)
    sealed = encode(large, codec=codec)
    assert len(sealed[0].data) < 500
    assert decode(*sealed) == [large]


def test_an_outage_is_told_apart() -> None:
    """The SDK fails the task and tries again, which heals it."""
    with pytest.raises(KeyringUnavailable):
        encode(PLAIN, codec=EncryptionCodec(RingKeys(Keyring())))
