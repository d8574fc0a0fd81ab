"""Many values of one kind: a ring for each namespace, a role for each person."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import islice
from typing import Generic, Protocol, TypeVar

MAX_EMPTY = 128


class MayBeEmpty(Protocol):
    """A value that is cached by name: a `Cached`, or an object around one."""

    @property
    def has_value(self) -> bool:
        """Whether it holds a value that was found, and not that there is none."""

    @property
    def is_failing(self) -> bool:
        """Whether its value is a last good one, which cannot be fetched again now."""


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=MayBeEmpty)


class CachedByName(Generic[K, V]):
    """A cached value for each name that is in use. The least recently used one is dropped first.

    Names that have no value have a room of their own: a caller that invents names drops other
    invented names, and never the value of a name that exists. What cannot be fetched again now
    is not dropped either: `at_most` is exceeded for as long as its source is down.
    """

    def __init__(self, make: Callable[[K], V], at_most: int = 256) -> None:
        self._make = make
        self._at_most = at_most
        self._lock = threading.Lock()
        self._values: OrderedDict[K, V] = OrderedDict()
        self._empty: OrderedDict[K, V] = OrderedDict()

    def __getitem__(self, name: K) -> V:
        with self._lock:
            found = self._values.get(name)
            if found is None:
                found = self._newcomer(name)
            else:
                self._values.move_to_end(name)
            return found

    def _newcomer(self, name: K) -> V:
        found = self._empty.pop(name, None)
        if found is None:
            found = self._make(name)
        self._settle()
        self._empty[name] = found
        if len(self._empty) > MAX_EMPTY:
            self._empty.popitem(last=False)
        return found

    def _settle(self) -> None:
        # Those whose value was found since they came move to the others.
        for name in [name for name, each in self._empty.items() if each.has_value]:
            self._values[name] = self._empty.pop(name)
        surplus = len(self._values) - self._at_most
        if surplus > 0:
            may_go = (name for name, each in self._values.items() if not each.is_failing)
            for name in list(islice(may_go, surplus)):
                del self._values[name]
