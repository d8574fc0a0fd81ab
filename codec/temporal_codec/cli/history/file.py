"""An exported history: a file that a stranger may have written, read one event at a time."""

import json
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from temporal_codec.cli.errors import NoHistory

MAX_BYTES = 256 * 1024 * 1024
STDIN = Path("-")
_EXPORT = (
    "`temporal workflow show --output json` writes one, and so does the Web UI's Download button."
)

Json: TypeAlias = Any
"""What json.loads gives."""


class HistoryFile:
    """The events of an exported history, each parsed when it is asked for.

    So the memory that this takes is the file's size and one event more.
    """

    def __init__(self, name: str, text: bytes) -> None:
        """Take a file's name, which faults are told with, and its text; raises NoHistory."""
        self._name = name
        self._events = _raw_events(name, text)

    @classmethod
    def read(cls, path: Path) -> "HistoryFile":
        """Read a file; raises NoHistory."""
        return cls(str(path), read_text(path))

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Json]:
        for index, raw in enumerate(self._events):
            yield _parsed(f"{self._name}: events[{index}]", bytes(raw))


def read_text(path: Path) -> bytes:
    """What a file holds, or what is typed or piped in where it is `-`; raises NoHistory."""
    try:
        with sys.stdin.buffer if path == STDIN else path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NoHistory(f"{path} cannot be read: {error.strerror}.") from None
    if len(text) > MAX_BYTES:
        raise NoHistory(f"{path} has over {MAX_BYTES >> 20} MB. No history is that large.")
    return text


def _raw_events(name: str, text: bytes) -> Sequence[msgspec.Raw]:
    # The Web UI once wrote a bare list. Windows shells put a byte order mark before the text.
    text = text.removeprefix(BOM_UTF8).lstrip()
    try:
        if text.startswith(b"["):
            events = msgspec.json.decode(text, type=list[msgspec.Raw])
        else:
            events = msgspec.json.decode(text, type=_History).events
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoHistory(f"{name} is no exported history. {_EXPORT}") from None
    if not events:
        raise NoHistory(f"{name} is a history without events. {_EXPORT}")
    return events


class _History(msgspec.Struct):
    events: list[msgspec.Raw]


def _parsed(place: str, text: bytes) -> Json:
    try:
        event = json.loads(text.decode(), object_pairs_hook=_members, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NoHistory(f"{place} is not JSON that all would read alike.") from None
    if not isinstance(event, dict):
        raise NoHistory(f"{place} is no event.")
    return event


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError  # of two members with one name the other could hide something
    return members


def _refuse(_name: str) -> None:
    raise ValueError  # NaN and Infinity are not JSON
