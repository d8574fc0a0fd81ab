"""Lambda events to ASGI and back, through Mangum; and answers to events that are not HTTP."""

import logging
from collections.abc import Callable
from typing import Any

from mangum import Mangum

from handlers import events
from handlers.asgi import App, Refusal
from handlers.cors import Cors
from handlers.events import Event

Handler = Callable[[Event, Any], Event]

# What is not named here would travel as base64.
_TEXT = ["application/json", "application/problem+json"]
# Mangum takes the server's name and port from these, and stumbles over odd ones. We need neither.
_NOT_NEEDED = {"host", "x-forwarded-port"}

logging.getLogger("mangum.http").setLevel(logging.WARNING)  # we log each request ourselves


def lambda_handler(app: App, cors: Cors) -> Handler:
    """A Lambda handler for HTTP API (v2), REST API (v1) and function URL events."""
    adapter = Mangum(app, lifespan="off", text_mime_types=_TEXT)  # type: ignore[arg-type]

    def handle(event: Event, context: Any) -> Event:  # noqa: ANN401 — the runtime's own object
        try:
            return adapter(_cleaned(event), context)
        except Exception as error:  # noqa: BLE001 — an event is as foreign as a body
            logging.getLogger("codec-server").error(
                "not an HTTP event", extra={"reason": type(error).__name__}
            )
            refusal = Refusal(400, "This is not an HTTP request.").answer()
            headers = {**refusal.headers, **cors.headers(events.headers(event).get("origin"))}
            return events.answer(refusal.status, headers, refusal.body)

    return handle


def _cleaned(event: Event) -> Event:
    kept = {k: v for k, v in events.headers(event).items() if k not in _NOT_NEEDED}
    return {**event, "headers": kept, "multiValueHeaders": None}
