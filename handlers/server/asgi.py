"""Around the app: how a response is sent, and that each request is recorded.

`asgi_app` is the one wrapper: whatever happens inside, the response is complete, with CORS, and
none leaves before its record is written.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping

from handlers.server.audit import Write
from handlers.server.cors import Cors
from handlers.server.problem import Problem, Response
from handlers.server.request import Disconnected, Message, Receive, Request, Scope

log = logging.getLogger("codec-server")

Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = Callable[[Request], Awaitable[Response]]
Fields = list[tuple[bytes, bytes]]


def asgi_app(answer: Answer, cors: Cors, write: Write) -> App:
    """The ASGI app around a function from request to response."""
    allowed = {origin.encode(): _encoded(cors.headers(origin)) for origin in cors.origins}
    foreign = _encoded(cors.headers(None))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # so servers learn that there is no lifespan to wait for
            raise ValueError(f"this app answers http, not {scope['type']}")
        request = Request(scope, receive)
        if request.method == "OPTIONS":
            fields = _encoded(cors.preflight_headers(request.header(b"origin")))
            return await _send(send, 204, b"", fields)
        try:
            response = await _answered(request, answer)
        except Disconnected:
            request.record.outcome, request.record.reason = "failed", "disconnected"
            return write(request.end(499, 0))
        response = _recorded(request, response, write)
        fields = _encoded(response.headers)
        fields += allowed.get(request.headers.get(b"origin", b""), foreign)
        fields.append((b"x-request-id", request.record.request_id.encode()))
        return await _send(send, response.status, response.body, fields)

    return app


async def _answered(request: Request, answer: Answer) -> Response:
    try:
        return await answer(request)
    except Problem as problem:
        return _refused(request, problem, str(problem.__cause__ or ""))
    except Disconnected:
        raise
    except Exception as error:  # noqa: BLE001 — the last line of defence: a 500 has CORS, too
        return _refused(request, Problem("fault"), f"{type(error).__name__}: {_where(error)}")


def _recorded(request: Request, response: Response, write: Write) -> Response:
    try:
        write(request.end(response.status, len(response.body)))
    except Exception as error:  # noqa: BLE001 — whatever the reason, nothing leaves unrecorded
        return _refused(request, Problem("audit"), type(error).__name__)
    return response


def _refused(request: Request, problem: Problem, cause: str) -> Response:
    record = request.record
    record.reason = problem.reason
    record.detail = problem.more or record.detail
    record.outcome = "refused" if problem.status < 500 else "failed"
    if problem.status >= 500:
        extra = {"request_id": record.request_id, "reason": problem.reason, "cause": cause}
        log.error("request failed", extra=extra)
    return problem.response()


def _where(error: Exception) -> str:
    # The places alone: an exception's text may quote what a client sent.
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))


def _encoded(headers: Mapping[str, str]) -> Fields:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _send(send: Send, status: int, body: bytes, fields: Fields) -> None:
    fields.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
