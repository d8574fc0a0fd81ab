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


def method(event: object) -> str:
    """An event's method, or nothing; an event may be anything."""
    found = event if isinstance(event, dict) else {}
    context = found.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    return str((http if isinstance(http, dict) else {}).get("method") or found.get("httpMethod"))


def headers(event: object) -> dict[str, str]:
    """An event's headers by lower-case name; an event may be anything.

    Values of one name are joined, however each is spelt: a REST API hands on ``Origin`` and
    ``origin`` as two, and who looks at one of them alone is deceived by the other.
    """
    return {**_joined(event, "headers"), **_joined(event, "multiValueHeaders")}


def _joined(event: object, member: str) -> dict[str, str]:
    fields = event.get(member) if isinstance(event, dict) else None
    found: dict[str, list[str]] = {}
    for name, value in fields.items() if isinstance(fields, dict) else ():
        values = value if isinstance(value, list) else [value]
        found.setdefault(name.lower(), []).extend(str(each) for each in values if each is not None)
    return {name: ", ".join(values) for name, values in found.items() if values}
