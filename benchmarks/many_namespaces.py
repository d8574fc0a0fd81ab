"""`make bench SUITE=namespaces`: what a ring for each namespace costs, with thousands of them.

The cache is the real one; the clock is the simulation's own and nobody sleeps. Requests come at
random. Each environment gets its share of them, so one environment is simulated with that share,
from its start: what counts is what it does after the first half of the time.
"""

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, product
from math import ceil, sqrt

from benchmarks import page
from temporal_codec.keys.key import Key
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.sources import MAX_RINGS, RingSource
from tests.codec.clock import FakeClock

NAMESPACES = (50, 200, 1000, 2000, 5000)
RATES = (200, 500)
BUSY_SECONDS = 0.01
"""How long a request keeps an environment busy, as docs/deploy.md counts."""
HALF = 1200.0
MONTH = 30 * 24 * 3600
CALL, DECRYPTION = 0.05 / 10_000, 0.03 / 10_000
"""Dollars of Secrets Manager and of KMS."""
WAYS = {"256 kept": (256, False), "all kept": (MAX_RINGS, False), "together": (MAX_RINGS, True)}
START = FakeClock().wall


def environments(rate: float) -> int:
    """As many as are busy at once in all but one of ten thousand moments."""
    busy = rate * BUSY_SECONDS
    return ceil(busy + 4 * sqrt(busy))


class Rings:
    """A loader (see `keys.sources`) that counts."""

    def __init__(self) -> None:
        self.ring = Keyring([Key("1", bytes(32), datetime(2026, 1, 1, tzinfo=UTC))])
        self.calls = self.read = 0

    def __call__(self, _namespace: str) -> Keyring:
        """One ring, for one call."""
        self.calls += 1
        self.read += 1
        return self.ring


class ManyRings(Rings):
    """One that loads several at once."""

    def several(self, namespaces: Sequence[str]) -> dict[str, Keyring]:
        """These rings, for one call."""
        self.calls += 1
        self.read += len(namespaces)
        return dict.fromkeys(namespaces, self.ring)


@dataclass(frozen=True)
class Found:
    """What one environment does once it is warm."""

    requests: int
    fetching: int
    """Requests that wait for a fetch."""
    calls: int
    read: int
    """Rings in the answers."""

    @property
    def share(self) -> float:
        """The part of the requests that fetches."""
        return self.fetching / self.requests

    def dollars(self, environments: int) -> float:
        """A month of so many environments."""
        return environments * MONTH / HALF * (self.calls * CALL + self.read * DECRYPTION)


def names(use: str, number: int, chance: random.Random) -> Iterator[str]:
    """The namespaces of requests: all alike, or the n-th as often as 1/n."""
    all_ = [f"namespace-{each}" for each in range(number)]
    weights = list(accumulate(1 / (each + 1) if use == "Zipf" else 1 for each in range(number)))
    while True:
        yield from chance.choices(all_, cum_weights=weights, k=10_000)


def simulate(use: str, number: int, rate: float, way: str, half: float = HALF) -> Found:
    """One environment that gets so many requests a second."""
    kept, several = WAYS[way]
    chance, clock = random.Random(f"{use} {number} {rate}"), FakeClock()
    load = ManyRings() if several else Rings()
    source = RingSource("rings:{namespace}", load, clock, kept)
    requests = fetching = calls = read = 0
    for name in names(use, number, chance):
        clock.advance(chance.expovariate(rate))
        if clock.wall >= START + 2 * half:
            break
        if clock.wall < START + half:
            source.keys(name).opening(b"1")
            calls, read = load.calls, load.read
            continue
        before = load.calls
        source.keys(name).opening(b"1")
        requests += 1
        fetching += load.calls > before
    return Found(requests, fetching, load.calls - calls, load.read - read)


def kib_of_a_ring(number: int = 1000) -> float:
    """Memory for each ring that is kept, with three keys of its own."""
    since = datetime(2026, 1, 1, tzinfo=UTC)
    texts = [
        Keyring(Key(f"{each}-{key}", bytes(32), since) for key in range(3)).to_json()
        for each in range(number)
    ]
    tracemalloc.start()
    source = RingSource("rings:{namespace}", lambda name: Keyring.from_json(texts[int(name)]))
    for each in range(number):
        source.keys(str(each)).opening(b"%d-0" % each)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / number / 1024


def table(
    numbers: Sequence[int] = NAMESPACES, rates: Sequence[int] = RATES, half: float = HALF
) -> str:
    """Share of requests that fetch, and dollars a month, for each way."""
    lines = [f"| use | requests/s | namespaces | {' | '.join(WAYS)} |", "|---" * 6 + "|"]
    for use, rate, number in product(("even", "Zipf"), rates, numbers):
        several = environments(rate)
        found = [simulate(use, number, rate / several, way, half) for way in WAYS]
        cells = [f"{each.share:.2%}, ${each.dollars(several):,.0f}" for each in found]
        lines.append(f"| {use} | {rate} | {number:,} | {' | '.join(cells)} |")
    shown = " and ".join(f"{environments(rate)} for {rate} requests/s" for rate in rates)
    memory = f"A ring of three keys takes {kib_of_a_ring():.1f} KiB of memory."
    return "\n".join([*lines, "", f"Environments: {shown}. {memory}"])


if __name__ == "__main__":
    page.show({"namespaces": table()})
