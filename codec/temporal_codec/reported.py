"""Fetches that say so when they start to fail: once for each outage, with the cause."""

import logging
from collections.abc import Callable
from typing import TypeVar

from temporal_codec.errors import CodecError

T = TypeVar("T")
log = logging.getLogger("temporal_codec")


def reported(name: str, fetch: Callable[[], T]) -> Callable[[], T]:
    """The same fetch, whose first failure after a success is logged."""
    failing = False

    def fetch_and_tell() -> T:
        nonlocal failing
        try:
            value = fetch()
        except Exception as error:
            if not failing:
                log.warning("%s cannot be refreshed: %s", name, _cause(error))
            failing = True
            raise
        failing = False
        return value

    return fetch_and_tell


def _cause(error: Exception) -> str:
    # Our own texts quote no secret; of other errors only the type is shown.
    if isinstance(error, CodecError):
        return str(error)
    return getattr(error, "strerror", None) or type(error).__name__
