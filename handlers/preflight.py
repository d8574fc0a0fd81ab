"""The Lambda function for OPTIONS on anything: no token, no key, no network, no library."""

import os
from typing import Any

from handlers.server import events
from handlers.server.events import Event
from handlers.settings.cors import preflight_settings

_cors = preflight_settings(os.environ).cors


def handler(event: Event, _context: Any) -> Event:  # noqa: ANN401 — the runtime's own object
    """Answer a CORS preflight."""
    return events.answer(204, _cors.preflight_headers(events.headers(event).get("origin")))
