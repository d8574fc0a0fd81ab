"""How much the server accepts: one large payload, and a page's burst of small requests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from temporal_codec.cli.doctor.finding import Finding, Unreached, ok, warning
from temporal_codec.cli.doctor.preflight import readable
from temporal_codec.cli.doctor.probe import Probe, body_of
from temporal_codec.payload import Received

LARGE_BYTES = 2 * 1024 * 1024  # the largest payload that a Temporal Service accepts by default
BURST = 30
_AT_ONCE = 10  # more than a browser's 6 over HTTP/1.1, fewer than over HTTP/2
_PATIENCE = 3

REFUSED = warning(
    "size-refused",
    "The server rejects a payload of 2 MB (413), the largest that Temporal accepts.",
    "Allow requests of 3 MB. Until then such payloads cannot be shown.",
)
REFUSED_NO_CORS = warning(
    "size-refused-no-cors",
    "A payload of 2 MB, the largest that Temporal accepts, is rejected (413) without CORS headers. "
    "The Web UI reports that as a network failure.",
    "Configure the gateway or framework that rejects it to allow 3 MB and to send CORS headers.",
)
FAILED = warning(
    "size-failed",
    "A payload of 2 MB, the largest that Temporal accepts, is not returned: {reason}",
    "Check the size and time limits of the server and of any gateway in front of it.",
)
SIZE_OK = ok("size-ok", "A payload of 2 MB is returned.")
THROTTLED = warning(
    "burst-refused",
    "The server rejected {refused} of {sent} small requests, as many as a history page sends.",
    "Allow bursts of 300 requests and 100 requests per second. Until then, pages are decoded only "
    "in part.",
)


def check_size(probe: Probe) -> Iterator[Finding]:
    """Check that the largest payload passes."""
    if probe.main.status != 200:
        return
    data = b'"' + b"x" * (LARGE_BYTES - 2) + b'"'
    body = body_of(Received({"encoding": b"json/plain"}, data))
    try:
        answer = probe.post("decode", body, patience=_PATIENCE)
    except Unreached as fault:
        yield FAILED(reason=fault.finding.message)
        return
    if answer.status == 200:
        yield SIZE_OK()
    elif answer.status == 413:
        yield REFUSED() if readable(probe, answer) else REFUSED_NO_CORS()
    else:
        yield FAILED(reason=f"the status is {answer.status}.")


def check_burst(probe: Probe) -> Iterator[Finding]:
    """Check that all requests of a page pass."""
    if probe.main.status != 200:
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        passed = list(pool.map(lambda _: _passes(probe), range(BURST)))
    refused = passed.count(False)
    if refused:
        yield THROTTLED(sent=BURST, refused=refused)


def _passes(probe: Probe) -> bool:
    try:
        return probe.post("decode").status == 200
    except Unreached:
        return False
