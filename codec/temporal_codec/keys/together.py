"""Rings of many namespaces that are fetched together: one call refreshes those soon stale."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from temporal_codec.cached import Cached
from temporal_codec.clock import Clock
from temporal_codec.errors import KeyringUnavailable
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.keys import moment

Load = Callable[[str], Keyring]
"""See `sources.Loader`."""
Several = Callable[[Sequence[str]], Mapping[str, Keyring]]
"""Loads the rings of namespaces, without those that it cannot; raises KeyringUnavailable."""

AT_MOST = 20
"""Rings in one call: what AWS gives at most."""
_LOOKED_AT = 200
IDLE_ROUNDS = 3
"""How often a ring is fetched with others though nobody used it: measured, see performance.md."""


class Together:
    """The rings that are in use, the one that was fetched first at the front."""

    def __init__(self, load: Load, several: Several, clock: Clock, age: float) -> None:
        """Take what loads rings, and the age in seconds from which one is fetched with others."""
        self._load = load
        self._several = several
        self._clock = clock
        self._age = age
        self._lock = threading.Lock()
        self._rings: OrderedDict[str, tuple[Cached[Keyring | None], float, int]] = OrderedDict()
        self._asked: set[str] = set()

    def asked(self, namespace: str) -> None:
        """Note that a namespace's ring is used."""
        if namespace in self._rings:
            self._asked.add(namespace)

    def fetched(self, namespace: str, cached: Cached[Keyring | None], idle: int = 0) -> None:
        """Note that a ring was found; it goes to the end, as one that nobody used since."""
        with self._lock:
            self._asked.discard(namespace)
            self._rings[namespace] = cached, self._clock.time(), idle
            self._rings.move_to_end(namespace)

    def load(self, namespace: str) -> Keyring:
        """A ring, fetched with others if some are due (a `sources.Loader`)."""
        due = self._due(namespace)
        takes = {name: cached.offer() for name, (cached, _) in due.items()}
        found = self._several([namespace, *due]) if due else {}
        for name in due.keys() & found.keys():
            with suppress(KeyringUnavailable):  # without a key that seals it is a fault
                found[name].sealing(moment(self._clock))
                takes[name](found[name])
                self.fetched(name, *due[name])
        return found[namespace] if namespace in found else self._load(namespace)

    def _due(self, namespace: str) -> dict[str, tuple[Cached[Keyring | None], int]]:
        # Only those at the front: a ring that nobody used for some rounds is dropped.
        due: dict[str, tuple[Cached[Keyring | None], int]] = {}
        before = self._clock.time() - self._age
        with self._lock:
            for _ in range(min(_LOOKED_AT, len(self._rings))):
                name, (cached, at, idle) = next(iter(self._rings.items()))
                if at > before or len(due) == AT_MOST - 1:
                    break
                del self._rings[name]
                idle = 0 if name in self._asked else idle + 1
                if idle <= IDLE_ROUNDS and name != namespace:
                    due[name] = cached, idle
                self._asked.discard(name)
        return due
