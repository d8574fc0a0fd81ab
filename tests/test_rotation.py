"""Rotation that nobody notices: readers and writers together, over years of fake time."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from handlers.rotation import Rotation
from temporal_codec import Key, Keyring, PayloadError, open_source
from temporal_codec.encryption import sealed_metadata
from temporal_codec.keys.key import ROTATION_WAIT
from temporal_codec.keys.keys import RingKeys
from temporal_codec.pipeline import decode, encode
from tests.codec.clock import FakeClock
from tests.codec.rings import Content, content, plain
from tests.rigs.secrets_manager import Gate, client, new_secret, request_rotation

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OLD = Key("old", b"o" * 32, NOW - timedelta(90))
WAITING = Key("new", b"n" * 32, NOW + ROTATION_WAIT)
ACTIVE = Key("new", b"n" * 32, NOW - timedelta(1))

RINGS = {
    "old only": Keyring([OLD]),
    "old and new, before activation": Keyring([OLD, WAITING]),
    "new active": Keyring([OLD, ACTIVE]),
    "old retired": Keyring([ACTIVE]),
}
SEALS_WITH = {
    "old only": "old",
    "old and new, before activation": "old",
    "new active": "new",
    "old retired": "new",
}
CANNOT_OPEN = {("old only", "new"), ("old retired", "old")}


@pytest.mark.parametrize(("writer", "reader"), list(product(RINGS, repeat=2)))
def test_who_can_read_whose_output(writer: str, reader: str) -> None:
    """Only a reader without the key cannot; which is why a new key waits for 25 hours."""
    by = RINGS[writer].sealing(NOW)
    assert by.id == SEALS_WITH[writer]
    (data,) = encode([plain()], by)
    (outcome,) = decode([Content(sealed_metadata(by), data)], RingKeys(RINGS[reader]))
    if (reader, by.id) in CANNOT_OPEN:
        assert isinstance(outcome, PayloadError)
    else:
        assert content(outcome) == plain()


class Party:
    """A worker or a server: a reader and writer with a cache of its own."""

    def __init__(self, secret: str, clock: FakeClock) -> None:
        self._clock = clock
        self._keys = open_source(f"secretsmanager:{secret}", clock).keys("default")

    def seal(self) -> Content:
        key = self._keys.sealing()
        (data,) = encode([plain()], key)
        return Content(sealed_metadata(key), data)

    def refresh(self) -> None:
        """Wait until any caller has fetched the ring: rule K4 gives it 24 hours from then."""
        while self._keys.is_stale:
            self._clock.advance(1)
            self.seal()

    def opens(self, payload: Content) -> bool:
        (outcome,) = decode([payload], self._keys)
        return not isinstance(outcome, PayloadError) and content(outcome) == plain()


def rotate(aws: Any, secret: str, clock: FakeClock) -> None:
    version = request_rotation(aws, secret)
    event = {"SecretId": secret, "ClientRequestToken": version}
    step = Rotation(aws, event, datetime.fromtimestamp(clock.wall, UTC), derives=False)
    step.create()
    step.set()
    step.test()
    step.finish()


def test_fifty_threads_decode_through_three_rotations(moto: int, secrets: Gate) -> None:
    """K7: no failed decode of any generation, with an outage of 22 hours after each rotation."""
    aws, clock = client(moto), FakeClock()
    secret = new_secret(aws)
    rotate(aws, secret, clock)  # the first key, active at once
    clock.advance(1)
    parties = [Party(secret, clock) for _ in range(5)]
    sealed = [party.seal() for party in parties]
    done, failures, decoded = threading.Event(), list[Content](), [0] * 50

    def work(number: int) -> None:
        dice = random.Random(number)
        while not done.is_set():
            payload = dice.choice([sealed[-1], dice.choice(sealed)])
            if not dice.choice(parties).opens(payload):
                failures.append(payload)
            decoded[number] += 1
            time.sleep(0.001)

    def live(hours: int) -> None:
        for _ in range(hours):
            clock.advance(3600)
            sealed.append(random.choice(parties).seal())

    def refresh() -> None:
        for party in parties:
            party.refresh()

    with ThreadPoolExecutor(50) as pool:
        for number in range(50):
            pool.submit(work, number)
        try:
            for _ in range(3):
                rotate(aws, secret, clock)
                refresh()
                secrets.fault = "AccessDeniedException"
                live(22)
                secrets.fault = None
                refresh()
                live(6)
        finally:
            done.set()
    assert not failures
    assert min(decoded) > 0
    assert len({payload.metadata["encryption-key-id"] for payload in sealed}) == 4
