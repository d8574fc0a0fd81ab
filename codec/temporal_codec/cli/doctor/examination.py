"""The whole examination: every check in order, until the server stops answering."""

from collections.abc import Callable, Iterator

from temporal_codec.cli.doctor.access import check_access, check_answers, check_clock
from temporal_codec.cli.doctor.finding import Finding, Unreached
from temporal_codec.cli.doctor.limits import check_burst, check_size
from temporal_codec.cli.doctor.namespaces import check_namespaces
from temporal_codec.cli.doctor.own import check_own
from temporal_codec.cli.doctor.payloads import check_payloads
from temporal_codec.cli.doctor.preflight import check_preflight
from temporal_codec.cli.doctor.probe import Probe
from temporal_codec.cli.doctor.reach import check_connection, check_url
from temporal_codec.cli.doctor.token import check_token

Check = Callable[[Probe], Iterator[Finding]]
"""Examines one thing, and sends the requests that it needs."""

CHECKS: tuple[Check, ...] = (
    check_url,
    check_connection,
    check_preflight,
    check_access,
    check_token,
    check_clock,
    check_answers,
    check_payloads,
    check_namespaces,
    check_own,
    check_size,
    check_burst,
)


def examine(probe: Probe) -> Iterator[Finding]:
    """Yield each finding as soon as it is known."""
    try:
        for check in CHECKS:
            yield from check(probe)
    except Unreached as fault:
        yield fault.finding
