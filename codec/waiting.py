"""Who may wait: work is done in the event loop until it has to wait for something."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


class WouldWait(BaseException):
    """Something has to be fetched, by somebody who must not wait; no fault, so no Exception."""


_MAY_WAIT = ContextVar("may wait", default=True)


async def promptly(work: Callable[[], T]) -> T:
    """Do work that seldom waits: here while it need not, and in a thread once it must.

    A thread costs more than a small decode, and a fetch in an event loop would stop all others.
    The work may be begun twice.
    """
    before = _MAY_WAIT.set(False)
    try:
        return work()
    except WouldWait:
        pass
    finally:
        _MAY_WAIT.reset(before)
    return await asyncio.to_thread(work)


def may_wait() -> bool:
    """Whether the work at hand may wait for a network, a lock or a disk."""
    return _MAY_WAIT.get()


def before_waiting() -> None:
    """Called by whatever is about to wait; raises WouldWait where that must be done elsewhere."""
    if not may_wait():
        raise WouldWait
