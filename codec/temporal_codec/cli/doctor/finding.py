"""What the doctor finds: an id that stays, how bad it is, what is wrong and what to do next."""

from dataclasses import dataclass
from enum import StrEnum

_LONGEST = 200


class Severity(StrEnum):
    """How much a finding matters; one problem means that it would not work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    id: str
    severity: Severity
    message: str
    next: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What may be found: calling it with the facts of a case gives the Finding."""

    id: str
    severity: Severity
    message: str
    next: str = "Nothing is to be done."

    def __call__(self, **facts: object) -> Finding:
        """The finding; facts may be a stranger's words."""
        told = {name: shown(str(fact)) for name, fact in facts.items()}
        message, following = self.message.format(**told), self.next.format(**told)
        return Finding(self.id, self.severity, message, following)


def ok(identity: str, message: str) -> Kind:
    """Something that is as it must be."""
    return Kind(identity, Severity.OK, message)


def warning(identity: str, message: str, following: str) -> Kind:
    """Something that may go wrong, or works only for some."""
    return Kind(identity, Severity.WARNING, message, following)


def problem(identity: str, message: str, following: str) -> Kind:
    """Something that keeps it from working."""
    return Kind(identity, Severity.PROBLEM, message, following)


class Unreached(Exception):
    """A request got no answer that could be read; nothing further can be found out."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def shown(text: str) -> str:
    """A stranger's words as a terminal may have them: short, and without control characters."""
    safe = "".join(each if each.isprintable() else "?" for each in text[: _LONGEST + 1])
    return safe if len(safe) <= _LONGEST else safe[:_LONGEST] + "..."
