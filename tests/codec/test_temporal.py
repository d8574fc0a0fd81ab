"""The worker's side: the SDK's payloads through the same pipeline."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
)
from temporalio.exceptions import ApplicationError

from temporal_codec import Keyring, KeyringUnavailable, NotEncrypted, PayloadError
from temporal_codec.keys.keys import RingKeys
from temporal_codec.keys.sources import RingSource
from temporal_codec.temporal import EncryptionCodec, encrypting_converter
from tests.codec.clock import FakeClock
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


ENCODINGS = [b"json/plain", b"binary/zlib", b"", b"Binary/Encrypted"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_strict_takes_nothing_in_plaintext(encoding: bytes) -> None:
    """One such payload refuses the list; the error says which, what to do, and not what it was."""
    codec = EncryptionCodec(RingKeys(Keyring([key(1)])), strict=True)
    sealed = encode(PLAIN, codec=codec)
    assert decode(*sealed, codec=codec) == [PLAIN]
    plain = Payload(metadata={"encoding": encoding}, data=b"canary")
    with pytest.raises(NotEncrypted, match="payload 2 of 2 is not encrypted") as caught:
        decode(*sealed, plain, codec=codec)
    assert "leave strict out" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_never_takes_ciphertext_for_a_value() -> None:
    (sealed,) = encode(PLAIN)
    with pytest.raises(PayloadError):
        decode(sealed, codec=EncryptionCodec(RingKeys(Keyring([key(2)]))))


@pytest.mark.parametrize("size", [5_000, 500_000])
def test_compresses_where_that_makes_it_smaller(size: int) -> None:
    large = Payload(metadata=dict(PLAIN.metadata), data=b'"' + b"x" * size + b'"')
    codec = EncryptionCodec(RingKeys(Keyring([key(1)])), compress=True)
    sealed = encode(large, PLAIN, codec=codec)
    assert len(sealed[0].data) < size / 10
    assert len(sealed[1].data) == 12 + PLAIN.ByteSize() + 16
    assert decode(*sealed, codec=codec) == [large, PLAIN]


def test_an_outage_is_told_apart() -> None:
    """The SDK fails the task and tries again, which heals it."""
    with pytest.raises(KeyringUnavailable):
        encode(PLAIN, codec=EncryptionCodec(RingKeys(Keyring())))


# --- where the keys must be fetched ----------------------------------------------------------


@dataclass
class SlowRing:
    """Hands out a ring, when its gate is open."""

    keys: list[int]
    gate: threading.Event = field(default_factory=threading.Event)
    fetches: int = 0

    def __call__(self, _namespace: str) -> Keyring:
        self.fetches += 1
        assert self.gate.wait(20)
        return Keyring(map(key, self.keys))

    def codec(self, clock: FakeClock) -> EncryptionCodec:
        """A codec whose keys come from here."""
        return EncryptionCodec(RingSource("test:ring", self, clock).keys("default"))


async def loop_turns_until(task: "asyncio.Task[Any]", ring: SlowRing) -> int:
    """Let the event loop turn while a task waits for the ring, then open the gate."""
    turns = 0
    while not ring.fetches or turns < 100:
        await asyncio.sleep(0.001)
        turns += 1
        assert not task.done()
    ring.gate.set()
    await task
    return turns


@pytest.mark.parametrize("operation", ["encode", "decode"])
def test_the_event_loop_goes_on_while_keys_are_fetched(operation: str, clock: FakeClock) -> None:
    """A worker's other tasks, and its heartbeats, do not stand still for an outage."""
    ring = SlowRing([1])
    payloads = encode(PLAIN)

    async def run() -> int:
        work = getattr(ring.codec(clock), operation)(payloads)
        return await loop_turns_until(asyncio.ensure_future(work), ring)

    assert asyncio.run(run()) >= 100


def test_with_keys_at_hand_nothing_waits_for_a_refresh(clock: FakeClock) -> None:
    """No task is held by a slow fetch while there are keys: not one turn of the loop passes."""
    ring = SlowRing([1])
    ring.gate.set()
    codec = ring.codec(clock)
    asyncio.run(codec.fetch_keys())
    ring.gate.clear()
    clock.advance(301)

    def at_once(work: Any) -> list[Payload]:
        with pytest.raises(StopIteration) as ended:
            work.send(None)  # a coroutine that waits for anything would yield here
        done: list[Payload] = ended.value.value
        return done

    for _ in range(5):
        assert at_once(codec.decode(at_once(codec.encode([PLAIN])))) == [PLAIN]
    ring.gate.set()


def test_a_key_that_is_not_at_hand_is_looked_for(clock: FakeClock) -> None:
    """Another worker may have taken up a new key a moment earlier."""
    ring = SlowRing([1])
    ring.gate.set()
    codec = ring.codec(clock)
    asyncio.run(codec.fetch_keys())
    newer = encode(PLAIN, codec=EncryptionCodec(RingKeys(Keyring([key(2)]))))
    ring.keys.append(2)
    clock.advance(31)
    assert decode(*newer, codec=codec) == [PLAIN]
    assert ring.fetches == 2


# --- the data converter ----------------------------------------------------------------------


def test_the_converter_encrypts_values_and_failures() -> None:
    """Message, stack trace and details of a failure are payloads, its causes' too."""
    converter = encrypting_converter(CODEC)

    async def there_and_back() -> tuple[Failure, Any, BaseException]:
        failure = Failure()
        try:
            try:
                raise ApplicationError("canary-cause", "canary-cause-detail")
            except ApplicationError as cause:
                raise ApplicationError("canary-message", "canary-detail") from cause
        except ApplicationError as error:
            await converter.encode_failure(error, failure)
        stored = Failure.FromString(failure.SerializeToString())
        values = await converter.decode(await converter.encode(["hello"]))
        return stored, values, await converter.decode_failure(failure)

    stored, values, error = asyncio.run(there_and_back())
    assert values == ["hello"]
    assert b"canary" not in stored.SerializeToString()
    assert isinstance(error, ApplicationError)
    assert (error.message, list(error.details)) == ("canary-message", ["canary-detail"])
    assert isinstance(error.cause, ApplicationError)
    assert error.cause.message == "canary-cause"


def test_the_users_payload_converter_survives() -> None:
    converter = encrypting_converter(CODEC, pydantic_data_converter)
    assert converter.payload_converter_class is PydanticPayloadConverter
    assert converter.payload_codec is CODEC
    assert converter.failure_converter_class is DefaultFailureConverterWithEncodedAttributes


class OwnFailures(DefaultFailureConverter):
    """A user's own failure converter."""


class Shouting(EncryptionCodec):
    """A user's own payload codec."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


@pytest.mark.parametrize(
    ("converter", "message"),
    [
        (DataConverter(payload_codec=Shouting(RingKeys(Keyring()))), "has a payload codec already"),
        (DataConverter(failure_converter_class=OwnFailures), "its own failure converter, Own"),
    ],
)
def test_what_would_be_lost_is_refused(converter: DataConverter, message: str) -> None:
    """A codec or a failure converter of the user's is never replaced silently."""
    with pytest.raises(ValueError, match=message) as caught:
        encrypting_converter(CODEC, converter)
    assert "make the data converter yourself" in str(caught.value)
