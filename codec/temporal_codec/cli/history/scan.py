"""What a history shows to people without the keys, place by place."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from temporal_codec.cli.errors import CliError
from temporal_codec.cli.history.file import HistoryFile, Json
from temporal_codec.cli.history.form import b64, looks_random
from temporal_codec.cli.history.inner import places
from temporal_codec.cli.history.places import Place, State
from temporal_codec.cli.history.system import SystemOperations
from temporal_codec.cli.progress import plural
from temporal_codec.errors import KeyringUnavailable, PayloadError
from temporal_codec.keys.keys import Keys
from temporal_codec.payload import Received
from temporal_codec.pipeline import Opened, decode


class Row(NamedTuple):
    """One line of the report."""

    state: State
    encoding: str
    path: str


@dataclass
class Report:
    """Everything that a scan found in one history."""

    events: int
    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unproven: Counter[str] = field(default_factory=Counter)
    """Payloads that the keys do not decrypt, by reason."""

    @property
    def counts(self) -> dict[str, int]:
        """The number of places in each state."""
        return {state.value: sum(row.state is state for row in self.rows) for state in State}

    def document(self) -> dict[str, object]:
        """The report for programs."""
        return {"counts": self.counts, "places": [row._asdict() for row in self.rows]}

    def summary(self) -> str:
        """The report in one sentence."""
        counts = self.counts
        plaintext, unproven = counts[State.PLAINTEXT], counts[State.UNPROVEN]
        doubtful = f"{unproven} not proven to be encrypted, " if unproven else ""
        return (
            f"{plural(self.events, 'event')}: "
            f"{plural(counts[State.ENCRYPTED], 'place')} encrypted, "
            f"{plaintext or 'none'} in plaintext, {doubtful}{counts[State.VISIBLE]} visible by "
            "design."
        )


def scanned(history: HistoryFile, events: Iterable[Json], keys: Keys | None) -> Report:
    """Scan a history, whose events may come through a progress bar; raises CliError."""
    report, system = Report(len(history)), SystemOperations()
    for index, event in enumerate(events):
        for place in _proven(list(places(event, index, system)), keys, report.unproven):
            report.rows.append(Row(place.state, place.encoding, place.path))
            if keys is None and place.state is State.ENCRYPTED and not looks_random(place.value):
                report.warnings.append(
                    f"{place.path} does not look like ciphertext. --ring proves that it is."
                )
    return report


def _proven(found: Sequence[Place], keys: Keys | None, unproven: Counter[str]) -> Sequence[Place]:
    encrypted = [place for place in found if place.state is State.ENCRYPTED]
    if keys is None or not encrypted:
        return found
    try:
        outcomes = decode([_received(place.value) for place in encrypted], keys)
    except KeyringUnavailable as error:
        raise CliError(f"The keys are not available now: {error}. Try again later.") from None
    failed = {
        place.path
        for place, outcome in zip(encrypted, outcomes, strict=True)
        if not isinstance(outcome, Opened)
    }
    unproven.update(each.reason for each in outcomes if isinstance(each, PayloadError))
    return [replace(each, state=State.UNPROVEN) if each.path in failed else each for each in found]


def _received(payload: Json) -> Received:
    metadata = {name: b64(text) for name, text in payload["metadata"].items()}
    return Received(metadata, b64(payload.get("data") or ""))
