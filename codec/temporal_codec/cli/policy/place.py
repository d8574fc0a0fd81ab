"""Finds the line and column of a member of a document by its path."""

import json
import re
from collections.abc import Iterator

_PATH = re.compile(r"\b(?:grants|groups)\b(?:\[\d+\]|\.[\w-]+)*")
_STEP = re.compile(r"\[(\d+)\]|([\w-]+)")
_BLANK = re.compile(r"[\s,:]*")
_DECODER = json.JSONDecoder()


def place_of(fault: str, document: bytes) -> str:
    """` (line 3, column 5)` of the first member that the fault names; empty if it names none."""
    path = _PATH.search(fault)
    try:
        text = document.decode("utf-8-sig")
        at = _find(text, path[0] if path else "")
    except ValueError:  # it is not JSON, and the fault has a line of its own
        return ""
    if not at:
        return ""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f" (line {line}, column {column})"


def _find(text: str, path: str) -> int:
    # The nearest member above it, if it is not there.
    found, at = 0, _skip(text, 0)
    for number, name in _STEP.findall(path):
        members = dict(_members(text, at))
        at = members.get(int(number) if number else name, 0)
        if not at:
            break
        found = at
    return found


def _members(text: str, at: int) -> Iterator[tuple[str | int, int]]:
    """The names or numbers of the members of a value, and where each begins."""
    opening, number = text[at], 0
    at = _skip(text, at + 1) if opening in "{[" else len(text)
    while at < len(text) and text[at] not in "}]":
        name: str | int = number
        if opening == "{":
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, at)
        yield name, at
        _, at = _DECODER.raw_decode(text, at)
        at, number = _skip(text, at), number + 1


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
