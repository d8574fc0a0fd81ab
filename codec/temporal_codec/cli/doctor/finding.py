"""What the doctor finds: a stable id, a severity, what is wrong, and what to do next."""

from dataclasses import dataclass
from enum import StrEnum

_LONGEST = 200


class Severity(StrEnum):
    """How much a finding matters; one problem means that decoding does not work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of the examination."""

    id: str
    severity: Severity
    message: str
    next: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding; call it with the facts of a case to get the Finding."""

    id: str
    severity: Severity
    message: str
    next: str = "Nothing to do."

    def __call__(self, **facts: object) -> Finding:
        """Make the finding; facts can be a stranger's words."""
        told = {name: shown(str(fact)) for name, fact in facts.items()}
        message, following = self.message.format(**told), self.next.format(**told)
        return Finding(self.id, self.severity, message, following)


def ok(identity: str, message: str) -> Kind:
    """Make a kind for something that works."""
    return Kind(identity, Severity.OK, message)


def warning(identity: str, message: str, following: str) -> Kind:
    """Make a kind for something that can go wrong, or that works only for some people."""
    return Kind(identity, Severity.WARNING, message, following)


def problem(identity: str, message: str, following: str) -> Kind:
    """Make a kind for something that stops it from working."""
    return Kind(identity, Severity.PROBLEM, message, following)


class Unreached(Exception):
    """A request got no readable response, so the examination ends."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def shown(text: str) -> str:
    """A stranger's words in a form safe for a terminal: short, without control characters."""
    safe = "".join(each if each.isprintable() else "?" for each in text[: _LONGEST + 1])
    return safe if len(safe) <= _LONGEST else safe[:_LONGEST] + "..."
