"""An exported history: a file that a stranger may have written, read one event at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from temporal_codec.cli.errors import NoHistory
from temporal_codec.cli.history.forms import Events, events_of
from temporal_codec.cli.history.text import MAX_BYTES, STDIN, read_text
from temporal_codec.strict_json import NotStrict, read_object

__all__ = ["MAX_BYTES", "STDIN", "HistoryFile", "Json", "read_text"]

MAX_DEPTH = 300  # causes of failures nest

Json: TypeAlias = Any
"""What json.loads gives."""


class HistoryFile:
    """The events of one history, each parsed when it is needed.

    So the memory that this takes is the file's size plus one event.
    """

    def __init__(self, name: str, events: Events) -> None:
        """Take a name for error messages, and the texts of the events."""
        self._name = name
        self._events = events

    @classmethod
    def read(cls, path: Path) -> Sequence["HistoryFile"]:
        """Read the histories of a file; raises NoHistory."""
        return cls.of(str(path), read_text(path))

    @classmethod
    def of(cls, name: str, text: bytes) -> Sequence["HistoryFile"]:
        """The histories of a text in UTF-8; raises NoHistory."""
        found = events_of(name, text)
        if len(found) == 1:
            return [cls(name, found[0])]
        return [cls(f"{name}: history {number}", each) for number, each in enumerate(found, 1)]

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Json]:
        for index, raw in enumerate(self._events):
            yield _parsed(f"{self._name}: events[{index}]", bytes(raw))


def _parsed(place: str, text: bytes) -> Json:
    try:
        # Of two members with one name, one could hide something.
        return read_object(text, MAX_DEPTH)
    except NotStrict as error:
        raise NoHistory(f"{place} is not unambiguous JSON: {error}.") from None
