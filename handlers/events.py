"""API Gateway's events, as far as we look at them ourselves.

A plain module without dependencies, since the preflight function loads nothing else.
"""

from typing import Any

Event = dict[str, Any]


def answer(status: int, headers: dict[str, str], body: bytes = b"") -> Event:
    """An answer in the form that all three kinds of event take."""
    return {
        "statusCode": status,
        "headers": headers,
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def origin(event: object) -> str | None:
    """The Origin header of an event, however it is spelt; an event may be anything."""
    headers = event.get("headers") if isinstance(event, dict) else None
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if name.lower() == "origin":
            return str(value)
    return None
