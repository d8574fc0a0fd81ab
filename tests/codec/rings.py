"""Keys and payloads that the codec's tests share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from temporal_codec import Key, Keyring, PayloadError, Reason
from temporal_codec.encryption import sealed_metadata
from temporal_codec.keys.sources import RingSource
from temporal_codec.pipeline import Opened, Outcome, encode
from temporal_codec.protobuf import serialize

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
JSON = {"encoding": b"json/plain"}


def key(number: int = 1) -> Key:
    """A key whose bytes and id follow from the number."""
    return Key(f"key-{number}", bytes([number]) * 32, SINCE)


def source_of(ring: Keyring) -> RingSource:
    """A source that gives every namespace this ring."""
    return RingSource("test:ring", lambda _namespace: ring)


@dataclass
class SpyKeys:
    """Keys of a ring, noting what was asked for."""

    ring: Keyring
    asked: list[bytes] = field(default_factory=list)

    def opening(self, key_id: bytes) -> Key:
        self.asked.append(key_id)
        found = self.ring.get(key_id)
        if found is None:
            raise PayloadError(Reason.UNKNOWN_KEY)
        return found

    @property
    def is_stale(self) -> bool:
        return False

    def sealing(self) -> Key:
        raise AssertionError("decoding never asks for the sealing key")


@dataclass(frozen=True)
class Content:
    """The least that the pipeline takes for a payload."""

    metadata: Mapping[str, bytes]
    data: bytes = b""


def plain(data: bytes = b'"hello"') -> bytes:
    """A serialized json/plain payload."""
    return serialize(JSON, data)


def sealed(serialized: bytes, by: Key) -> Content:
    """A payload as a worker stores it."""
    (data,) = encode([serialized], by)
    return Content(sealed_metadata(by), data)


def reason(outcome: Outcome) -> Reason:
    """Why a payload was not opened."""
    assert isinstance(outcome, PayloadError)
    return outcome.reason


def content(outcome: Outcome) -> bytes:
    """What was inside a payload, serialized."""
    assert isinstance(outcome, Opened)
    return outcome.serialized
