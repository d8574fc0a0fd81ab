"""The preflight: what a browser asks before it lets a page call the Codec Server."""

from collections.abc import Iterator

from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.finding import Finding, Severity, Unreached, ok, problem, warning
from temporal_codec.cli.doctor.probe import Probe, Visit

_STRANGER = "https://stranger.example"
_SHORT_SECONDS = 600
_OPTIONS = "Let the server, or the gateway in front of it, answer OPTIONS with 204 and no token."

REDIRECT = problem(
    "preflight-redirect",
    "The preflight is redirected ({status}, to {location}), which browsers do not follow.",
    "Give the URL that it leads to as the endpoint, or take the redirect away.",
)
ASKS_TOKEN = problem(
    "preflight-asks-token",
    "The preflight is answered with {status}: the server asks it for a token, and browsers never "
    "send one with it.",
    _OPTIONS,
)
STATUS = problem(
    "preflight-status", "The preflight is answered with {status} instead of 204 or 200.", _OPTIONS
)
NO_ORIGIN = problem(
    "preflight-no-origin",
    "The server allows no page from {origin}: Access-Control-Allow-Origin is missing.",
    "Add {origin} to the origins that the server allows (CODEC_ORIGINS), or name the page that "
    "you look at with --origin.",
)
OTHER_ORIGIN = problem(
    "preflight-other-origin",
    "The server allows pages from {allowed}, and not from {origin}.",
    "Let it answer each allowed origin with exactly that origin: scheme, host and port, no slash.",
)
TWO_ORIGINS = problem(
    "preflight-two-origins",
    "Access-Control-Allow-Origin has several values ({allowed}), which browsers refuse.",
    "Let only one of server and gateway set the CORS headers, and set one value.",
)
ANY_ORIGIN = warning(
    "preflight-any-origin",
    "Access-Control-Allow-Origin is *: every page in the world may call this server.",
    "Answer with the origins of your Web UIs instead.",
)
STRANGER = warning(
    "preflight-any-page",
    "The server allows a page that it cannot know ({stranger}): it repeats whatever origin asks.",
    "Compare the origin with a list of your Web UIs.",
)
CREDENTIALS_ANY = problem(
    "credentials-any-origin",
    "With Include credentials, browsers take no * for Access-Control-Allow-Origin or "
    "Access-Control-Allow-Headers.",
    "Answer with the exact origin and headers, or switch Include credentials off in the Web UI.",
)
CREDENTIALS = problem(
    "credentials-not-allowed",
    "With Include credentials, Access-Control-Allow-Credentials must be true, and it is not.",
    "Switch Include credentials off in the Web UI: a token needs none. Else let the server allow "
    "them.",
)
METHODS = warning(
    "preflight-methods",
    "Access-Control-Allow-Methods does not name POST ({methods}).",
    "Add POST. Browsers let it pass; gateways and other clients may not.",
)
VARY = warning(
    "preflight-vary",
    "The answer differs from origin to origin and has no Vary: Origin.",
    "Add Vary: Origin, or a cache may hand one page's answer to another.",
)
MAX_AGE = warning(
    "preflight-max-age",
    "Access-Control-Max-Age is {age}, so browsers ask again and again.",
    "Set it to 7200: a history page makes dozens of requests, and each may ask first.",
)
TOKEN_HEADERS = warning(
    "preflight-token-headers",
    "The preflight does not allow {missing}.",
    "Leave Pass access token off in the Web UI, or add them to Access-Control-Allow-Headers.",
)
HEADERS = {
    name: problem(
        f"preflight-{name}",
        f"The preflight does not allow the header {name}, so the browser sends nothing.",
        following,
    )
    for name, following in {
        "content-type": "Add content-type to Access-Control-Allow-Headers.",
        "x-namespace": "Add x-namespace to Access-Control-Allow-Headers.",
        "authorization": "Add authorization to Access-Control-Allow-Headers, by name: * does not "
        "cover it.",
        "authorization-extras": "Add authorization-extras to Access-Control-Allow-Headers: the "
        "Web UI sends the ID token in it.",
    }.items()
}
ALLOWED = ok("preflight-ok", "The preflight allows pages from {origin}, with all their headers.")


