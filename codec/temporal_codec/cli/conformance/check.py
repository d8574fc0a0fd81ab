"""A check: a number, a level, the rule in a sentence, its source, and the code that decides it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from temporal_codec.cli.conformance.server import Server


class Level(StrEnum):
    """How much a rule matters."""

    MUST = "must"
    """Without it a client of Temporal fails."""
    SHOULD = "should"
    """Without it something is slower, less safe, or harder to find."""
    OBSERVED = "observed"
    """Servers differ, and may: what this one does is reported."""


class Outcome(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 — an outcome
    FAIL = "fail"
    SEEN = "seen"
    SKIPPED = "skipped"


class Failed(Exception):
    """The rule does not hold; the text says what was seen."""


class Skipped(Exception):
    """The rule does not apply here; the text says why."""


Run = Callable[[Server], str | None]
"""Raises Failed or Skipped; gives what was seen, for a check that only observes."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the contract."""

    number: int
    level: Level
    rule: str
    source: str
    run: Run
    browser: bool = False
    """Whether only a web page needs it."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check."""

    check: Check
    outcome: Outcome
    seen: str = ""


def expect(holds: bool, seen: str) -> None:
    """Raise Failed with what was seen, unless the rule holds."""
    if not holds:
        raise Failed(seen)
