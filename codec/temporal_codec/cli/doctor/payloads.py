"""The round trip of two test payloads: what is encoded must be decoded, the rest left alone."""

import json
from collections.abc import Generator, Iterator, Sequence

from temporal_codec import wire
from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.finding import Finding, Severity, ok, problem, warning
from temporal_codec.cli.doctor.preflight import preflight_findings
from temporal_codec.cli.doctor.probe import PLAIN, Probe
from temporal_codec.errors import WireError
from temporal_codec.payload import Received

_PROTO3 = "Answer as the request is written: proto3 JSON, with data and metadata in base64."

NOT_JSON = problem(
    "answer-not-json",
    "The answer to POST /{operation} is no JSON.",
    "Correct the URL if a web page answers there; else look at the server.",
)
SHAPE = problem(
    "answer-shape",
    "The answer to POST /{operation} is not what clients read: {fault}",
    _PROTO3,
)
COUNT = problem(
    "answer-count",
    "The answer to POST /{operation} has {count} payloads, where {sent} were sent.",
    "Answer with one payload for each, in their order: clients go by the position.",
)
CONTENT_TYPE = warning(
    "answer-content-type",
    "The answer to POST /{operation} is sent as {type} instead of application/json.",
    "Set Content-Type: application/json.",
)
CHANGED = problem(
    "plain-changed",
    "Payloads that are not encoded come back changed from /decode.",
    "Give back unchanged, and in place, what this codec did not encode: the Web UI sends all.",
)
UNCHANGED = ok(
    "plain-unchanged",
    "Payloads that are not encoded come back unchanged; whether it opens yours was not tried.",
)
NOT_SERVED = warning(
    "encode-not-served",
    "The server does not encode ({status}): from the Web UI and the CLI nobody can start, signal "
    "or update with input.",
    "Serve /encode, too (CODEC_OPERATIONS), unless people shall only read.",
)
REFUSED = warning(
    "encode-refused",
    "The server decodes, and refuses to encode ({status}). {words}",
    "Let the policy grant encode, too, and look at the server's log; the namespace needs a key.",
)
PREFLIGHT = warning(
    "encode-preflight",
    "The server encodes, and no preflight allows pages to ask for it: {fault}",
    "Answer OPTIONS /encode as OPTIONS /decode.",
)
PLAINTEXT = warning(
    "encode-plain",
    "The server's /encode gives payloads back as they came, in plaintext.",
    "Look at its codec: what people enter in the Web UI is stored as it stands.",
)
DIFFERS = problem(
    "round-trip-differs",
    "What /encode made is not what it was after /decode.",
    "Look at the server's keys and its codec: both operations must have the same.",
)
ROUND_TRIP = ok("round-trip", "What /encode made, /decode opened again.")


def check_payloads(probe: Probe) -> Iterator[Finding]:
    """Whether payloads come back as they must."""
    if probe.main.status != 200:
        return
    came = yield from _payloads(probe.main, "decode")
    if came is None:
        return
    if came != PLAIN:
        yield CHANGED()
        return
    sealed = probe.post("encode")
    if sealed.status == 200:
        yield from _round_trip(probe, sealed)
        yield from _preflight(probe)
        return
    kind = NOT_SERVED if sealed.status in {404, 405} else REFUSED
    yield kind(status=sealed.status, words=sealed.words)
    yield UNCHANGED()


def _round_trip(probe: Probe, sealed: Answer) -> Iterator[Finding]:
    encoded = yield from _payloads(sealed, "encode")
    if encoded is None:
        return
    if encoded == PLAIN:
        yield PLAINTEXT()
    opened = probe.post("decode", sealed.body)
    if opened.status != 200:
        yield DIFFERS()
        return
    decoded = yield from _payloads(opened, "decode")
    if decoded is not None:
        yield ROUND_TRIP() if decoded == PLAIN else DIFFERS()


def _preflight(probe: Probe) -> Iterator[Finding]:
    origin = probe.visit.origin
    if origin is None or _problems(probe, probe.allowed):
        return  # there is none, or all that is to be said was said of /decode
    for finding in _problems(probe, probe.preflight("encode", origin))[:1]:
        yield PREFLIGHT(fault=finding.message)


def _problems(probe: Probe, answer: Answer) -> Sequence[Finding]:
    found = preflight_findings(probe, answer)
    return [finding for finding in found if finding.severity is Severity.PROBLEM]


def _payloads(
    answer: Answer, operation: str
) -> Generator[Finding, None, Sequence[Received] | None]:
    # Yields what is amiss, and gives the payloads if they can be told from the answer.
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
        fault = str(error).replace("The request", "the answer")
        yield SHAPE(operation=operation, fault=fault)
        return None
    if len(payloads) != len(PLAIN):
        yield COUNT(operation=operation, count=len(payloads), sent=len(PLAIN))
        return None
    return payloads
