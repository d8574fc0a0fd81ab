"""What known keys cost while strangers ask for unknown ones: 10,000 ids within a minute."""

import time
from dataclasses import dataclass
from statistics import median

from benchmarks.cases import CASES, KEY
from temporal_codec import pipeline, wire
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.sources import RingSource
from temporal_codec.payload import Received
from tests.codec.clock import FakeClock

IDS = 10_000
SECONDS = 60.0
FETCH_SECONDS = 0.02


@dataclass(frozen=True)
class Flood:
    """What came of it."""

    usual: float
    """Microseconds for a known key, at the median, when nobody disturbs."""
    flooded: float
    """And between two unknown ones."""
    fetches: int


def flood() -> Flood:
    """Decode case a again and again, first alone, then after each of the unknown ids."""
    clock, fetches = FakeClock(), 0

    def load(_namespace: str) -> Keyring:
        nonlocal fetches
        fetches += 1
        time.sleep(FETCH_SECONDS)
        return Keyring([KEY])

    keys = RingSource("benchmark", load, clock).keys("default")
    known = wire.read(CASES[0].sealed())
    metadata = {**known[0].metadata, "encryption-key-id": b"unknown"}

    def once() -> float:
        start = time.perf_counter()
        pipeline.decode(known, keys)
        return (time.perf_counter() - start) * 1e6

    once()
    usual = median(once() for _ in range(IDS))
    times = []
    for number in range(IDS):
        metadata["encryption-key-id"] = b"unknown-%d" % number
        pipeline.decode([Received(metadata, known[0].data)], keys)
        times.append(once())
        clock.advance(SECONDS / IDS)
    return Flood(usual, median(times), fetches)
