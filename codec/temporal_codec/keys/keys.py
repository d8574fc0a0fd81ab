"""The keys of one ring, be it at hand or fetched when it is needed."""

from collections.abc import Callable
from datetime import UTC, datetime

from temporal_codec.cached import Cached, Clock, Unavailable, system_clock
from temporal_codec.errors import KeyringNotFound, KeyringUnavailable, PayloadError, Reason
from temporal_codec.keys.keyring import Key, Keyring


class RingKeys:
    """The keys of a ring that is at hand."""

    def __init__(self, ring: Keyring, clock: Clock = system_clock) -> None:
        self._ring = ring
        self._clock = clock

    def opening(self, key_id: bytes) -> Key:
        """See `Keys`."""
        key = self._ring.get(key_id)
        if key is None:
            raise PayloadError(Reason.UNKNOWN_KEY)
        return key

    def sealing(self) -> Key:
        """See `Keys`."""
        return self._ring.sealing(moment(self._clock))

    @property
    def is_stale(self) -> bool:
        """Never: it is not fetched."""
        return False

    def at_hand(self) -> "RingKeys":
        """See `KeysAtHand`."""
        return self


class CachedKeys:
    """The keys of a ring that is fetched when one is asked for."""

    def __init__(self, cached: Cached[Keyring | None], clock: Clock) -> None:
        """Take what fetches the ring; None stands for one that does not exist."""
        self._cached = cached
        self._clock = clock

    def opening(self, key_id: bytes) -> Key:
        """See `Keys`."""
        ring = self._ask(self._cached.get)
        key = ring.get(key_id) if ring else None
        if key is not None:
            return key
        ring = self._ask(self._cached.get_newer)
        if ring is None:
            raise PayloadError(Reason.NO_KEYRING)
        return RingKeys(ring).opening(key_id)

    def sealing(self) -> Key:
        """See `Keys`."""
        ring = self._ask(self._cached.get)
        if ring is None:
            raise KeyringNotFound("there is no key ring for this namespace")
        return ring.sealing(moment(self._clock))

    @property
    def is_stale(self) -> bool:
        """See `Keys`."""
        return self._cached.is_stale

    def at_hand(self) -> RingKeys | None:
        """See `KeysAtHand`."""
        ring = self._cached.get_at_once()
        return RingKeys(ring, self._clock) if ring else None

    def _ask(self, get: Callable[[], Keyring | None]) -> Keyring | None:
        try:
            return get()
        except Unavailable as error:
            raise KeyringUnavailable(f"no key ring: {error.__cause__}") from error.__cause__


def moment(clock: Clock) -> datetime:
    """What the clock's wall shows."""
    return datetime.fromtimestamp(clock()[0], UTC)
