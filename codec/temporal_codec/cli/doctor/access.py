"""What the server responds without a token and with one, and whether the page can read it."""

from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime

from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.endpoint import is_loopback
from temporal_codec.cli.doctor.finding import Finding, Unreached, ok, problem, warning
from temporal_codec.cli.doctor.gateway import ANSWERED, instead_of_server
from temporal_codec.cli.doctor.preflight import readable
from temporal_codec.cli.doctor.probe import Probe

_LEEWAY_SECONDS = 60

OPEN = warning(
    "open-to-all",
    "The server requires no token: everybody who can reach it can read your payloads.",
    "Require tokens (CODEC_AUTH=jwt), and turn on Pass access token in the Web UI.",
)
OPEN_HERE = ok("open-on-this-machine", "The server requires no token, and it is on this machine.")
TOKEN_NEEDED = problem(
    "token-needed",
    "The server requires a token, and none was sent.",
    "Turn on Pass access token in the Web UI. For the CLI set "
    "TEMPORAL_CODEC_AUTH='Bearer TOKEN'. To examine more here, set TEMPORAL_CODEC_TOKEN or use "
    "--token-file.",
)
TOKEN_REFUSED = problem(
    "token-refused",
    "The server rejects the token (401). {words}",
    "Log in again for a new token. If that does not help, read the reason in the server's log, and "
    "compare the token's issuer and audience with those that the server accepts.",
)
NAMESPACE_REFUSED = problem(
    "namespace-refused",
    "The caller is not allowed to decode for the namespace {namespace} (403). {words}",
    "Grant it in the policy, or correct --namespace: in Temporal Cloud a namespace's name ends in "
    "a dot and the account id.",
)
ORIGIN_REFUSED = problem(
    "origin-refused",
    "The server rejects requests of pages from {origin} (403).",
    "Add {origin} to the allowed origins (CODEC_ORIGINS).",
)
ACCEPTED = ok("token-accepted", "The server accepts the token for the namespace {namespace}.")
REDIRECT = problem(
    "redirect",
    "POST /decode is redirected ({status}, to {location}): browsers drop the request or the token.",
    "Use the target of the redirect as the endpoint.",
)
NO_DECODE = problem(
    "no-decode",
    "There is no /decode at this endpoint ({status}).",
    "Correct the URL: give everything before /decode, including a path prefix.",
)
BAD_REQUEST = problem(
    "request-refused",
    "The server rejects a well-formed request (400). {words}",
    "Check the server's log: it must know the namespace {namespace} and read proto3 JSON.",
)
CONTENT_TYPE = problem(
    "content-type-refused",
    "The server rejects Content-Type: application/json (415).",
    "Accept this content type: all of Temporal's clients send it.",
)
THROTTLED = problem(
    "throttled",
    "The server or its gateway rejects the first request: too many requests (429).",
    "Wait a minute and try again. Allow bursts of 300 requests, as a long history page sends them.",
)
FAILED = problem(
    "server-failed",
    "The server fails ({status}). {words}",
    "Check its log: it must reach its key ring and its token issuer. The Web UI repeats such "
    "requests.",
)
UNEXPECTED = problem(
    "unexpected-status",
    "POST /decode gets status {status}; the CLI accepts only 200.",
    "Check which server responds at this URL, and its log.",
)
ANSWER_CORS = problem(
    "answer-no-cors",
    "The preflight allows pages from {origin}, but the response to the request does not.",
    "Send Access-Control-Allow-Origin with every response, not only with preflights.",
)
ERROR_CORS = warning(
    "error-no-cors",
    "An error ({status} of POST /{operation}) has no CORS headers for {origin}: the Web UI takes "
    "it for a network failure and repeats the request.",
    "Send the CORS headers with errors too, from the server and the gateway.",
)
CLOCK = warning(
    "clock-skew",
    "The clocks of the server and of this machine differ by {seconds} seconds.",
    "Synchronize both with NTP: a wrong clock rejects valid tokens.",
)

_BY_STATUS = {
    400: BAD_REQUEST,
    404: NO_DECODE,
    405: NO_DECODE,
    415: CONTENT_TYPE,
    429: THROTTLED,
}


def check_access(probe: Probe) -> Iterator[Finding]:
    """Check the status, with and without a token."""
    answer, target = probe.main, probe.target
    if probe.bare.status == 200:
        yield OPEN_HERE() if is_loopback(target.endpoint.host) else OPEN()
    if answer.status == 200:
        if probe.bare.status != 200:
            yield ACCEPTED(namespace=target.namespace)
        return
    instead = instead_of_server(answer)
    yield instead or _refusal(probe, answer)
    if answer.is_gateways and instead is None:
        yield ANSWERED(status=answer.status)


def check_clock(probe: Probe) -> Iterator[Finding]:
    """Check that the server and this machine agree on the time."""
    try:
        there = parsedate_to_datetime(probe.main.header("date")).timestamp()
    except (ValueError, OverflowError):
        return  # no readable date
    skew = abs(there - probe.clock())
    if skew > _LEEWAY_SECONDS:
        yield CLOCK(seconds=round(skew))


def check_answers(probe: Probe) -> Iterator[Finding]:
    """Check that the page may read responses and errors, not only preflights."""
    origin = probe.target.origin
    if origin is None or not readable(probe, probe.allowed):
        return
    for operation, answer in _answers(probe):
        if not readable(probe, answer):
            if 200 <= answer.status < 300:
                yield ANSWER_CORS(origin=origin)
            else:
                yield ERROR_CORS(origin=origin, status=answer.status, operation=operation)
            return


def _answers(probe: Probe) -> Iterator[tuple[str, Answer]]:
    yield "decode", probe.main
    # Few servers have this operation, so it shows what an error looks like.
    with suppress(Unreached):
        yield "download", probe.post("download")


def _refusal(probe: Probe, answer: Answer) -> Finding:
    status, target = answer.status, probe.target
    told = {
        "status": status,
        "words": answer.words,
        "namespace": target.namespace,
        "origin": target.origin,
        "location": answer.header("location") or "no location",
    }
    if status == 401:
        return (TOKEN_REFUSED if probe.token else TOKEN_NEEDED)(**told)
    if status == 403:
        from_a_page = target.origin and probe.post("decode", origin=False).status != 403
        return (ORIGIN_REFUSED if from_a_page else NAMESPACE_REFUSED)(**told)
    if status >= 500:
        return FAILED(**told)
    if 300 <= status < 400:
        return REDIRECT(**told)
    return _BY_STATUS.get(status, UNEXPECTED)(**told)
