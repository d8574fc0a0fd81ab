"""The preflight: the request that a browser sends before a page can call the Codec Server."""

from collections.abc import Iterator

from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.finding import Finding, Severity, Unreached, ok, problem, warning
from temporal_codec.cli.doctor.gateway import of_preflight
from temporal_codec.cli.doctor.probe import Probe, Target

_STRANGER = "https://stranger.example"
_SHORT_SECONDS = 600
_OPTIONS = (
    "Make the server, or the gateway in front of it, answer OPTIONS with 204, without a token."
)

REDIRECT = problem(
    "preflight-redirect",
    "The preflight is redirected ({status}, to {location}). Browsers do not follow that.",
    "Use the target of the redirect as the endpoint, or remove the redirect.",
)
ASKS_TOKEN = problem(
    "preflight-asks-token",
    "The preflight gets status {status}: it requires a token, and browsers never send one with it.",
    _OPTIONS,
)
STATUS = problem(
    "preflight-status", "The preflight gets status {status} instead of 204 or 200.", _OPTIONS
)
NO_ORIGIN = problem(
    "preflight-no-origin",
    "The server does not allow pages from {origin}: Access-Control-Allow-Origin is missing.",
    "Add {origin} to the allowed origins (CODEC_ORIGINS). If your page has another origin, use "
    "--origin.",
)
OTHER_ORIGIN = problem(
    "preflight-other-origin",
    "The server allows pages from {allowed}, not from {origin}.",
    "Return exactly the origin of the request if it is allowed: scheme, host and port, no slash.",
)
TWO_ORIGINS = problem(
    "preflight-two-origins",
    "Access-Control-Allow-Origin has several values ({allowed}). Browsers reject that.",
    "Set the CORS headers in one place, the server or the gateway, with one value.",
)
ANY_ORIGIN = warning(
    "preflight-any-origin",
    "Access-Control-Allow-Origin is *: any web page can call this server.",
    "Return the origins of your Web UIs instead.",
)
STRANGER = warning(
    "preflight-any-page",
    "The server allows an unknown page ({stranger}): it repeats the origin of every request.",
    "Check the origin against a list of your Web UIs.",
)
CREDENTIALS_ANY = problem(
    "credentials-any-origin",
    "With Include credentials, browsers reject * in Access-Control-Allow-Origin and "
    "Access-Control-Allow-Headers.",
    "Return the exact origin and headers, or turn off Include credentials in the Web UI.",
)
CREDENTIALS = problem(
    "credentials-not-allowed",
    "With Include credentials, Access-Control-Allow-Credentials must be true. It is not.",
    "Turn off Include credentials in the Web UI: a token does not need it. Otherwise allow "
    "credentials in the server.",
)
METHODS = warning(
    "preflight-methods",
    "Access-Control-Allow-Methods does not name POST ({methods}).",
    "Add POST. Browsers accept this; gateways and other clients may not.",
)
VARY = warning(
    "preflight-vary",
    "The response differs by origin but has no Vary: Origin.",
    "Add Vary: Origin. Without it a cache can serve one page's response to another page.",
)
MAX_AGE = warning(
    "preflight-max-age",
    "Access-Control-Max-Age is {age}, so browsers repeat the preflight often.",
    "Set it to 7200: a history page sends dozens of requests, and each may need a preflight.",
)
TOKEN_HEADERS = warning(
    "preflight-token-headers",
    "The preflight does not allow {missing}.",
    "Turn off Pass access token in the Web UI, or add them to Access-Control-Allow-Headers.",
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
        "authorization": "Add authorization to Access-Control-Allow-Headers by name: * does not "
        "cover it.",
        "authorization-extras": "Add authorization-extras to Access-Control-Allow-Headers: the "
        "Web UI sends the ID token in it.",
    }.items()
}
ALLOWED = ok("preflight-ok", "The preflight allows pages from {origin} with all their headers.")


def check_preflight(probe: Probe) -> Iterator[Finding]:
    """Check that a browser sends the request after this preflight."""
    origin = probe.target.origin
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
    except Unreached:  # a firewall may close the connection
        return False
    return _STRANGER in answer.all("access-control-allow-origin")


def preflight_findings(probe: Probe, answer: Answer) -> Iterator[Finding]:
    """Yield everything that is wrong with the response to a preflight."""
    status = answer.status
    if 300 <= status < 400:
        yield REDIRECT(status=status, location=answer.header("location") or "no location")
    elif status in {401, 403}:
        yield ASKS_TOKEN(status=status)
    elif not 200 <= status < 300:
        yield of_preflight(status) or STATUS(status=status)
    else:
        yield from origin_findings(answer, probe.target)
        # A server that does not allow an origin need not send it anything else.
        if answer.all("access-control-allow-origin") or answer.all("access-control-allow-headers"):
            yield from _details(answer, probe)


def origin_findings(answer: Answer, target: Target) -> Iterator[Finding]:
    """Check Access-Control-Allow-Origin: whether the page may read a response."""
    allowed, credentials = answer.all("access-control-allow-origin"), target.credentials
    told = {"origin": target.origin, "allowed": ", ".join(allowed)}
    if not allowed:
        yield NO_ORIGIN(**told)
    elif len(allowed) > 1 or "," in allowed[0]:
        yield TWO_ORIGINS(**told)
    elif allowed == ["*"]:
        yield CREDENTIALS_ANY() if credentials else ANY_ORIGIN()
    elif allowed != [target.origin]:
        yield OTHER_ORIGIN(**told)
    elif credentials and answer.header("access-control-allow-credentials") != "true":
        yield CREDENTIALS()


def readable(probe: Probe, answer: Answer) -> bool:
    """Whether the page may read a response; the CLI may read all."""
    if probe.target.origin is None:
        return True
    found = origin_findings(answer, probe.target)
    return not any(finding.severity is Severity.PROBLEM for finding in found)


def _details(answer: Answer, probe: Probe) -> Iterator[Finding]:
    methods = answer.listed("access-control-allow-methods")
    if methods and not methods & {"post", "*"}:
        yield METHODS(methods=", ".join(sorted(methods)))
    yield from _headers(answer, probe)
    exact = probe.target.origin in answer.all("access-control-allow-origin")
    if exact and not answer.listed("vary") & {"origin", "*"}:
        yield VARY()
    age = answer.header("access-control-max-age")
    if not age.isdecimal() or int(age[:10]) < _SHORT_SECONDS:
        yield MAX_AGE(age=age or "missing")


def _headers(answer: Answer, probe: Probe) -> Iterator[Finding]:
    allowed = answer.listed("access-control-allow-headers")
    # By the Fetch standard * is every header except Authorization; with credentials it is no more.
    if "*" in allowed and not probe.target.credentials:
        allowed |= HEADERS.keys() - {"authorization"}
    missing = [name for name in HEADERS if name not in allowed]
    yield from (HEADERS[name]() for name in missing if name in probe.needed_headers)
    for_tokens = [name for name in missing if name not in probe.needed_headers]
    if for_tokens:
        yield TOKEN_HEADERS(missing=" and ".join(for_tokens))
