"""One HTTP request as the three kinds of event that Lambda is called with, and its answer back."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Event = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """An HTTP request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def members(self) -> Event:
        """The body as an event has it: text where it is any, else base64."""
        try:
            return {"body": self.body.decode() or None, "isBase64Encoded": False}
        except UnicodeDecodeError:
            return {"body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}


class Answer(NamedTuple):
    """An HTTP answer; its header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: str


def http_api(request: Request) -> Event:
    """The event of API Gateway's HTTP API, version 2.0."""
    return _version_2(request, "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com")


def function_url(request: Request) -> Event:
    """The event of a function's URL."""
    return _version_2(request, "a1b2c3d4e5f6g7h8.lambda-url.us-east-1.on.aws")


def rest_api(request: Request) -> Event:
    """The event of API Gateway's REST API, version 1.0."""
    return {
        "resource": "/{proxy+}",
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(request.headers),
        "multiValueHeaders": {name: [value] for name, value in request.headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": request.path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "abc123",
            "resourcePath": "/{proxy+}",
            "httpMethod": request.method,
            "path": f"/prod{request.path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "requestTimeEpoch": 1767225600000,
            "requestId": "6f0d0e5c-1d3f-4a52-9d5b-6c0f4d1d7a11",
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "Mozilla/5.0"},
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "apiId": "a1b2c3d4e5",
        },
        **request.members,
    }


TARGET_GROUP = (
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/codec/0123456789abcdef"
)


def load_balancer(request: Request) -> Event:
    """The event of an Application Load Balancer."""
    return {
        "requestContext": {"elb": {"targetGroupArn": TARGET_GROUP}},
        "httpMethod": request.method,
        "path": request.path,
        "queryStringParameters": {},
        "headers": {name.lower(): value for name, value in _forwarded(request).items()},
        "body": request.members["body"] or "",
        "isBase64Encoded": request.members["isBase64Encoded"],
    }


def load_balancer_lists(request: Request) -> Event:
    """The same for a target group that has multi-value headers on."""
    event = load_balancer(request)
    headers, query = event.pop("headers"), event.pop("queryStringParameters")
    lists = {name: [value] for name, value in headers.items()}
    return {**event, "multiValueQueryStringParameters": query, "multiValueHeaders": lists}


def lattice_1(request: Request) -> Event:
    """The event of VPC Lattice, version 1."""
    return {
        "raw_path": request.path,
        "method": request.method,
        "headers": _forwarded(request),
        "query_string_parameters": {},
        "body": request.members["body"],
        "is_base64_encoded": request.members["isBase64Encoded"],
    }


def lattice_2(request: Request) -> Event:
    """The event of VPC Lattice, version 2.0."""
    arn = "arn:aws:vpc-lattice:us-east-1:123456789012"
    return {
        "version": "2.0",
        "path": request.path,
        "method": request.method,
        "headers": {name: [value] for name, value in _forwarded(request).items()},
        "queryStringParameters": {},
        **request.members,
        "requestContext": {
            "serviceNetworkArn": f"{arn}:servicenetwork/sn-0bf3f2882e9cc805a",
            "serviceArn": f"{arn}:service/svc-0a40eebed65f8d69c",
            "targetGroupArn": f"{arn}:targetgroup/tg-6d0ecf831eec9f09",
            "identity": {
                "sourceVpcArn": "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-0b8276c84697e"
            },
            "region": "us-east-1",
            "timeEpoch": "1767225600000000",
        },
    }


def _forwarded(request: Request) -> dict[str, str]:
    return {**request.headers, "x-forwarded-for": "198.51.100.9, 192.0.2.1"}


KINDS: dict[str, Callable[[Request], Event]] = {
    "http-api": http_api,
    "rest-api": rest_api,
    "function-url": function_url,
    "load-balancer": load_balancer,
    "load-balancer-lists": load_balancer_lists,
    "lattice-1": lattice_1,
    "lattice-2": lattice_2,
}


def answer(returned: Event) -> Answer:
    """The HTTP answer that a gateway makes of what a function returned."""
    single = returned.get("headers") or {}
    headers = {name.lower(): str(value) for name, value in single.items()}
    for name, values in (returned.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = ", ".join(values)
    body = returned["body"]
    if returned["isBase64Encoded"]:
        body = base64.b64decode(body).decode()
    return Answer(returned["statusCode"], headers, body)


def _version_2(request: Request, domain: str) -> Event:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": domain.partition(".")[0],
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "Mozilla/5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        **request.members,
    }
