"""The events of gateways and load balancers, as far as we look at them ourselves.

A plain module without dependencies, since the preflight function loads nothing else.
"""

from typing import Any

Event = dict[str, Any]


def answer(status: int, headers: dict[str, str], body: bytes = b"", to: object = None) -> Event:
    """An answer in the form that every kind of event takes; `to` is the event that it answers."""
    fields: Event = {"headers": headers}
    if wants_lists(to):
        fields = {"multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return {"statusCode": status, **fields, "body": body.decode(), "isBase64Encoded": False}


def wants_lists(event: object) -> bool:
    """Whether it came from a load balancer whose target group has multi-value headers on."""
    if not isinstance(event, dict) or "elb" not in _member(event, "requestContext"):
        return False
    return isinstance(event.get("multiValueHeaders"), dict) and not event.get("headers")


def method(event: object) -> str:
    """An event's method, or nothing; an event may be anything."""
    found = _member(event, "requestContext", "http") or _member(event)
    return str(found.get("method") or found.get("httpMethod") or "")


def headers(event: object) -> dict[str, str]:
    """An event's headers by lower-case name; an event may be anything.

    Values of one name are joined, however each is spelled: a REST API hands on ``Origin`` and
    ``origin`` as two, and who looks at one of them alone is deceived by the other.
    """
    return {**_joined(event, "headers"), **_joined(event, "multiValueHeaders")}


def _joined(event: object, member: str) -> dict[str, str]:
    fields = _member(event, member)
    found: dict[str, list[str]] = {}
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        found.setdefault(name.lower(), []).extend(str(each) for each in values if each is not None)
    return {name: ", ".join(values) for name, values in found.items() if values}


def _member(event: object, *names: str) -> dict[str, Any]:
    # A member of a member, or nothing where there is no such object.
    for name in names:
        event = event.get(name) if isinstance(event, dict) else None
    return event if isinstance(event, dict) else {}
