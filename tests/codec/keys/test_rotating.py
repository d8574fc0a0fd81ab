"""Fifty threads encrypt and decrypt while keys rotate: none fails, with each kind of key."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from temporal_codec import Keyring, open_source
from temporal_codec.keys.key import new_key
from temporal_codec.keys.keyring import with_key
from temporal_codec.keys.keys import Keys, moment
from temporal_codec.keys.sources import KeySource
from temporal_codec.pipeline import decode
from tests.codec.clock import FakeClock
from tests.codec.rings import content, plain, sealed
from tests.rigs.secrets_manager import Gate, client

THREADS, ROTATIONS, STEPS = 50, 2, 30
PROCESSES = 4  # each has a source of its own


@dataclass
class Traffic:
    """What the threads have sent, and with which keys."""

    sources: Sequence[KeySource]
    sent: list[int] = field(default_factory=lambda: [0] * THREADS)
    keys: set[bytes] = field(default_factory=set)
    done: threading.Event = field(default_factory=threading.Event)

    def flow(self, number: int) -> None:
        """Send payloads from one process to another, until all is done."""
        while not self.done.is_set():
            sender = number + self.sent[number]
            keys = self._of(sender, number).sealing()
            (outcome,) = decode([sealed(plain(), keys)], self._of(sender + 1 + number, number))
            assert content(outcome) == plain()
            self.keys.add(keys.secret)
            self.sent[number] += 1
            time.sleep(0.005)  # so that every thread has its turn

    def _of(self, process: int, number: int) -> Keys:
        return self.sources[process % PROCESSES].keys(f"namespace-{number % 3}")

    def wait(self) -> None:
        """Until every thread has sent another one: none sleeps for a day."""
        before = list(self.sent)
        for number in range(THREADS):
            while self.sent[number] == before[number] and not self.done.is_set():
                time.sleep(0.0005)


@pytest.mark.parametrize("kind", ["plain", "derived", "kms"])
def test_nobody_notices_a_rotation(
    kind: str, tmp_path: Path, clock: FakeClock, moto: int, secrets: Gate
) -> None:
    """Keys that are added as `keys rotate` does, and data keys of KMS that end with their day."""
    ring = tmp_path / "ring.json"
    first = new_key(moment(clock), wait=timedelta(0), derives=kind == "derived")
    ring.write_bytes(Keyring([first]).to_json())
    uri = f"file:{ring}"
    if kind == "kms":
        uri = f"kms:{client(moto, 'kms').create_key()['KeyMetadata']['Arn']}"
    traffic = Traffic([open_source(uri, clock) for _ in range(PROCESSES)])
    with ThreadPoolExecutor(THREADS) as pool:
        working = [pool.submit(traffic.flow, number) for number in range(THREADS)]
        for each in working:
            each.add_done_callback(lambda _: traffic.done.set())  # one that fails ends the test
        for _ in range(ROTATIONS):
            text = with_key(ring.read_bytes(), new_key(moment(clock), derives=first.derives))
            (tmp_path / "new").write_bytes(text)
            (tmp_path / "new").replace(ring)
            for _ in range(STEPS):
                clock.advance(26 * 3600 / STEPS)
                traffic.wait()
        traffic.done.set()
        for each in working:
            each.result(60)
    assert min(traffic.sent) >= ROTATIONS * STEPS
    assert len(traffic.keys) > ROTATIONS
    assert bool(secrets.calls) == (kind == "kms")
