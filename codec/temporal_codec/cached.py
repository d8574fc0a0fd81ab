"""Values that live elsewhere and may be unreachable: fresh, stale, last good.

Key rings, JWKS and policies age in the same way, so they share this class.
A server has no thread in the background: on Lambda it would be frozen between requests.

`get` fetches and waits if it must. `held` never waits: if it must, it raises NotHeld.
"""

import asyncio
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from temporal_codec.clock import Clock, Life, system_clock

T = TypeVar("T")
Instant = tuple[float, float]  # of the wall clock and the monotonic one


class InThread(Protocol):
    """Runs a function that may wait in a thread: `asyncio.to_thread`, or a similar function."""

    async def __call__(self, work: Callable[..., T], /, *args: object) -> T: ...  # noqa: D102


class Unavailable(Exception):
    """The value cannot be fetched now, and none that may be used is held."""


class NotHeld(Exception):
    """The value must be fetched first, by a caller that may wait."""


class Cached(Generic[T]):
    """One value, fetched when it is asked for; safe to share between threads.

    `fetch` gives the value or raises any Exception. `fresh_for` may shorten its life, in seconds.
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
        self._last: tuple[Instant, Exception | None] | None = None  # the last fetch and its error

    @classmethod
    def of(cls, value: T) -> "Cached[T]":
        """A value that is never fetched again."""
        cached = cls(lambda: value, Life(math.inf, math.inf, math.inf))
        cached.warm()
        return cached

    def get(self) -> T:
        """The value; raises Unavailable.

        The caller that finds it stale fetches it and waits. All others get the held value.
        """
        before = self._held
        with suppress(NotHeld):
            return self.held()
        if self._flight.acquire(blocking=not self._usable()):
            try:
                if self._held is before and not self._cools_down():  # nobody was quicker
                    self._refresh()
            finally:
                self._flight.release()
        return self._last_good()

    def held(self, *, in_background: bool = False) -> T:
        """The value, if `get` would not wait for it; raises NotHeld, or Unavailable.

        `in_background` lets a thread refresh what has just become stale, so that a caller that
        asks often never waits for that. It is for workers: on Lambda the thread would be frozen.
        A value that nobody asked for in a long time is fetched first, unless that has just failed.
        """
        held = self._held
        if held is not None and self._age(held[1]) < self._fresh_for(held[0]):
            return held[0]
        if self._cools_down():
            return self._last_good()
        if held is None or not self._usable():
            raise NotHeld
        recent = self.is_failing or self._age(held[1]) < 2 * self._life.fresh
        if in_background and not recent:
            raise NotHeld
        if not self._flight.locked():
            if not in_background:
                raise NotHeld
            threading.Thread(target=self.warm, daemon=True).start()
        return held[0]

    def held_newer(self) -> T:
        """The value, if `get_newer` would not wait for it; raises NotHeld, or Unavailable."""
        if self._last is None or self._age(self._last[0]) >= self._life.cooldown:
            raise NotHeld
        if self._last[1] is not None:
            raise Unavailable from self._last[1]
        return self._last_good()

    async def ready(self, in_thread: InThread = asyncio.to_thread) -> T:
        """The value, fetched in a thread if it is not held; raises Unavailable."""
        try:
            return self.held()
        except NotHeld:
            return await in_thread(self.get)

    async def newer(self, in_thread: InThread = asyncio.to_thread) -> T:
        """`get_newer`, in a thread if it must fetch."""
        try:
            return self.held_newer()
        except NotHeld:
            return await in_thread(self.get_newer)

    def get_newer(self) -> T:
        """The value, fetched again for what the held one lacks; raises Unavailable.

        It is fetched at most once per cooldown. After a failed fetch it raises until the next one.
        """
        with self._flight:
            with suppress(NotHeld):
                return self.held_newer()
            self._refresh()
        return self.held_newer()

    def offer(self) -> Callable[[T], None]:
        """A function that stores a value fetched elsewhere, unless a fetch of it is in progress."""
        before = self._held

        def take(value: T) -> None:
            if self._flight.acquire(blocking=False):  # two that fetch for each other never wait
                if self._held is before:
                    self._keep(value)
                self._flight.release()

        return take

    def warm(self) -> None:
        """Fetch it if it is not fresh; a failure shows when it is needed."""
        with suppress(Unavailable):
            self.get()

    @property
    def has_value(self) -> bool:
        """Whether a value other than None is held."""
        return self._held is not None and self._held[0] is not None

    @property
    def is_failing(self) -> bool:
        """Whether a value is held that may be used although its last fetch failed."""
        return self._usable() and self._last is not None and self._last[1] is not None

    @property
    def is_stale(self) -> bool:
        """Whether the held value is stale."""
        return self._held is not None and self._age(self._held[1]) >= self._fresh_for(self._held[0])

    def _refresh(self) -> None:
        try:
            value = self._fetch()
        except Exception as error:  # noqa: BLE001 — whatever the reason, the last good one serves on
            self._last = (self._now(), error)
        else:
            self._keep(value)

    def _keep(self, value: T) -> None:
        now = self._now()
        self._held, self._last = (value, now), (now, None)

    def _cools_down(self) -> bool:
        at, error = self._last or (None, None)
        # An error can name a shorter time: throttling passes soon.
        cooldown = getattr(error, "cooldown", None) or self._life.cooldown
        return at is not None and error is not None and self._age(at) < cooldown

    def _usable(self) -> bool:
        return self._held is not None and self._age(self._held[1]) < self._life.last_good

    def _last_good(self) -> T:
        if self._held is not None and self._usable():
            return self._held[0]
        raise Unavailable from (self._last[1] if self._last else None)

    def _age(self, then: Instant) -> float:
        # The larger difference: a wall clock that was set back makes a value stale, not lost.
        wall = self._clock.time() - then[0]
        return max(self._life.fresh if wall < 0 else wall, self._clock.monotonic() - then[1])

    def _now(self) -> Instant:
        return self._clock.time(), self._clock.monotonic()
