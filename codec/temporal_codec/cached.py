"""Values that live elsewhere and may be unreachable: fresh, stale, last good.

Key rings, JWKS and policies live the same life, so they share this one class.
A server has no thread in the background: on Lambda it would be frozen between requests.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from temporal_codec.waiting import before_waiting, may_wait

T = TypeVar("T")

Instant = tuple[float, float]
"""Wall-clock and monotonic seconds: a frozen environment stops one of them."""
Clock = Callable[[], Instant]


def system_clock() -> Instant:
    """Now."""
    return time.time(), time.monotonic()


@dataclass(frozen=True, slots=True)
class Life:
    """How long a value may be used, in seconds."""

    fresh: float
    """Served without a question."""
    last_good: float
    """Served while it cannot be refreshed."""
    cooldown: float = 30.0
    """Between a failed fetch and the next, and between two fetches for what a value lacks."""


class Unavailable(Exception):
    """The value cannot be fetched now, and none that may be used is held."""


@dataclass(frozen=True, slots=True)
class _Fetch(Generic[T]):
    """The last time that the value was fetched, and how it ended."""

    at: Instant
    error: Exception | None


class Cached(Generic[T]):
    """One value, fetched when it is asked for; safe to share between threads.

    `fetch` gives the value or raises any Exception.
    `fresh_for` may shorten the life of a value, in seconds: an absent one is asked for sooner.
    """

    def __init__(
        self,
        fetch: Callable[[], T],
        life: Life,
        clock: Clock = system_clock,
        fresh_for: Callable[[T], float] | None = None,
    ) -> None:
        self._fetch = fetch
        self._life = life
        self._clock = clock
        self._fresh_for = fresh_for or (lambda _value: life.fresh)
        self._flight = threading.Lock()
        self._held: tuple[T, Instant] | None = None
        self._last: _Fetch[T] | None = None

    def get(self) -> T:
        """The value; raises Unavailable.

        Who finds it stale fetches it and waits for that; all others get what is held meanwhile.
        """
        held = self._held
        if held is not None and self._age(held[1]) < self._fresh_for(held[0]):
            return held[0]
        if self._cools_down() or not self._takes_off(waits=not self._usable()):
            return self._last_good()
        try:
            if self._held is held and not self._cools_down():  # nobody was quicker
                self._refresh()
        finally:
            self._flight.release()
        return self._last_good()

    def get_at_once(self) -> T | None:
        """The value, if there is one to be had without waiting.

        A thread refreshes what has just become stale, so who asks often never waits for that.
        What nobody asked for in a long time must be fetched first, unless that has just failed.
        It is for workers: on Lambda the thread would be frozen.
        """
        held = self._held
        if held is None or not self._usable():
            return None
        if self.is_stale:
            if self._age(held[1]) >= 2 * self._life.fresh and not self._failed():
                return None
            if not self._cools_down() and not self._flight.locked():
                threading.Thread(target=self.warm, daemon=True).start()
        return held[0]

    def get_newer(self) -> T:
        """The value after a look for what the held one lacks; raises Unavailable.

        It is fetched at most once per cooldown, whatever comes of it; after a fetch that failed
        nobody can tell what is lacking, so until the next one this raises.
        """
        self._takes_off(waits=True)
        try:
            if self._last is None or self._age(self._last.at) >= self._life.cooldown:
                self._refresh()
            if self._last is not None and self._last.error is not None:
                raise Unavailable from self._last.error
        finally:
            self._flight.release()
        return self._last_good()

    def warm(self) -> None:
        """Fetch it if it is not fresh; a failure is told to whoever needs it."""
        with suppress(Unavailable):
            self.get()

    @property
    def is_stale(self) -> bool:
        """Whether what is held outlived its fresh time."""
        held = self._held
        return held is not None and self._age(held[1]) >= self._fresh_for(held[0])

    def _takes_off(self, *, waits: bool) -> bool:
        # Whether the flight is ours: one fetches, for all.
        if self._flight.acquire(blocking=waits and may_wait()):
            return True
        if waits:
            before_waiting()
        return False

    def _refresh(self) -> None:
        before_waiting()
        try:
            value = self._fetch()
        except Exception as error:  # noqa: BLE001 — whatever the reason, the last good one serves on
            self._last = _Fetch(self._clock(), error)
        else:
            now = self._clock()
            self._held, self._last = (value, now), _Fetch(now, None)

    def _cools_down(self) -> bool:
        last = self._last
        return self._failed() and last is not None and self._age(last.at) < self._life.cooldown

    def _failed(self) -> bool:
        return self._last is not None and self._last.error is not None

    def _usable(self) -> bool:
        held = self._held
        return held is not None and self._age(held[1]) < self._life.last_good

    def _last_good(self) -> T:
        held = self._held
        if held is not None and self._age(held[1]) < self._life.last_good:
            return held[0]
        raise Unavailable from (self._last.error if self._last else None)

    def _age(self, then: Instant) -> float:
        # The larger difference; a wall clock that was set back makes everything old.
        now = self._clock()
        wall = now[0] - then[0]
        return float("inf") if wall < 0 else max(wall, now[1] - then[1])
