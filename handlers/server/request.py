"""A request, with the time that it has and the record that is kept of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeVar

from handlers.server.audit import Record, begin, printable
from handlers.server.problem import Problem

MAX_BODY_BYTES = 4_500_000
MAX_HELD_BYTES = 128_000_000
"""Of bodies of all requests at a time; above it, only those up to SMALL_BODY_BYTES are read."""
SMALL_BODY_BYTES = 65_536
BODY_SECONDS = 10  # below the time of the whole request
# A request has this long, or on Lambda as long as its function, less the time to refuse it.
SECONDS = 15.0
MARGIN_SECONDS = 0.5

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Disconnected(Exception):
    """The client closed the connection."""


class Request:
    """One HTTP request, and its record."""

    held = 0
    """Bytes of the bodies of all requests that are not answered yet."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = _by_name(scope["headers"])
        """Values by lower-case name; several of one name are joined."""
        self.repeated = len(self.headers) < len(scope["headers"])
        """Whether a header came more than once."""
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self._started = time.perf_counter()
        context = scope.get("aws.context")
        left = getattr(context, "get_remaining_time_in_millis", None)
        self._seconds = (left() / 1000 if left else SECONDS) - MARGIN_SECONDS
        self._is_whole = context is not None  # an event brings its body
        self.record: Record = begin(context)
        self.record.source = printable((scope.get("client") or ("",))[0])
        self.record.origin = printable(self.headers.get(b"origin"))
        self.record.user_agent = printable(self.headers.get(b"user-agent"))
        self.record.purpose = printable(self.headers.get(b"x-codec-reason"))

    def header(self, name: bytes) -> str | None:
        """A header's value, by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def asks(self, parameter: str) -> bool:
        """Whether the query has this parameter with the value `true`, as the Web UI writes it."""
        return f"{parameter}=true".encode() in self._query.split(b"&")

    async def body(self) -> bytes:
        """The whole body; raises Problem if it is too large or too slow, or Disconnected."""
        self.seconds_left()
        if self._is_whole:
            return await self._read()
        try:
            async with asyncio.timeout(BODY_SECONDS) as limit:
                return await self._read()
        except TimeoutError:
            if limit.expired():
                raise Problem("body-too-slow") from None
            raise

    async def _read(self) -> bytes:
        chunks: list[bytes] = []
        size, more = 0, True
        while more and size <= MAX_BODY_BYTES:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
            size += len(chunks[-1])
            Request.held += len(chunks[-1])
            self.record.bytes_in = size
            if Request.held > MAX_HELD_BYTES and size > SMALL_BODY_BYTES:
                raise Problem("busy")
        if size > MAX_BODY_BYTES:
            raise Problem("body-too-large")
        return b"".join(chunks) if len(chunks) > 1 else chunks[0]

    async def in_thread(self, work: Callable[..., T], /, *args: object) -> T:
        """Run work that may wait in a thread; raises Problem when the request's time is over.

        The thread itself goes on: nothing in Python can end it.
        """
        try:
            async with asyncio.timeout(self.seconds_left()) as limit:
                return await asyncio.to_thread(work, *args)
        except TimeoutError:
            if limit.expired():
                raise Problem("time") from None
            raise

    def seconds_left(self) -> float:
        """The time until it must be answered; raises Problem if that is over."""
        left = self._seconds - self._passed()
        if left <= 0:
            raise Problem("time")
        return left

    def end(self, status: int, size: int) -> Record:
        """Its record, complete."""
        Request.held -= self.record.bytes_in
        self.record.status, self.record.bytes_out = status, size
        self.record.duration_ms = round(self._passed() * 1000, 3)
        return self.record

    def _passed(self) -> float:
        return time.perf_counter() - self._started


def _by_name(fields: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers = dict(fields)
    if len(headers) == len(fields):
        return headers
    values: dict[bytes, list[bytes]] = {}
    for name, value in fields:  # several of one name are joined, as gateways do
        values.setdefault(name, []).append(value)
    return {name: b", ".join(each) for name, each in values.items()}
