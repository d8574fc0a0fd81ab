"""Fetched before the first request, side by side: the issuer's keys, the policy, the key ring."""

from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

from handlers.access.guard import Guard
from temporal_codec.cached import Cached

Fetch = Callable[[], None]


def warm(caches: Iterable[Cached[Any]], guard: Guard | None) -> None:
    """Fetch what every request will need; a failure shows when the value is needed."""
    side_by_side([*(each.warm for each in caches), *(guard.warmers() if guard else ())])


def side_by_side(fetches: Iterable[Fetch]) -> None:
    """Do all at once, and wait for the last."""
    threads = [Thread(target=each, daemon=True) for each in fetches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
