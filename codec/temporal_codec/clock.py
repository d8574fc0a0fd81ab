"""The time, as caches measure it."""

import time
from typing import Protocol

import msgspec


class Clock(Protocol):
    """Gives the time in seconds: the module `time`, or the clock of a test."""

    def time(self) -> float:
        """Since 1970, as the wall clock shows it; an operator may set it back."""

    def monotonic(self) -> float:
        """Since some moment; a frozen environment may stop it."""


system_clock: Clock = time


class Life(msgspec.Struct, frozen=True):
    """How long a value may be used, in seconds."""

    fresh: float
    """Served without a fetch."""
    last_good: float
    """Served while it cannot be refreshed."""
    cooldown: float = 30.0
    """Between a failed fetch and the next, and between two fetches for what a value lacks."""
