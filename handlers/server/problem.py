"""Problems: the one table from reason to status and sentence, and RFC 9457's document of it.

The sentence is for the client, the same each time; the reason is for the audit record, and what
caused it is for the log.
"""

from collections.abc import Mapping

import msgspec


class Response(msgspec.Struct, frozen=True):
    """What is sent back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


# RFC 9110's; they stand here because Python's own differ from version to version.
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
_TOO_LARGE = "The request, or the answer to it, is too large."
REASONS: dict[str, tuple[int, str]] = {
    "operation": (404, "There is no such operation here."),
    "method": (405, "Only POST is served."),
    "origin": (403, "This origin may not read decoded payloads."),
    "content-length": (400, "Content-Length must be a number."),
    "body-too-large": (413, _TOO_LARGE),
    "content-type": (415, "Send JSON in UTF-8, as Content-Type: application/json."),
    "no-namespace": (400, "The header X-Namespace is missing."),
    "namespace": (400, "The header X-Namespace does not name a namespace."),
    "token": (401, "A valid access token is needed."),
    "jwks-unavailable": (503, _ACCESS),
    "trust-unavailable": (503, _ACCESS),
    "policy-unavailable": (503, _ACCESS),
    "denied": (403, "You may not do this."),
    "no-email": (403, "You may not do this."),
    "body-too-slow": (400, "The body did not arrive in time."),
    "body": (400, "The body is not as it must be."),
    "payloads": (413, "The request has too many payloads."),
    "keyring": (400, "There is no key ring for this namespace."),
    "keys-unavailable": (503, "The keys cannot be reached at the moment. Try again later."),
    "undecodable": (400, "A payload cannot be decoded, and this server is strict."),
    "storage-unavailable": (503, "The storage cannot be reached at the moment. Try again later."),
    "not-a-reference": (400, "Only references to payloads in storage can be downloaded."),
    "undownloadable": (400, "A payload cannot be had from storage, or not be decoded."),
    "objects-too-large": (
        413,
        "What lies in storage is too large for an answer: use `temporal-codec payload get`.",
    ),
    "answer-too-large": (413, _TOO_LARGE),
    "time": (503, "There was no time left to answer. Try again later."),
    "event": (400, "This is not an HTTP request."),
    "fault": (500, "The server failed; its log tells more under the request's id."),
    "audit": (500, "The request could not be recorded, so it is not answered."),
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
