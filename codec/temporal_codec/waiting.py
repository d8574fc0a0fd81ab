"""Who may wait: work is done in the event loop until it has to wait for something."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class WouldWait(BaseException):
    """Something has to be fetched, by somebody who must not wait; no fault, so no Exception."""


_MAY_WAIT = ContextVar("may wait", default=True)


class TooLate(Exception):
    """What was waited for did not come in time."""


async def promptly(work: Callable[[], T], seconds: float | None = None) -> T:
    """Do work that seldom waits: here while it need not, and in a thread once it must.

    A thread costs more than a small decode, and a fetch in an event loop would stop all others.
    The work may be begun twice.
    Raises TooLate after so many seconds in the thread, which goes on by itself.
    """
    before = _MAY_WAIT.set(False)
    try:
        return work()
    except WouldWait:
        pass
    finally:
        _MAY_WAIT.reset(before)
    return await in_time(asyncio.to_thread(work), seconds)


async def in_time(awaited: Coroutine[Any, Any, T], seconds: float | None) -> T:
    """Await something; raises TooLate after so many seconds of waiting.

    Where it need not wait, there is no timer: one costs as much as decoding a small payload.
    """
    try:
        waits_for = awaited.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await _rest(awaited, waits_for)
    except TimeoutError:
        if limit.expired():
            raise TooLate from None
        raise  # its own


@coroutine
def _rest(begun: Coroutine[Any, Any, T], waits_for: object) -> Generator[Any, Any, T]:
    # What `await begun` would do from its first wait on.
    while True:
        try:
            yield waits_for
            resume = partial(begun.send, None)
        except BaseException as error:  # noqa: BLE001 — it is the other's to handle
            resume = partial(begun.throw, error)
        try:
            waits_for = resume()
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


def may_wait() -> bool:
    """Whether the work at hand may wait for a network, a lock or a disk."""
    return _MAY_WAIT.get()


def before_waiting() -> None:
    """Called by whatever is about to wait; raises WouldWait where that must be done elsewhere."""
    if not may_wait():
        raise WouldWait
