"""What the server answers: without a token, with one, for this namespace; and whether it shows."""

from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime

from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.endpoint import is_loopback
from temporal_codec.cli.doctor.finding import Finding, Unreached, ok, problem, warning
from temporal_codec.cli.doctor.preflight import readable
from temporal_codec.cli.doctor.probe import Probe

_LEEWAY_SECONDS = 60

OPEN = warning(
    "open-to-all",
    "The server asks nobody for a token: whoever can reach it can read.",
    "Let it ask for tokens (CODEC_AUTH=jwt), and switch Pass access token on in the Web UI.",
)
OPEN_HERE = ok("open-on-this-machine", "The server asks for no token, and is on this machine.")
TOKEN_NEEDED = problem(
    "token-needed",
    "The server asks for a token, and it got none.",
    "Switch Pass access token on in the Web UI; give the CLI --codec-auth. To look further, set "
    "TEMPORAL_CODEC_TOKEN, or give --token-file.",
)
TOKEN_REFUSED = problem(
    "token-refused",
    "The server refuses the token (401). {words}",
    "Log in again for a new one. Does that not help, compare the token's issuer and audience with "
    "those that the server trusts; its log tells the reason.",
)
NAMESPACE_REFUSED = problem(
    "namespace-refused",
    "The caller may not decode for the namespace {namespace} (403). {words}",
    "Let the policy grant it, or correct --namespace: in Temporal Cloud its name ends in a dot "
    "and the account's id.",
)
ORIGIN_REFUSED = problem(
    "origin-refused",
    "The server refuses requests of pages from {origin} (403).",
    "Add {origin} to the origins that the server allows (CODEC_ORIGINS).",
)
ACCEPTED = ok("token-accepted", "The server takes the token for the namespace {namespace}.")
REDIRECT = problem(
    "redirect",
    "POST /decode is redirected ({status}, to {location}): browsers lose it, or the token.",
    "Give the URL that it leads to as the endpoint.",
)
NO_DECODE = problem(
    "no-decode",
    "There is no /decode behind this endpoint ({status}).",
    "Correct the URL: the part before /decode, with the path's prefix, if there is one.",
)
BAD_REQUEST = problem(
    "request-refused",
    "The server does not take a well-formed request (400). {words}",
    "Look at the server's log: it must know the namespace {namespace}, and read proto3 JSON.",
)
CONTENT_TYPE = problem(
    "content-type-refused",
    "The server does not take Content-Type: application/json (415).",
    "Let it take what all of Temporal's clients send.",
)
THROTTLED = problem(
    "throttled",
    "The server, or its gateway, refuses the first request as one too many (429).",
    "Wait a minute and try again; allow bursts of 300, which a history page with many events is.",
)
FAILED = problem(
    "server-failed",
    "The server fails ({status}). {words}",
    "Look at its log: it must reach its keys, and the issuer's. The Web UI repeats such requests.",
)
UNEXPECTED = problem(
    "unexpected-status",
    "POST /decode is answered with {status}; the CLI takes nothing but 200.",
    "Look at what answers there, and at its log.",
)
GATEWAY = warning(
    "gateway-answered",
    "The answer ({status}) looks like that of a gateway or proxy in front of the server.",
    "Look there first: routes, authorizers, firewall, limits. The server's own log has nothing.",
)
ANSWER_CORS = problem(
    "answer-no-cors",
    "The preflight is fine, but the answer itself does not allow pages from {origin}.",
    "Let the server send Access-Control-Allow-Origin with every answer, not with preflights only.",
)
ERROR_CORS = warning(
    "error-no-cors",
    "An error ({status} of POST /{operation}) does not allow pages from {origin}: the Web UI takes "
    "it for a broken network and repeats the request.",
    "Let server and gateway send the CORS headers with errors, too.",
)
CLOCK = warning(
    "clock-skew",
    "The server's clock and this machine's differ by {seconds} seconds.",
    "Set both by NTP: tokens begin and end by the clock.",
)

_BY_STATUS = {
    400: BAD_REQUEST,
    404: NO_DECODE,
    405: NO_DECODE,
    415: CONTENT_TYPE,
    429: THROTTLED,
}


def check_access(probe: Probe) -> Iterator[Finding]:
    """What the answer's status means, with and without a token."""
    answer, visit = probe.main, probe.visit
    if probe.bare.status == 200:
        yield OPEN_HERE() if is_loopback(visit.endpoint.host) else OPEN()
    if answer.status == 200:
        if probe.bare.status != 200:
            yield ACCEPTED(namespace=visit.namespace)
        return
    yield _refusal(probe, answer)
    if answer.is_gateways:
        yield GATEWAY(status=answer.status)


def check_clock(probe: Probe) -> Iterator[Finding]:
    """Whether the server and this machine have the same time."""
    try:
        there = parsedate_to_datetime(probe.main.header("date")).timestamp()
    except (ValueError, OverflowError):
        return  # no date, or none that can be read
    skew = abs(there - probe.clock())
    if skew > _LEEWAY_SECONDS:
        yield CLOCK(seconds=round(skew))


def check_answers(probe: Probe) -> Iterator[Finding]:
    """Whether the page may read answers and errors, and not preflights alone."""
    origin = probe.visit.origin
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
    # Hardly a server has this one, so it shows what errors look like; none need answer it.
    with suppress(Unreached):
        yield "download", probe.post("download")


def _refusal(probe: Probe, answer: Answer) -> Finding:
    status, visit = answer.status, probe.visit
    told = {
        "status": status,
        "words": answer.words,
        "namespace": visit.namespace,
        "origin": visit.origin,
        "location": answer.header("location") or "nowhere",
    }
    if status == 401:
        return (TOKEN_REFUSED if probe.token else TOKEN_NEEDED)(**told)
    if status == 403:
        from_a_page = visit.origin and probe.post("decode", origin=False).status != 403
        return (ORIGIN_REFUSED if from_a_page else NAMESPACE_REFUSED)(**told)
    if status >= 500:
        return FAILED(**told)
    if 300 <= status < 400:
        return REDIRECT(**told)
    return _BY_STATUS.get(status, UNEXPECTED)(**told)
