"""The whole examination: every check in its order, until nothing answers any more."""

from collections.abc import Callable, Iterator

from temporal_codec.cli.doctor.access import check_access, check_answers, check_clock
from temporal_codec.cli.doctor.finding import Finding, Unreached
from temporal_codec.cli.doctor.limits import check_burst, check_size
from temporal_codec.cli.doctor.payloads import check_payloads
from temporal_codec.cli.doctor.preflight import check_preflight
from temporal_codec.cli.doctor.probe import Probe
from temporal_codec.cli.doctor.reach import check_connection, check_url
from temporal_codec.cli.doctor.token import check_token

Check = Callable[[Probe], Iterator[Finding]]
"""Looks at one thing, and asks of the server what it needs for that."""

CHECKS: tuple[Check, ...] = (
    check_url,
    check_connection,
    check_preflight,
    check_access,
    check_token,
    check_clock,
    check_answers,
    check_payloads,
    check_size,
    check_burst,
)


def examine(probe: Probe) -> Iterator[Finding]:
    """Everything that is found, as it is found."""
    try:
        for check in CHECKS:
            yield from check(probe)
    except Unreached as fault:
        yield fault.finding