def check_preflight(probe: Probe) -> Iterator[Finding]:
    """Whether a browser would send the request after this preflight."""
    origin = probe.visit.origin
    if origin is None:
        return
    found = list(preflight_findings(probe, probe.allowed))
    yield from found
    if not any(finding.severity is Severity.PROBLEM for finding in found):
        yield ALLOWED(origin=origin)
        if _allows_stranger(probe):
            yield STRANGER(stranger=_STRANGER)


def _allows_stranger(probe: Probe) -> bool:
    try:
        answer = probe.preflight("decode", _STRANGER)
    except Unreached:  # a firewall may well hang up on it
        return False
    return _STRANGER in answer.all("access-control-allow-origin")


def preflight_findings(probe: Probe, answer: Answer) -> Iterator[Finding]:
    """All that is amiss with a preflight's answer."""
    status = answer.status
    if 300 <= status < 400:
        yield REDIRECT(status=status, location=answer.header("location") or "nowhere")
    elif status in {401, 403}:
        yield ASKS_TOKEN(status=status)
    elif not 200 <= status < 300:
        yield STATUS(status=status)
    else:
        yield from origin_findings(answer, probe.visit)
        # Who does not allow an origin need not tell it anything.
        if answer.all("access-control-allow-origin") or answer.all("access-control-allow-headers"):
            yield from _details(answer, probe)


def origin_findings(answer: Answer, visit: Visit) -> Iterator[Finding]:
    """Whether the page may read an answer, by its Access-Control-Allow-Origin."""
    allowed, credentials = answer.all("access-control-allow-origin"), visit.credentials
    told = {"origin": visit.origin, "allowed": ", ".join(allowed)}
    if not allowed:
        yield NO_ORIGIN(**told)
    elif len(allowed) > 1 or "," in allowed[0]:
        yield TWO_ORIGINS(**told)
    elif allowed == ["*"]:
        yield CREDENTIALS_ANY() if credentials else ANY_ORIGIN()
    elif allowed != [visit.origin]:
        yield OTHER_ORIGIN(**told)
    elif credentials and answer.header("access-control-allow-credentials") != "true":
        yield CREDENTIALS()


def readable(probe: Probe, answer: Answer) -> bool:
    """Whether the page, or the CLI where there is none, may read an answer."""
    if probe.visit.origin is None:
        return True
    found = origin_findings(answer, probe.visit)
    return not any(finding.severity is Severity.PROBLEM for finding in found)


def _details(answer: Answer, probe: Probe) -> Iterator[Finding]:
    methods = answer.listed("access-control-allow-methods")
    if methods and not methods & {"post", "*"}:
        yield METHODS(methods=", ".join(sorted(methods)))
    yield from _headers(answer, probe)
    exact = probe.visit.origin in answer.all("access-control-allow-origin")
    if exact and not answer.listed("vary") & {"origin", "*"}:
        yield VARY()
    age = answer.header("access-control-max-age")
    if not age.isdecimal() or int(age[:10]) < _SHORT_SECONDS:
        yield MAX_AGE(age=age or "missing")


def _headers(answer: Answer, probe: Probe) -> Iterator[Finding]:
    allowed = answer.listed("access-control-allow-headers")
    # By the Fetch standard * means every header but Authorization, and with credentials itself.
    if "*" in allowed and not probe.visit.credentials:
        allowed |= HEADERS.keys() - {"authorization"}
    missing = [name for name in HEADERS if name not in allowed]
    yield from (HEADERS[name]() for name in missing if name in probe.needed_headers)
    for_tokens = [name for name in missing if name not in probe.needed_headers]
    if for_tokens:
        yield TOKEN_HEADERS(missing=" and ".join(for_tokens))
