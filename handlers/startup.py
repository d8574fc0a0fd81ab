"""Fetched before the first request, side by side: the issuer's keys, the policy, the key ring."""

from collections.abc import Callable, Iterable
from threading import Thread

from handlers.access.guard import Guard
from temporal_codec.keys.sources import KeySource

Fetch = Callable[[], None]


def warm(source: KeySource, guard: Guard | None) -> None:
    """Fetch what every request will need; whatever fails is told when it matters."""
    side_by_side([source.warm, *(guard.warmers() if guard else ())])


def side_by_side(fetches: Iterable[Fetch]) -> None:
    """Do all at once, and wait for the last."""
    threads = [Thread(target=each, daemon=True) for each in fetches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
