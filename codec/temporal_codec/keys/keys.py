"""One namespace's keys, from a ring that is held or fetched when a key is needed."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from temporal_codec.cached import Cached, NotHeld, Unavailable
from temporal_codec.clock import Clock, system_clock
from temporal_codec.errors import KeyringNotFound, KeyringUnavailable, PayloadError, Reason
from temporal_codec.keys.keyring import Key, Keyring


class Keys(Protocol):
    """One namespace's keys.

    A class may have a method `held(*, in_background=False)` beside these: the keys that are used
    without waiting, whose methods raise NotHeld where a key must be fetched. Without it every use
    takes a thread.
    """

    def opening(self, key_id: bytes) -> Key:
        """The key of this id.

        Raises PayloadError where there is none, KeyringUnavailable where that is not known now.
        """

    def sealing(self) -> Key:
        """The key that seals now.

        Raises KeyringNotFound where there is no ring, KeyringUnavailable where it is unreachable.
        """

    @property
    def is_stale(self) -> bool:
        """Whether the ring that was used outlived its fresh time, and could not be refreshed."""


class _NoKeys:
    """What is held of keys that do not say so."""

    is_stale = False

    def opening(self, _key_id: bytes) -> Key:
        raise NotHeld

    def sealing(self) -> Key:
        raise NotHeld


def held(keys: Keys, *, in_background: bool = False) -> Keys:
    """The keys that need not be fetched; `in_background` is that of `Cached.held`."""
    method = getattr(keys, "held", None)
    found: Keys = method(in_background=in_background) if method else _NoKeys()
    return found


Ring = Callable[[], Keyring | None]
"""Gives a ring, or None where there is none; raises Unavailable, or NotHeld."""


class RingKeys:
    """The keys of a ring (a `Keys`)."""

    def __init__(self, ring: Keyring | Cached[Keyring | None], clock: Clock = system_clock) -> None:
        """Take a ring, or the cache that fetches it; None stands for a ring that does not exist."""
        self._cached = Cached[Keyring | None].of(ring) if isinstance(ring, Keyring) else ring
        self._clock = clock
        self._get: Ring = self._cached.get
        self._get_newer: Ring = self._cached.get_newer

    def opening(self, key_id: bytes) -> Key:
        """See `Keys`."""
        ring = _ask(self._get)
        key = ring.get(key_id) if ring else None
        if key is not None:
            return key
        ring = _ask(self._get_newer)
        key = ring.get(key_id) if ring else None
        if key is None:
            raise PayloadError(Reason.UNKNOWN_KEY if ring else Reason.NO_KEYRING)
        return key

    def sealing(self) -> Key:
        """See `Keys`."""
        ring = _ask(self._get)
        if ring is None:
            raise KeyringNotFound("there is no key ring for this namespace")
        return ring.sealing(moment(self._clock))

    @property
    def is_stale(self) -> bool:
        """See `Keys`."""
        return self._cached.is_stale

    def held(self, *, in_background: bool = False) -> "RingKeys":
        """See `Keys`; `in_background` is that of `Cached.held`."""
        held = RingKeys(self._cached, self._clock)
        held._get = partial(self._cached.held, in_background=in_background)
        held._get_newer = self._cached.held_newer
        return held


def _ask(get: Ring) -> Keyring | None:
    try:
        return get()
    except Unavailable as error:
        raise KeyringUnavailable(f"no key ring: {error.__cause__}") from error.__cause__


def moment(clock: Clock) -> datetime:
    """What the clock's wall shows."""
    return datetime.fromtimestamp(clock()[0], UTC)
