"""One namespace's keys, from a ring that is held or fetched when a key is needed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from temporal_codec.allowance import Allowance
from temporal_codec.cached import Cached, InThread, NotHeld, Unavailable
from temporal_codec.clock import Clock, system_clock
from temporal_codec.errors import KeyringNotFound, KeyringUnavailable, PayloadError, Reason
from temporal_codec.keys.key import Key, fingerprint
from temporal_codec.keys.keyring import Keyring


class Keys(Protocol):
    """One namespace's keys.

    A class may have a method `held(*, in_background=False)` beside these: the keys that are used
    without waiting, whose methods raise NotHeld if a key must be fetched. Without it every use
    takes a thread. And it may have an `Unwrap` named `unwrapped`, for payloads that bring a key.
    """

    def opening(self, key_id: bytes) -> Key:
        """The key of this id.

        Raises PayloadError if there is none, KeyringUnavailable if that is not known now.
        """

    def sealing(self) -> Key:
        """The key that seals now.

        Raises KeyringNotFound if there is no ring, KeyringUnavailable if it is unreachable.
        """

    @property
    def is_stale(self) -> bool:
        """Whether the ring that was used is stale, because it could not be refreshed."""


class _NoKeys:
    """Stands for the held keys of a class that has no method `held`."""

    is_stale = False

    def opening(self, *_: object, **__: object) -> Key:
        raise NotHeld

    sealing = unwrapped = opening


Unwrap = Callable[..., Key]
"""Gives the data key that a payload brings: see `temporal_codec.keys.envelope.Kms.opening`."""


def first_of(ways: Iterable[Unwrap | None]) -> Unwrap | None:
    """A function that tries each given way until one has the key; None if there is no way."""
    known = [way for way in ways if way is not None]

    def unwrapped(metadata: Mapping[str, bytes], allowance: Allowance, *, wait: bool) -> Key:
        for way in known[:-1]:
            try:
                return way(metadata, allowance, wait=wait)
            except PayloadError as error:
                if error.reason not in {Reason.FOREIGN_FORMAT, Reason.UNKNOWN_KEY}:
                    raise
        return known[-1](metadata, allowance, wait=wait)

    return unwrapped if len(known) > 1 else next(iter(known), None)


def held(keys: Keys, *, in_background: bool = False) -> Keys:
    """The keys that need not be fetched; `in_background` is that of `Cached.held`."""
    method = getattr(keys, "held", None)
    found: Keys = method(in_background=in_background) if method else _NoKeys()
    return found


async def sealing_key(
    keys: Keys, in_thread: InThread = asyncio.to_thread, *, in_background: bool = False
) -> Key:
    """The key that seals now, fetched in a thread if it is not held; raises as `sealing`."""
    try:
        return held(keys, in_background=in_background).sealing()
    except NotHeld:
        return await in_thread(keys.sealing)


Ring = Callable[[], Keyring | None]
"""Gives a ring, or None if there is none; raises Unavailable, or NotHeld."""


class RingKeys:
    """A namespace's keys in a ring (a `Keys`)."""

    def __init__(
        self,
        ring: Keyring | Cached[Keyring | None],
        namespace: str = "default",
        clock: Clock = system_clock,
        place: str = "for this namespace",
    ) -> None:
        """Take a ring, or the cache that fetches it; None stands for a ring that does not exist.

        `place` says where it was looked for.
        """
        self._cached = None if isinstance(ring, Keyring) else ring
        self._get: Ring = (lambda: ring) if isinstance(ring, Keyring) else ring.get
        self._get_newer: Ring = self._get if isinstance(ring, Keyring) else ring.get_newer
        self._namespace = namespace
        self._clock = clock
        self._place = place
        self._derived: dict[str, tuple[Key, Key]] = {}
        self._views: dict[bool, RingKeys] = {}

    def opening(self, key_id: bytes) -> Key:
        """See `Keys`."""
        ring = _ask(self._get)
        key = ring.get(key_id) if ring is not None else None
        if key is None:
            ring = _ask(self._get_newer)
            key = ring.get(key_id) if ring is not None else None
        if key is None:
            # The id is a caller's text: its length and hash are enough to search for it.
            about = f"key-id:{len(key_id)}:{fingerprint(key_id)}"
            raise PayloadError(Reason.UNKNOWN_KEY if ring is not None else Reason.NO_KEYRING, about)
        return self._own(key) if key.derives else key

    def sealing(self) -> Key:
        """See `Keys`."""
        ring = _ask(self._get)
        if ring is None:
            raise KeyringNotFound(f"there is no key ring {self._place}")
        key = ring.sealing(moment(self._clock))
        return self._own(key) if key.derives else key

    @property
    def is_stale(self) -> bool:
        """See `Keys`."""
        return self._cached is not None and self._cached.is_stale

    @property
    def has_value(self) -> bool:
        """Whether the ring was found."""
        return self._cached is None or self._cached.has_value

    @property
    def is_failing(self) -> bool:
        """Whether the ring is a last good one."""
        return self._cached is not None and self._cached.is_failing

    def held(self, *, in_background: bool = False) -> "RingKeys":
        """See `Keys`; `in_background` is that of `Cached.held`."""
        if self._cached is None:
            return self
        view = self._views.get(in_background)
        if view is None:
            view = self._views[in_background] = copy(self)
            view.ask(
                partial(self._cached.held, in_background=in_background), self._cached.held_newer
            )
        return view

    def ask(self, get: Ring, get_newer: Ring) -> None:
        """Take the ring from these from now on."""
        self._get, self._get_newer = get, get_newer

    def _own(self, key: Key) -> Key:
        # The namespace's own key, derived once; a newer ring may have another key of the same id.
        known = self._derived.get(key.id)
        if known is None or known[0] is not key:
            known = self._derived[key.id] = key, key.derived(self._namespace)
        return known[1]


def _ask(get: Ring) -> Keyring | None:
    try:
        return get()
    except Unavailable as error:
        raise KeyringUnavailable(f"no key ring: {error.__cause__}") from error.__cause__


def moment(clock: Clock) -> datetime:
    """The current time of the clock, in UTC."""
    return datetime.fromtimestamp(clock.time(), UTC)
