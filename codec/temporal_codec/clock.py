"""The time, as caches measure it."""

import time
from collections.abc import Callable

Instant = tuple[float, float]
"""Wall-clock and monotonic seconds: a frozen environment stops one of them."""
Clock = Callable[[], Instant]


def system_clock() -> Instant:
    """Now."""
    return time.time(), time.monotonic()
