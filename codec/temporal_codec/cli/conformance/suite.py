"""Every check, and how a server fares."""

from collections.abc import Iterator

from temporal_codec.cli.conformance import browser, decoding, forms, limits
from temporal_codec.cli.conformance.check import Check, Failed, Level, Outcome, Result, Skipped
from temporal_codec.cli.conformance.server import Server
from temporal_codec.cli.doctor.finding import Unreached, shown

CHECKS: tuple[Check, ...] = (
    *decoding.CHECKS,
    *forms.CHECKS,
    *browser.CHECKS,
    *limits.CHECKS,
)


def results(server: Server, *, without_browser: bool = False) -> Iterator[Result]:
    """Run the checks in order."""
    for check in CHECKS:
        if not (without_browser and check.browser):
            yield result(check, server)


def result(check: Check, server: Server) -> Result:
    """Run one check."""
    try:
        seen = check.run(server)
    except Skipped as reason:
        return Result(check, Outcome.SKIPPED, str(reason))
    except (Failed, Unreached) as fault:
        failed = Outcome.SEEN if check.level is Level.OBSERVED else Outcome.FAIL
        return Result(check, failed, shown(str(fault)))
    observed = check.level is Level.OBSERVED
    return Result(check, Outcome.SEEN if observed else Outcome.PASS, shown(seen or ""))


def conforms(found: list[Result]) -> bool:
    """Whether no must fails."""
    return not any(
        each.outcome is Outcome.FAIL and each.check.level is Level.MUST for each in found
    )
