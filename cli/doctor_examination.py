"""The whole examination: every check in its order, until nothing answers any more."""

from collections.abc import Callable, Iterator

from cli.doctor_access import check_access, check_answers, check_clock
from cli.doctor_finding import Finding, Unreached
from cli.doctor_limits import check_burst, check_size
from cli.doctor_payloads import check_payloads
from cli.doctor_preflight import check_preflight
from cli.doctor_probe import Probe
from cli.doctor_reach import check_connection, check_url
from cli.doctor_token import check_token

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
