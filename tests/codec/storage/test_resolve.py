"""References among payloads: what takes their place, and what stays as it came."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from temporal_codec import Keyring
from temporal_codec.allowance import Allowance
from temporal_codec.errors import PayloadError, Reason
from temporal_codec.payload import Received
from temporal_codec.pipeline import Opened, Outcome, Session, decode_held
from temporal_codec.protobuf import serialize
from temporal_codec.storage.reference import AllowedReferences
from temporal_codec.storage.resolve import Resolved, Storage, s3
from temporal_codec.storage.s3 import S3
from tests.codec.rings import JSON, SpyKeys, content, key, plain, reason, sealed
from tests.codec.storage.test_fetch import Memory
from tests.codec.storage.test_reference import CURRENT, current

MISSING = "v0/ns/a/missing"


def missing(name: str) -> None:
    if name == MISSING:
        raise PayloadError(Reason.OBJECT_MISSING)


def refer(name: str, stored: bytes, *sizes: int) -> Received:
    data = current(key=name, hash_value=sha256(stored).hexdigest())
    return Received(CURRENT, data, sizes)


class Rig:
    """A storage over objects in memory, and what a request asks of it."""

    def __init__(self, **objects: bytes) -> None:
        self.memory = Memory(**{f"v0/ns/a/{name}": stored for name, stored in objects.items()})
        self.memory.opening = missing
        self.connected = self.threads = 0
        trusted = AllowedReferences(frozenset({"b"}), frozenset({"aws.s3driver"}))
        self.storage = Storage(trusted, 1000, self._connect)

    def _connect(self) -> Memory:
        self.connected += 1
        return self.memory

    async def _in_thread(self, work: Callable[..., Any], /, *args: object) -> Any:
        self.threads += 1
        return await asyncio.to_thread(work, *args)

    def resolve(self, *payloads: Received, allowance: Allowance | None = None) -> Resolved:
        keys = SpyKeys(Keyring([key(1), key(2)]))
        session = Session(keys, self._in_thread, allowance or Allowance())

        async def run() -> Resolved:
            outcomes = await decode_held(payloads, session)
            self.threads = 0
            return await self.storage.resolve("a", payloads, outcomes, session)

        return asyncio.run(run())


def labels(outcome: Outcome) -> tuple[str, ...]:
    assert isinstance(outcome, Opened)
    return outcome.keys


def test_objects_take_the_place_of_references() -> None:
    """Each is fetched once for all of them, decoded, and everything else stays as it was."""
    inner = sealed(plain(b'"two"'), key(2))
    rig = Rig(one=plain(b'"one"'), two=serialize(inner.metadata, inner.data))
    one = refer("v0/ns/a/one", plain(b'"one"'))
    two = refer("v0/ns/a/two", serialize(inner.metadata, inner.data), 70)
    wrapped = sealed(serialize(two.metadata, two.data, two.sizes), key(1))
    closed = sealed(plain(), key(1))
    payloads = [
        Received(JSON, b"0"),
        one,
        Received(wrapped.metadata, wrapped.data),
        Received(closed.metadata, closed.data),
        two,
        one,
    ]
    found = rig.resolve(*payloads)
    assert found.references == {1, 2, 4, 5}
    first, *rest = found.outcomes
    assert first is None
    assert [content(each) for each in rest] == [
        plain(b'"one"'),
        plain(b'"two"'),
        plain(),
        plain(b'"two"'),
        plain(b'"one"'),
    ]
    assert [labels(each) for each in rest] == [
        (),
        ("key-1", "key-2"),
        ("key-1",),
        ("key-2",),
        (),
    ]
    assert sorted(rig.memory.asked) == ["v0/ns/a/one", "v0/ns/a/two"]
    assert (rig.connected, rig.threads) == (1, 1)


def test_without_a_reference_nothing_is_connected() -> None:
    """Nor does a reference that may not be followed take a thread."""
    rig = Rig()
    for payload in (Received(JSON, b"0"), refer("v0/ns/b/x", b"")):
        rig.resolve(payload)
    assert (rig.connected, rig.threads) == (0, 0)


def test_one_connection_serves_every_request() -> None:
    rig = Rig(x=plain())
    for _ in range(2):
        rig.resolve(refer("v0/ns/a/x", plain()))
    assert rig.connected == 1
    assert len(rig.memory.asked) == 2


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_reference_that_cannot_be_followed_says_why(encrypted: bool) -> None:
    """It counts as one all the same, whether it was encrypted or not, and harms no other."""
    nothing = serialize({"encoding": b"x"}, b"") + b"\xff"
    rig = Rig(x=plain(), broken=nothing)
    payloads = [
        refer("v0/ns/a/x", plain()),
        refer("v0/ns/b/x", plain()),
        Received(CURRENT, b"{"),
        refer(MISSING, plain()),
        refer("v0/ns/a/broken", nothing),
        refer("v0/ns/a/x", plain(), 1001),
    ]
    if encrypted:
        inside = (sealed(serialize(e.metadata, e.data, e.sizes), key()) for e in payloads)
        payloads = [Received(each.metadata, each.data) for each in inside]
    found = rig.resolve(*payloads)
    assert found.references == set(range(6))
    assert content(found.outcomes[0]) == plain()
    assert list(map(reason, found.outcomes[1:])) == [
        Reason.REFERENCE_REFUSED,
        Reason.BAD_REFERENCE,
        Reason.OBJECT_MISSING,
        Reason.MALFORMED,
        Reason.OBJECT_TOO_LARGE,
    ]


def test_what_could_not_be_decoded_is_no_reference() -> None:
    closed = sealed(plain(), key(3))
    found = Rig().resolve(Received(closed.metadata, closed.data))
    assert found.references == frozenset()
    assert reason(found.outcomes[0]) is Reason.UNKNOWN_KEY


def test_what_objects_hold_takes_of_the_allowance_of_their_request() -> None:
    """Objects multiply as payloads do."""
    rig = Rig(x=plain())
    found = rig.resolve(refer("v0/ns/a/x", plain()), allowance=Allowance(fields=0))
    assert reason(found.outcomes[0]) is Reason.TOO_MANY_FIELDS


def test_a_reference_in_an_object_is_not_followed() -> None:
    """Nobody is sent round in circles."""
    inner = refer("v0/ns/a/y", plain())
    stored = serialize(inner.metadata, inner.data)
    rig = Rig(x=stored, y=plain())
    found = rig.resolve(refer("v0/ns/a/x", stored))
    assert content(found.outcomes[0]) == stored
    assert rig.memory.asked == ["v0/ns/a/x"]


def test_objects_are_those_of_s3_unless_others_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert isinstance(s3(), S3)
