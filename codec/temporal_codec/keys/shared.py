"""A namespace's own keys, and those of rings that it shares with other namespaces."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from temporal_codec.cached import Cached, NotHeld
from temporal_codec.errors import CodecError, KeyringUnavailable
from temporal_codec.keys.key import Key
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.keys import Keys, first_of, held

SHARED = "shared"
"""What a shared ring's keys are derived for, if they derive: not for any single namespace."""


class _HeldKeys:
    """The keys that need not be fetched (a `Keys`)."""

    def __init__(self, own: Keys, shared: Iterable[Keys]) -> None:
        self._all: Sequence[Keys] = (own, *shared)
        self.sealing = own.sealing
        self.unwrapped = first_of(getattr(keys, "unwrapped", None) for keys in self._all)

    def opening(self, key_id: bytes) -> Key:
        """See `Keys`: the key of the first ring that has it."""
        faults: list[Exception] = []
        for keys in self._all:
            try:
                return keys.opening(key_id)
            except (NotHeld, CodecError) as error:
                faults.append(error)
        # A ring that cannot be read may have the key, so the key is not unknown.
        passing = [each for each in faults if isinstance(each, NotHeld | KeyringUnavailable)]
        raise (passing or faults)[0]

    @property
    def is_stale(self) -> bool:
        """See `Keys`."""
        return any(keys.is_stale for keys in self._all)


class SharedKeys(_HeldKeys):
    """Seals with the namespace's own key; opens with its own ring and the shared ones (a `Keys`).

    Each ring needs key ids of its own, as random ones are: the id says which ring opens a payload.
    """

    def opening(self, key_id: bytes) -> Key:
        """See `Keys`. No ring is fetched again for a key that another one holds."""
        try:
            return self.held().opening(key_id)
        except (NotHeld, CodecError):
            return super().opening(key_id)

    def held(self, *, in_background: bool = False) -> Keys:
        """See `Keys`."""
        own, *shared = (held(keys, in_background=in_background) for keys in self._all)
        return _HeldKeys(own, shared)


class Source(Protocol):
    """The type that `open_source` returns."""

    def keys(self, namespace: str) -> Keys: ...  # noqa: D102

    def caches(self) -> list[Cached[Keyring | None]]: ...  # noqa: D102


class SharingSource:
    """A source whose namespaces also open with the keys of others (a `KeySource`)."""

    def __init__(self, own: Source, others: Callable[[str], Sequence[Keys]]) -> None:
        """Take the source, and what gives a namespace's other keys."""
        self.caches = own.caches

        def keys(namespace: str) -> Keys:
            keys, more = own.keys(namespace), others(namespace)
            return SharedKeys(keys, more) if more else keys

        self.keys = lru_cache(256)(keys)
        """See `KeySource`."""
