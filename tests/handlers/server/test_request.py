"""A request's time: what waits has a limit, and what does not wait has none."""

import asyncio
import threading
import zlib
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import pytest

from handlers.server.problem import Problem
from handlers.server.request import Request
from temporal_codec import Keyring
from temporal_codec.protobuf import serialize
from tests.codec.rings import Content, key, plain, sealed, source_of
from tests.handlers.calls import app, call
from tests.handlers.server.test_outage import body

SCOPE = {"method": "POST", "path": "/decode", "query_string": b"", "headers": []}


async def nothing() -> dict[str, Any]:
    return {}


class Context:
    """Lambda's, with the milliseconds that are left."""

    def __init__(self, left: int) -> None:
        self._left = left

    def get_remaining_time_in_millis(self) -> int:
        return self._left


def request(left: int) -> Request:
    return Request({**SCOPE, "aws.context": Context(left)}, nothing)


def test_work_in_a_thread_ends_with_the_time_of_the_request() -> None:
    """The request is answered; the thread goes on by itself."""
    may_end = threading.Event()

    async def given_up() -> str:
        with pytest.raises(Problem, match="time"):
            await request(600).in_thread(may_end.wait, 10)
        may_end.set()
        return await request(5000).in_thread(lambda: threading.current_thread().name)

    assert asyncio.run(given_up()) != threading.main_thread().name


def test_a_time_out_of_the_work_stays_one() -> None:
    """It is a fault of what was asked, and not of the request's time."""

    def own() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(request(5000).in_thread(own))


def test_a_request_that_waits_can_be_cancelled() -> None:
    """A server that stops cancels its requests."""
    may_end = threading.Event()

    async def cancelled() -> bool:
        task = asyncio.create_task(request(30_000).in_thread(may_end.wait, 10))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        may_end.set()
        return task.cancelled()

    assert asyncio.run(cancelled())


def test_with_less_than_half_a_second_left_it_answers_itself() -> None:
    """L2: 503 from us, before the function is ended without an answer."""
    assert request(501).seconds_left() > 0
    with pytest.raises(Problem, match="time"):
        request(499).seconds_left()


class Name(bytes):
    """A header's name that counts how often it is compared."""

    compared = 0
    __hash__ = bytes.__hash__

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return super().__eq__(other)


def test_a_head_of_thousands_of_names_is_read_once() -> None:
    """33 KB of them, without a token, once took half a second: each name was looked for in all."""
    fields = [(Name(b"%d" % (n % 2500)), b"%d" % n) for n in range(8000)]
    made = Request({**SCOPE, "headers": fields}, nothing)
    assert made.headers[b"7"] == b"7, 2507, 5007, 7507"
    assert Name.compared < 50_000


@dataclass
class Slow:
    """What counts its calls, and takes two seconds of a clock each time."""

    real: Callable[..., Any]
    calls: int = 0

    def clock(self) -> float:
        return 2.0 * self.calls

    def __call__(self, *given: Any) -> Any:
        self.calls += 1
        return self.real(*given)


ZLIB = Content({"encoding": b"binary/zlib"}, zlib.compress(plain()))


@pytest.mark.parametrize(
    ("path", "slow", "sent"),
    [
        ("/decode", "zlib.decompressobj", [ZLIB]),
        ("/decode", "zlib.decompressobj", [sealed(serialize(*astuple(ZLIB)), key(1))]),
        ("/encode", "zlib.compress", [Content({}, b"x")]),
    ],
    ids=["inflating", "inflating what is sealed", "compressing"],
)
@pytest.mark.parametrize("held", [True, False], ids=["held keys", "keys to fetch"])
def test_work_without_waiting_ends_with_the_time_of_the_request(
    path: str, slow: str, sent: list[Content], held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2: a thousand steps of two seconds end after 14.5 of them, and the caller gets 503."""
    work = Slow(getattr(zlib, slow.removeprefix("zlib.")))
    source = source_of(Keyring([key(1)]))
    served = app(source, compression="zlib")
    if held:
        call(served, "/encode", body(Content({}, b"x")))
    monkeypatch.setattr(f"temporal_codec.compression.{slow}", work)
    monkeypatch.setattr("handlers.server.request.time.perf_counter", work.clock)
    reply = call(served, path, body(*sent * 1000))
    assert reply.status == 503
    assert reply.headers["retry-after"] == "30"
    assert work.calls == 8


@pytest.mark.parametrize(("steps", "status"), [(7, 200), (8, 503)])
def test_what_was_inflated_too_late_is_not_rendered(
    steps: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2: rendering megabytes takes time, too; the last step of two seconds leaves none for it."""
    work = Slow(zlib.decompressobj)
    served = app(source_of(Keyring([key(1)])))
    monkeypatch.setattr("temporal_codec.compression.zlib.decompressobj", work)
    monkeypatch.setattr("handlers.server.request.time.perf_counter", work.clock)
    assert call(served, "/decode", body(*[ZLIB] * steps)).status == status
    assert work.calls == steps


def test_with_less_than_half_a_second_left_nothing_is_read() -> None:
    """L2: such a request gets 503 before its body is looked at; its record says so."""
    records: list[Any] = []
    reply = call(app(write=records.append), context=Context(499))
    assert (reply.status, reply.headers["retry-after"]) == (503, "30")
    assert (records[0].reason, records[0].bytes_in) == ("time", 0)
