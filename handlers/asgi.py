"""Around the app: what a call is, how an answer or a refusal is sent, and what is logged.

`guarded` is the one wrapper: whatever happens inside, the answer is a full one, with CORS.
"""

import logging
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

import msgspec

from handlers.cors import Cors

log = logging.getLogger("codec-server")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Record = dict[str, object]
"""What the log tells of a request. Never a payload, a key or a token."""

# The title of each status and the sentence that goes with it. The titles are RFC 9110's and
# stand here because Python's own differ from version to version.
_PROBLEMS = {
    400: ("Bad Request", "The request is not as it must be."),
    401: ("Unauthorized", "A valid access token is needed."),
    403: ("Forbidden", "You may not do this."),
    404: ("Not Found", "There is no such operation here."),
    405: ("Method Not Allowed", "Only POST is served."),
    413: ("Content Too Large", "The request, or the answer to it, is too large."),
    415: ("Unsupported Media Type", "Send JSON in UTF-8, as Content-Type: application/json."),
    500: ("Internal Server Error", "The server failed; its log tells more under the request's id."),
    503: ("Service Unavailable", "The keys cannot be reached at the moment. Try again later."),
}


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Refusal(Exception):
    """An answer other than 200; `detail` is for the client, the cause for the log."""

    def __init__(
        self, status: int, detail: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail or _PROBLEMS[status][1]
        self.headers = headers or {}

    def answer(self) -> Answer:
        """The problem document of RFC 9457."""
        problem = {
            "type": "about:blank",
            "title": _PROBLEMS[self.status][0],
            "status": self.status,
            "detail": self.detail,
        }
        content_type = {"content-type": "application/problem+json"}
        return Answer(self.status, msgspec.json.encode(problem), {**content_type, **self.headers})


class Disconnected(Exception):
    """The client went away."""


class Call:
    """One HTTP request."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._receive = receive
        self.record: Record = {"request_id": _request_id(scope)}

    def header(self, name: str) -> str | None:
        """A header's value; several of one name are joined, as gateways do."""
        wanted = name.encode()
        values = [value.decode("latin-1") for key, value in self._headers if key == wanted]
        return ", ".join(values) if values else None

    async def receive(self) -> tuple[bytes, bool]:
        """The body's next piece, and whether there are more; raises Disconnected."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message.get("body", b""), message.get("more_body", False)


def guarded(answer: Callable[[Call], Awaitable[Answer]], cors: Cors) -> App:
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
            given = await _guard(call, answer)
        except Disconnected:
            return None
        request_id = {"x-request-id": str(call.record["request_id"])}
        headers = {**given.headers, **cors.headers(origin), **request_id}
        return await _send(send, Answer(given.status, given.body, headers))

    return app


async def _guard(call: Call, answer: Callable[[Call], Awaitable[Answer]]) -> Answer:
    record = call.record
    try:
        given = await answer(call)
    except Refusal as refusal:
        given = refusal.answer()
        record.update(reason=refusal.detail, cause=str(refusal.__cause__ or ""))
    except Disconnected:
        raise
    except Exception as error:  # noqa: BLE001 — the last line of defence: a 500 has CORS, too
        given = Refusal(500).answer()
        record.update(reason=type(error).__name__, cause=_where(error))
    level = logging.ERROR if given.status >= 500 else logging.INFO
    log.log(level, "request", extra={**record, "status": given.status})
    return given


def _where(error: Exception) -> str:
    # The places alone: an exception's text may quote what a client sent.
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))


def _request_id(scope: Scope) -> str:
    context = scope.get("aws.context")
    return getattr(context, "aws_request_id", None) or secrets.token_hex(8)


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
