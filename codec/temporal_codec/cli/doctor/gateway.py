"""What stands in front of the server and answers in its place: a gateway, a proxy, a CDN."""

from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.finding import Finding, problem, warning

ANSWERED = warning(
    "gateway-answered",
    "The response ({status}) looks like that of a gateway or proxy in front of the server.",
    "Check the gateway first: routes, authorizers, firewall, limits. The server's log has nothing.",
)
THROTTLED = problem(
    "gateway-throttled",
    "The gateway rejects the request: too many requests (429). The server does not see it.",
    "Raise the gateway's limits (`BurstLimit` and `RateLimit` of the stack): allow bursts of 300 "
    "requests and 100 requests per second.",
)
FAILED = problem(
    "gateway-failed",
    "The gateway got no response from the server ({status}).",
    "Check the server behind it. Usually 500 and 502 mean that it crashed or did not start, 503 "
    "that no instance is free, and 504 that it took too long.",
)
PAGE = problem(
    "cdn-page",
    "A CDN or firewall responds with a web page ({status}), not the server.",
    "Allow OPTIONS and POST of this URL there, without a challenge or login, and let "
    "Authorization, Origin and X-Namespace pass.",
)
PREFLIGHT_THROTTLED = problem(
    "preflight-throttled",
    "The preflight is rejected: too many requests (429). The browser reports a CORS error.",
    "Wait a minute and try again. Raise the limits of the gateway (`BurstLimit` and `RateLimit` of "
    "the stack): each page sends preflights too.",
)
PREFLIGHT_FAILED = problem(
    "preflight-failed",
    "The preflight gets status {status}: the service that answers OPTIONS fails.",
    "Check its log: on AWS that of the preflight function. Usually CODEC_ORIGINS is wrong. "
    "Without an entry there, check the gateway.",
)


def instead_of_server(answer: Answer) -> Finding | None:
    """The finding if the server itself did not answer, and that explains the status."""
    if answer.is_gateways:
        if answer.is_page_of_cdn:
            return PAGE(status=answer.status)
        if answer.status == 429:
            return THROTTLED()
        if answer.status >= 500:
            return FAILED(status=answer.status)
    return None


def of_preflight(status: int) -> Finding | None:
    """The finding if a preflight failed for a reason that is not about CORS."""
    if status == 429:
        return PREFLIGHT_THROTTLED()
    return PREFLIGHT_FAILED(status=status) if status >= 500 else None
