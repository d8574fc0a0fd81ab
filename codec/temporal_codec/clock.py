"""The time, as caches measure it."""

import time
from collections.abc import Callable

import msgspec

Instant = tuple[float, float]
"""Wall-clock and monotonic seconds: a frozen environment stops one of them."""
Clock = Callable[[], Instant]


def system_clock() -> Instant:
    """Now."""
    return time.time(), time.monotonic()


class Life(msgspec.Struct, frozen=True):
    """How long a value may be used, in seconds."""

    fresh: float
    """Served without a fetch."""
    last_good: float
    """Served while it cannot be refreshed."""
    cooldown: float = 30.0
    """Between a failed fetch and the next, and between two fetches for what a value lacks."""
