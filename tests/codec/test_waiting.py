"""Work is done at once where it need not wait; where it must, it has a limit."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from temporal_codec.waiting import TooLate, before_waiting, in_time, promptly


@contextmanager
def timers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float | None]]:
    """The limits that were set meanwhile."""
    limits: list[float | None] = []
    real = asyncio.timeout

    def timeout(seconds: float | None) -> asyncio.Timeout:
        limits.append(seconds)
        return real(seconds)

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "timeout", timeout)
        yield limits


async def seven() -> int:
    return 7


async def later(seconds: float) -> int:
    await asyncio.sleep(seconds)
    await asyncio.sleep(0)
    return 8


def test_what_need_not_wait_has_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    with timers(monkeypatch) as limits:
        assert asyncio.run(in_time(seven(), 5)) == 7
        assert limits == []
        assert asyncio.run(in_time(later(0.001), 5)) == 8
        assert limits == [5]


def test_what_waits_too_long_is_given_up() -> None:
    gave_up = []

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            gave_up.append(True)
            raise

    with pytest.raises(TooLate):
        asyncio.run(in_time(long(), 0.01))
    assert gave_up == [True]


def test_without_a_limit_it_waits() -> None:
    assert asyncio.run(in_time(later(0.01), None)) == 8


@pytest.mark.parametrize("seconds", [0, 0.001])
def test_a_time_out_of_its_own_stays_one(seconds: float) -> None:
    async def own() -> None:
        if seconds:
            await asyncio.sleep(seconds)
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(in_time(own(), 5))


def test_a_fault_of_what_it_waits_for_is_its_own_to_handle() -> None:
    async def handles() -> str:
        failing = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failing.set_exception, ValueError("no"))
        try:
            await failing
        except ValueError as error:
            await asyncio.sleep(0)
            return f"handled: {error}"
        return "unseen"

    assert asyncio.run(in_time(handles(), 5)) == "handled: no"


def test_who_waits_can_be_cancelled() -> None:
    async def cancelled() -> bool:
        task = asyncio.create_task(in_time(later(60), 30))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(cancelled())


def test_work_that_must_wait_goes_to_a_thread_and_has_a_limit() -> None:
    may_end = threading.Event()
    threads = []

    def work() -> str:
        before_waiting()
        threads.append(threading.current_thread())
        may_end.wait(10)
        return "done"

    async def given_up() -> None:
        with pytest.raises(TooLate):
            await promptly(work, 0.05)
        may_end.set()  # asyncio.run waits for its threads
        assert await promptly(work, 5) == "done"

    asyncio.run(given_up())
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_work_that_need_not_wait_is_done_here() -> None:
    assert asyncio.run(promptly(threading.current_thread, 5)) is threading.main_thread()
