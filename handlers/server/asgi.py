"""Around the app: what a call is, how an answer is sent, and that each request is recorded.

`guarded` is the one wrapper: whatever happens inside, the answer is a full one, with CORS, and
none leaves before its record is written.
"""

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from handlers.server import audit
from handlers.server.audit import Record, Write
from handlers.server.cors import Cors
from handlers.server.problem import Answer, Refusal
from temporal_codec.waiting import TooLate

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
        self._headers = _by_name(scope["headers"])
        self._receive = receive
        self._started = time.perf_counter()
        self._seconds = _seconds(scope)
        self.record = _begin(scope)
        self.record.origin = audit.printable(self.header(b"origin"))
        self.record.user_agent = audit.printable(self.header(b"user-agent"))

    def asks(self, parameter: str) -> bool:
        """Whether the query says that this is true, in the very words of the Web UI."""
        return f"{parameter}=true".encode() in self._query.split(b"&")

    def header(self, name: bytes) -> str | None:
        """A header's value, by its name in lower case."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def receive(self) -> tuple[bytes, bool]:
        """The body's next piece, and whether there are more; raises Disconnected."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message.get("body", b""), message.get("more_body", False)

    def seconds_left(self) -> float:
        """Until it must be answered; raises Refusal where that is now."""
        left = self._seconds - self._passed()
        if left <= 0:
            raise Refusal("time")
        return left

    def end(self, status: int, size: int) -> Record:
        """Its record, complete."""
        self.record.status, self.record.bytes_out = status, size
        self.record.duration_ms = round(self._passed() * 1000, 3)
        return self.record

    def _passed(self) -> float:
        return time.perf_counter() - self._started


def _by_name(fields: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers = dict(fields)
    if len(headers) < len(fields):  # several of one name are joined, as gateways do
        headers = {name: b", ".join([v for n, v in fields if n == name]) for name in headers}
    return headers


def guarded(answer: Callable[[Call], Awaitable[Answer]], cors: Cors, write: Write) -> App:
    """The ASGI app around a function from call to answer."""
    allowed = {origin: _encoded(cors.headers(origin)) for origin in cors.origins}
    foreign = _encoded(cors.headers(None))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # so servers learn that there is no lifespan to wait for
            raise ValueError(f"this app answers http, not {scope['type']}")
        call = Call(scope, receive)
        origin = call.header(b"origin")
        if call.method == "OPTIONS":
            return await _send(send, 204, b"", _encoded(cors.preflight_headers(origin)))
        try:
            given = await _guard(call, answer)
        except Disconnected:
            call.record.outcome, call.record.reason = "failed", "disconnected"
            return write(call.end(499, 0))
        given = _recorded(call, given, write)
        fields = _encoded(given.headers) + allowed.get(origin or "", foreign)
        fields.append((b"x-request-id", call.record.request_id.encode()))
        return await _send(send, given.status, given.body, fields)

    return app


async def _guard(call: Call, answer: Callable[[Call], Awaitable[Answer]]) -> Answer:
    try:
        call.seconds_left()
        return await answer(call)
    except Refusal as refusal:
        return _refused(call, refusal, str(refusal.__cause__ or ""))
    except Disconnected:
        raise
    except Exception as error:  # noqa: BLE001 — the last line of defence: a 500 has CORS, too
        reason = "time" if isinstance(error, TooLate) else "fault"
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


def _seconds(scope: Scope) -> float:
    left = getattr(scope.get("aws.context"), "get_remaining_time_in_millis", None)
    return (left() / 1000 if left else SECONDS) - MARGIN_SECONDS


Fields = list[tuple[bytes, bytes]]


def _encoded(headers: Mapping[str, str]) -> Fields:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _send(send: Send, status: int, body: bytes, fields: Fields) -> None:
    fields.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
