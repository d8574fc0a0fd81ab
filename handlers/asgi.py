"""Around the app: what a call is, how an answer is sent, and that each request is recorded.

`guarded` is the one wrapper: whatever happens inside, the answer is a full one, with CORS, and
none leaves before its record is written.
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from handlers import audit
from handlers.audit import Record, Write
from handlers.cors import Cors
from handlers.refusal import Answer, Refusal

# A request has this long, or on Lambda as long as its function has, less what it takes to say no.
SECONDS = 15.0
MARGIN_SECONDS = 0.5

log = logging.getLogger("codec-server")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Disconnected(Exception):
    """The client went away."""


class Call:
    """One HTTP request, and its record."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._query: bytes = scope["query_string"]
        self._headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:  # several of one name are joined, as gateways do
            first = self._headers.get(name)
            self._headers[name] = value if first is None else first + b", " + value
        self._receive = receive
        self._started = time.perf_counter()
        self.record = _begin(scope)
        self.record.origin = audit.printable(self.header("origin"))
        self.record.user_agent = audit.printable(self.header("user-agent"))

    def asks(self, parameter: str) -> bool:
        """Whether the query says that this is true, in the very words of the Web UI."""
        return f"{parameter}=true".encode() in self._query.split(b"&")

    def header(self, name: str) -> str | None:
        """A header's value."""
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    async def receive(self) -> tuple[bytes, bool]:
        """The body's next piece, and whether there are more; raises Disconnected."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message.get("body", b""), message.get("more_body", False)

    def end(self, status: int, size: int) -> Record:
        """Its record, complete."""
        self.record.status, self.record.bytes_out = status, size
        self.record.duration_ms = round((time.perf_counter() - self._started) * 1000, 3)
        return self.record


def guarded(answer: Callable[[Call], Awaitable[Answer]], cors: Cors, write: Write) -> App:
    """The ASGI app around a function from call to answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        call = Call(scope, receive)
        origin = call.header("origin")
        if call.method == "OPTIONS":
            return await _send(send, Answer(204, b"", cors.preflight_headers(origin)))
        try:
            given = await _guard(call, answer, _seconds_left(scope))
        except Disconnected:
            call.record.outcome, call.record.reason = "failed", "disconnected"
            return write(call.end(499, 0))
        given = _recorded(call, given, write)
        headers = {**given.headers, **cors.headers(origin), "x-request-id": call.record.request_id}
        return await _send(send, Answer(given.status, given.body, headers))

    return app


async def _guard(call: Call, answer: Callable[[Call], Awaitable[Answer]], seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await answer(call)
    except Refusal as refusal:
        return _refused(call, refusal, str(refusal.__cause__ or ""))
    except Disconnected:
        raise
    except Exception as error:  # noqa: BLE001 — the last line of defence: a 500 has CORS, too
        reason = "time" if limit.expired() else "fault"
        return _refused(call, Refusal(reason), f"{type(error).__name__}: {_where(error)}")


def _recorded(call: Call, given: Answer, write: Write) -> Answer:
    try:
        write(call.end(given.status, len(given.body)))
    except Exception as error:  # noqa: BLE001 — whatever the reason, nothing leaves unrecorded
        return _refused(call, Refusal("audit"), type(error).__name__)
    return given


def _refused(call: Call, refusal: Refusal, cause: str) -> Answer:
    record = call.record
    record.reason = refusal.reason
    record.detail = refusal.more or record.detail
    record.outcome = "refused" if refusal.status < 500 else "failed"
    if refusal.status >= 500:
        told = {"request_id": record.request_id, "reason": refusal.reason, "cause": cause}
        log.error("request failed", extra=told)
    return refusal.answer()


def _where(error: Exception) -> str:
    # The places alone: an exception's text may quote what a client sent.
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))


def _begin(scope: Scope) -> Record:
    record = audit.begin(scope.get("aws.context"))
    record.source = audit.printable((scope.get("client") or ("",))[0])
    return record


def _seconds_left(scope: Scope) -> float:
    left = getattr(scope.get("aws.context"), "get_remaining_time_in_millis", None)
    return (left() / 1000 if left else SECONDS) - MARGIN_SECONDS


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
