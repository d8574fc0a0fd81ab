"""Lambda events to ASGI and back, through Mangum; and answers to events that are not HTTP."""

import logging
from collections.abc import Callable
from typing import Any

from mangum import Mangum

from handlers.server import audit, balancers, events
from handlers.server.asgi import App
from handlers.server.audit import Record, Write
from handlers.server.cors import Cors
from handlers.server.events import Event
from handlers.server.problem import Problem

Handler = Callable[[Event, Any], Event]

# A body of any other content type would be sent as base64.
_TEXT = ["application/json", "application/problem+json", "text/html"]
# Mangum takes the server's name and port from these, and stumbles over odd ones. We need neither.
_NOT_NEEDED = {"host", "x-forwarded-port"}

logging.getLogger("mangum.http").setLevel(logging.WARNING)  # we log each request ourselves


def lambda_handler(app: App, cors: Cors, write: Write) -> Handler:
    """A Lambda handler for HTTP API (v2), REST API (v1), function URL and load balancer events."""
    adapter = Mangum(app, lifespan="off", text_mime_types=_TEXT)  # type: ignore[arg-type]

    def handle(event: Event, context: Any) -> Event:  # noqa: ANN401 — the runtime's own object
        try:
            return adapter(_cleaned(event), context)
        except Exception:  # noqa: BLE001 — an event is as foreign as a body
            problem = Problem("event")
            given = problem.response()
            write(_record(context, problem))
            headers = {**given.headers, **cors.headers(events.headers(event).get("origin"))}
            return events.answer(given.status, headers, given.body, event)

    return handle


def _record(context: Any, problem: Problem) -> Record:  # noqa: ANN401
    record = audit.begin(context)
    record.outcome, record.reason, record.status = "refused", problem.reason, problem.status
    return record


def _cleaned(event: Event) -> Event:
    given = events.headers(event).items()
    kept = {name: _as_sent(value) for name, value in given if name not in _NOT_NEEDED}
    balanced = balancers.event_of(event, kept)
    return balanced or {**event, "headers": kept, "multiValueHeaders": None}


def _as_sent(value: str) -> str:
    # A gateway may have read as Latin-1 what the client sent in UTF-8, as the CLI does.
    try:
        return (
            value if value.isascii() else value.encode("latin-1").decode("utf-8", "surrogatepass")
        )
    except UnicodeError:
        return value
