"""Problems: the one table from reason to status and sentence, and the document of RFC 9457.

The client always gets the same sentence; the reason goes to the audit record, the cause to the log.
docs/runbook.md explains each reason.
"""

from collections.abc import Mapping

import msgspec


class Response(msgspec.Struct, frozen=True):
    """The response to the client."""

    status: int
    body: bytes
    headers: Mapping[str, str]


# As in RFC 9110; Python's own titles differ between versions.
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_ACCESS = "Access cannot be checked at the moment. Try again later."
_TOO_LARGE = "The request, or its response, is too large."
REASONS: dict[str, tuple[int, str]] = {
    "operation": (
        404,
        "There is no such operation: the URL must end in /decode, /encode or /download.",
    ),
    "method": (405, "Only POST is allowed."),
    "origin": (
        403,
        "Pages of this origin may not call this server. CODEC_ORIGINS lists those that may.",
    ),
    "content-length": (400, "Content-Length must be a number."),
    "body-too-large": (413, _TOO_LARGE),
    "content-type": (415, "The body must be JSON in UTF-8, with Content-Type: application/json."),
    "no-namespace": (400, "The header X-Namespace is missing."),
    "namespace": (400, "The header X-Namespace is not a valid namespace."),
    "token": (401, "A valid access token is required."),
    "jwks-unavailable": (503, _ACCESS),
    "trust-unavailable": (503, _ACCESS),
    "policy-unavailable": (503, _ACCESS),
    "denied": (403, "Access denied by policy."),
    "no-email": (403, "Access denied by policy."),
    "no-reason": (403, "The policy requires a reason: send it in the header X-Codec-Reason."),
    "body-too-slow": (400, "The body did not arrive in time."),
    "body": (400, "The request body is invalid."),
    "payloads": (413, "The request has too many payloads."),
    "keyring": (400, "There is no key ring for this namespace."),
    "keys-unavailable": (503, "The keys are not available at the moment. Try again later."),
    "undecodable": (400, "A payload cannot be decoded, and the server is in strict mode."),
    "storage-unavailable": (503, "The storage is not available at the moment. Try again later."),
    "not-a-reference": (400, "Only references to payloads in storage can be downloaded."),
    "undownloadable": (400, "A payload cannot be fetched from storage, or cannot be decoded."),
    "objects-too-large": (
        413,
        "The stored payload is too large for a response: use `temporal-codec payload get`.",
    ),
    "answer-too-large": (413, _TOO_LARGE),
    "busy": (503, "The server has too many large requests at the moment. Try again later."),
    "time": (503, "The request took too long. Try again later."),
    "event": (400, "The event is not an HTTP request."),
    "fault": (500, "Internal error: the server's log has the cause under the request's ID."),
    "audit": (500, "The request could not be recorded, so it was not answered."),
}
_HEADERS = {
    401: {"www-authenticate": 'Bearer error="invalid_token"'},
    405: {"allow": "POST, OPTIONS"},
    503: {"retry-after": "30"},
}


class Problem(Exception):
    """A response other than 200, by its reason; `detail` may say more to the client."""

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status, self._sentence = REASONS[reason]
        self.more = detail

    def response(self) -> Response:
        """The problem document of RFC 9457."""
        problem = {
            "type": "about:blank",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.more or self._sentence,
        }
        headers = {"content-type": "application/problem+json", **_HEADERS.get(self.status, {})}
        return Response(self.status, msgspec.json.encode(problem), headers)
