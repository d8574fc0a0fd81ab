"""The round trip of two test payloads: encoded ones are decoded, the others stay unchanged."""

import json
from collections.abc import Generator, Iterator, Sequence

from temporal_codec import wire
from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.finding import Finding, Severity, ok, problem, warning
from temporal_codec.cli.doctor.preflight import preflight_findings
from temporal_codec.cli.doctor.probe import PLAIN, Probe, body_of
from temporal_codec.encryption import ENCRYPTED, KEY_ID, NONCE_BYTES, TAG_BYTES
from temporal_codec.errors import WireError
from temporal_codec.payload import Received

# Looks encrypted, with a key that no ring has: a server that has its ring leaves it as it is.
_UNKNOWN = Received(
    {"encoding": ENCRYPTED, KEY_ID: b"temporal-codec-doctor"}, bytes(NONCE_BYTES + TAG_BYTES)
)
_PROTO3 = "Respond in the form of the request: proto3 JSON, with data and metadata in base64."

NOT_JSON = problem(
    "answer-not-json",
    "The response to POST /{operation} is not JSON.",
    "If a web page is at this URL, correct the URL. Otherwise check the server.",
)
SHAPE = problem(
    "answer-shape",
    "Clients cannot read the response to POST /{operation}: {fault}",
    _PROTO3,
)
COUNT = problem(
    "answer-count",
    "The response to POST /{operation} has {count} payloads; {sent} were sent.",
    "Return one payload for each, in the same order: clients match them by position.",
)
CONTENT_TYPE = warning(
    "answer-content-type",
    "The response to POST /{operation} has the content type {type}, not application/json.",
    "Set Content-Type: application/json.",
)
CHANGED = problem(
    "plain-changed",
    "The server's /decode changes payloads that are not encoded.",
    "Return payloads of other encodings unchanged and in place: the Web UI sends all payloads.",
)
UNCHANGED = warning(
    "plain-unchanged",
    "Payloads that are not encoded come back unchanged. This does not show whether the server "
    "decodes yours.",
    "Try your own payloads: --payload FILE or --history FILE.",
)
NO_RING = problem(
    "no-key-ring",
    "The server cannot encode for the namespace {namespace} (400). {words}",
    "Correct CODEC_KEYRING, or make the key ring for this namespace: `temporal-codec keys new`.",
)
NO_KEYS = problem(
    "keys-unavailable",
    "The server answers requests only if they need no key ({status}). {words}",
    "Check that the server can read its key ring (CODEC_KEYRING). Its log names the reason.",
)
NOT_SERVED = warning(
    "encode-not-served",
    "The server does not encode ({status}): nobody can start, signal or update a workflow with "
    "input from the Web UI or the CLI.",
    "Serve /encode too (CODEC_OPERATIONS), unless people should only read.",
)
REFUSED = warning(
    "encode-refused",
    "The server decodes but rejects /encode ({status}). {words}",
    "Grant encode in the policy too, and check the server's log.",
)
PREFLIGHT = warning(
    "encode-preflight",
    "The server encodes, but the preflight does not allow pages to use it: {fault}",
    "Answer OPTIONS /encode like OPTIONS /decode.",
)
PLAINTEXT = warning(
    "encode-plain",
    "The server's /encode returns payloads unchanged, in plaintext.",
    "Check its codec: input that people enter in the Web UI is stored in plaintext.",
)
DIFFERS = problem(
    "round-trip-differs",
    "The server's /decode does not restore what its /encode made.",
    "Check the server's keys and codec: both operations must use the same.",
)
ROUND_TRIP = ok("round-trip", "The server's /decode restores what its /encode made.")


def check_payloads(probe: Probe) -> Iterator[Finding]:
    """Check that payloads come back as they must."""
    if probe.main.status != 200:
        return
    came = yield from read_payloads(probe.main, "decode")
    if came is None:
        return
    if came != PLAIN:
        yield CHANGED()
        return
    sealed = probe.post("encode")
    if sealed.status == 200:
        yield from _round_trip(probe, sealed)
        yield from _preflight(probe)
    else:
        yield from _without_encode(probe, sealed)


def _without_encode(probe: Probe, sealed: Answer) -> Iterator[Finding]:
    facts = {"status": sealed.status, "words": sealed.words}
    unknown = probe.post("decode", body_of(_UNKNOWN))
    if sealed.status == 400:
        yield NO_RING(namespace=probe.target.namespace, **facts)
    elif sealed.status >= 500:
        yield NO_KEYS(**facts)
    elif unknown.status >= 500:
        yield NO_KEYS(status=unknown.status, words=unknown.words)
    else:
        yield (NOT_SERVED if sealed.status in {404, 405} else REFUSED)(**facts)
        if probe.target.own is None:
            yield UNCHANGED()


def _round_trip(probe: Probe, sealed: Answer) -> Iterator[Finding]:
    encoded = yield from read_payloads(sealed, "encode")
    if encoded is None:
        return
    if encoded == PLAIN:
        yield PLAINTEXT()
    opened = probe.post("decode", sealed.body)
    if opened.status != 200:
        yield DIFFERS()
        return
    decoded = yield from read_payloads(opened, "decode")
    if decoded is not None:
        yield ROUND_TRIP() if decoded == PLAIN else DIFFERS()


def _preflight(probe: Probe) -> Iterator[Finding]:
    origin = probe.target.origin
    if origin is None or _problems(probe, probe.allowed):
        return  # no page, or the findings for /decode say it all
    for finding in _problems(probe, probe.preflight("encode", origin))[:1]:
        yield PREFLIGHT(fault=finding.message)


def _problems(probe: Probe, answer: Answer) -> Sequence[Finding]:
    found = preflight_findings(probe, answer)
    return [finding for finding in found if finding.severity is Severity.PROBLEM]


def read_payloads(
    answer: Answer, operation: str, sent: int = len(PLAIN)
) -> Generator[Finding, None, Sequence[Received] | None]:
    """Yield what is wrong with a response; return its payloads if it holds them."""
    if answer.header("content-type").partition(";")[0].strip().lower() != "application/json":
        kind = answer.header("content-type") or "nothing"
        yield CONTENT_TYPE(operation=operation, type=kind)
    try:
        json.loads(answer.body)
    except (ValueError, RecursionError):
        yield NOT_JSON(operation=operation)
        return None
    try:
        payloads = wire.read(answer.body)
    except WireError as error:
        fault = str(error).replace("The request", "the response")
        yield SHAPE(operation=operation, fault=fault)
        return None
    if len(payloads) != sent:
        yield COUNT(operation=operation, count=len(payloads), sent=sent)
        return None
    return payloads
