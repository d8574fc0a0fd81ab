"""Many values of one kind: a ring for each namespace, a role for each person."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from temporal_codec.cached import Cached

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class CachedByName(Generic[K, T]):
    """A `Cached` for each of the names that are in use, the least used one given up first."""

    def __init__(self, make: Callable[[K], Cached[T]], at_most: int = 256) -> None:
        self._make = make
        self._at_most = at_most
        self._lock = threading.Lock()
        self._by_name: OrderedDict[K, Cached[T]] = OrderedDict()

    def __getitem__(self, name: K) -> Cached[T]:
        with self._lock:
            cached = self._by_name.get(name)
            if cached is None:
                cached = self._by_name[name] = self._make(name)
                if len(self._by_name) > self._at_most:
                    self._by_name.popitem(last=False)
            self._by_name.move_to_end(name)
            return cached
