"""The Lambda function for OPTIONS on anything, and for GET /: no token, key, network or library."""

import os
from typing import Any

from handlers.server import events
from handlers.server.cors import Cors
from handlers.server.events import Event
from handlers.settings.cors import preflight_settings

_cors = Cors(preflight_settings(os.environ).cors)


def handler(event: Event, _context: Any) -> Event:  # noqa: ANN401 — the runtime's own object
    """Answer a CORS preflight, or show the page that says what this server is."""
    origin = events.headers(event).get("origin")
    if events.method(event) == "GET":
        from handlers.server import page  # noqa: PLC0415 — a preflight does not need it

        headers = {**page.headers(), **_cors.headers(origin)}
        return events.answer(200, headers, page.PAGE.encode(), event)
    return events.answer(204, _cors.preflight_headers(origin), to=event)
