"""Where the payloads of a history's event lie, and the texts of its failures.

Payloads are found by what they look like, not by a list of fields: a field that a newer server
adds is found, too. Both spellings of proto3 JSON are known, camelCase and snake_case.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pybase64 import b64decode

from temporal_codec.cli.errors import NoHistory
from temporal_codec.cli.history.file import Json
from temporal_codec.encryption import ENCRYPTED
from temporal_codec.payload import ENCODING

MAX_DEPTH = 200
_PAYLOAD = {"metadata", "data", "externalPayloads", "external_payloads"}
# What holds payloads as a list, or, where somebody has decoded them, whatever they were.
_LISTS = {"payloads", "input", "result", "details", "lastCompletionResult"}
_SEARCH_ATTRIBUTES = {"searchAttributes", "search_attributes"}
_IS_FAILURE = re.compile("(failure|cause)$", re.IGNORECASE)
# The SDKs' core keeps notes of its own in markers: ids, types and times, which stand in plaintext
# in the rest of the history, too.
_NOTES = {"core_local_activity": "data", "core_patch": "patch-data"}
_ENCODED_FAILURE = "Encoded failure"
_REFERENCE_TYPE = b"temporal.api.sdk.v1.ExternalStorageReference"


class State(StrEnum):
    """Who can read what lies at a place."""

    ENCRYPTED = "encrypted"
    PLAINTEXT = "plaintext"
    VISIBLE = "visible"
    """In plaintext by design: search attributes, references to storage, notes of SDK and server."""


@dataclass(frozen=True, slots=True)
class Place:
    """A payload, or a text of a failure, and where in the history it is."""

    path: str
    value: Json
    encoding: str
    state: State


@dataclass(frozen=True, slots=True)
class _At:
    """Where the walk has come to."""

    path: str
    depth: int = 0
    visible: bool = False

    def step(self, to: str, *, visible: bool = False) -> "_At":
        if self.depth == MAX_DEPTH:
            raise NoHistory(f"{self.path.partition('.')[0]} is nested more than {MAX_DEPTH} deep.")
        return _At(self.path + to, self.depth + 1, self.visible or visible)


def places(event: Json, index: int) -> Iterator[Place]:
    """Every place in the event of this index; raises NoHistory where it is nested too deeply."""
    return _walk(event, _At(f"events[{index}]"))


def _walk(value: Json, at: _At) -> Iterator[Place]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _walk(each, at.step(f"[{index}]"))
    elif isinstance(value, dict) and is_payload(value):
        yield _payload(value, at)
    elif isinstance(value, dict):
        marker = value.get("markerName", value.get("marker_name"))
        note = _NOTES.get(marker) if isinstance(marker, str) else None
        for name, member in value.items():
            yield from _member(name, member, at, note)


def _member(name: str, member: Json, at: _At, note: str | None) -> Iterator[Place]:
    at = at.step("" if name == "payloads" else _name(name), visible=name in _SEARCH_ATTRIBUTES)
    if isinstance(member, list) and name in _LISTS:
        for index, each in enumerate(member):
            yield _payload(each, at.step(f"[{index}]"))
    elif isinstance(member, dict) and name == "fields":  # of a memo or a header
        for key, each in member.items():
            yield _payload(each, at.step(_name(key)))
    elif isinstance(member, dict) and name == "details" and note:
        for key, each in member.items():
            yield from _walk(each, at.step(_name(key), visible=key == note))
    else:
        if isinstance(member, dict) and _IS_FAILURE.search(name):
            yield from _texts(member, at)
        yield from _walk(member, at)


def is_payload(value: Json) -> bool:
    """Whether a part of an event looks like a payload."""
    if not isinstance(value, dict) or not value or value.keys() - _PAYLOAD:
        return False
    metadata = value.get("metadata") or {}
    return (
        isinstance(metadata, dict)
        and all(isinstance(each, str) for each in metadata.values())
        and isinstance(value.get("data") or "", str)
    )


def _payload(value: Json, at: _At) -> Place:
    if not is_payload(value):
        # An empty one has no encoding. One that was decoded is there as its own value.
        return _place(value, at, "none" if value == {} else "decoded", State.PLAINTEXT)
    metadata = value.get("metadata") or {}
    encoding = _decoded(metadata.get(ENCODING, ""))
    if encoding == ENCRYPTED:
        state = State.ENCRYPTED
    elif _is_reference(encoding, _decoded(metadata.get("messageType", ""))):
        state = State.VISIBLE
    else:
        state = State.PLAINTEXT
    return _place(value, at, _shown(encoding), state)


def _texts(failure: dict[str, Json], at: _At) -> Iterator[Place]:
    for name in ("message", "stackTrace", "stack_trace"):
        text = failure.get(name)
        if text and text != _ENCODED_FAILURE:
            place = _place(text, at.step(_name(name)), "text", State.PLAINTEXT)
            # The server's own words, of a timeout for example; nobody could encrypt them.
            by_server = name == "message" and failure.get("source") == "Server"
            yield replace(place, state=State.VISIBLE) if by_server else place


def _place(value: Json, at: _At, encoding: str, state: State) -> Place:
    in_plaintext = state is State.PLAINTEXT
    return Place(at.path, value, encoding, State.VISIBLE if at.visible and in_plaintext else state)


def _is_reference(encoding: bytes, message_type: bytes) -> bool:
    return encoding == b"json/external-storage-reference" or (
        encoding == b"json/protobuf" and message_type == _REFERENCE_TYPE
    )


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, b"-_" if "-" in text or "_" in text else None)
    except ValueError:
        return b"\0"


def _shown(encoding: bytes) -> str:
    if re.fullmatch(rb"[!-~]{1,60}", encoding):
        return encoding.decode()
    return "unreadable" if encoding else "none"


def _name(name: str) -> str:
    # Names of headers and memo fields are anything; a terminal must not interpret them.
    plain = re.fullmatch(r"[A-Za-z0-9_-]+", name)
    return f".{name}" if plain else f"[{json.dumps(name)}]"
