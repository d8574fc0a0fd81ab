"""Events of load balancers: Application Load Balancer, and VPC Lattice in its two versions.

Mangum knows the first alone, so the others are handed to it in that form.
"""

from handlers.server import events
from handlers.server.events import Event


def event_of(event: Event, headers: dict[str, str]) -> Event | None:
    """The event as Mangum takes it, with these headers, or None if no load balancer sent it.

    Raises ValueError if the headers came in both forms: a load balancer sends only one.
    """
    context = event.get("requestContext") or {}
    if "elb" in context:
        request = _application(event)
    elif "targetGroupArn" in context:
        request = _lattice_2(event)
    elif "raw_path" in event:
        request = _lattice_1(event)
    else:
        return None
    if "x-forwarded-for" in headers:
        # The caller wrote what stands before the balancer's own entry.
        headers = {**headers, "x-forwarded-for": headers["x-forwarded-for"].split(",")[-1].strip()}
    fields: Event = {"headers": headers}
    if events.wants_lists(event):
        fields = {"multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return {"requestContext": {"elb": {}}, **request, **fields}


def _application(event: Event) -> Event:
    if event.get("headers") and event.get("multiValueHeaders"):
        raise ValueError("headers in both forms")
    return _request(
        event["httpMethod"],
        event["path"],
        event.get("multiValueQueryStringParameters") or event.get("queryStringParameters"),
        event.get("body"),
        event.get("isBase64Encoded"),
    )


def _lattice_2(event: Event) -> Event:
    return _request(
        event["method"],
        event["path"].partition("?")[0],
        event.get("queryStringParameters"),
        event.get("body"),
        event.get("isBase64Encoded"),
    )


def _lattice_1(event: Event) -> Event:
    return _request(
        event["method"],
        event["raw_path"].partition("?")[0],
        event.get("query_string_parameters"),
        event.get("body"),
        event.get("is_base64_encoded"),
    )


def _request(method: str, path: str, query: object, body: str | None, is_base64: object) -> Event:
    return {
        "httpMethod": method,
        "path": path,
        "queryStringParameters": query or {},
        "body": body,
        "isBase64Encoded": is_base64 is True,
    }
