"""Where the payloads of a history's event are, and the texts of its failures.

Payloads are found by their shape, not by a list of fields, so fields that a newer server adds are
found too. Both spellings of proto3 JSON are known, camelCase and snake_case.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from temporal_codec.cli.errors import NoHistory
from temporal_codec.cli.history.file import Json
from temporal_codec.cli.history.form import b64, has_form
from temporal_codec.encryption import ENCRYPTED
from temporal_codec.payload import ENCODING

MAX_DEPTH = 200
DECODED = "decoded"
"""The encoding of a place whose payload somebody has replaced by its value."""
_PAYLOAD = {"metadata", "data", "externalPayloads", "external_payloads"}
# Members that hold payloads as a list, or other values after somebody has decoded them.
_LISTS = {"payloads", "input", "result", "details", "lastCompletionResult"}
_TEXTS = {"header", "nexusHeader", "nexus_header"}  # maps in which anything can be a name
_SEARCH_ATTRIBUTES = {"searchAttributes", "search_attributes"}
_IS_FAILURE = re.compile("(failure|cause)$", re.IGNORECASE)
# The SDKs' core keeps notes in markers: ids, types and times, which are also in plaintext in the
# rest of the history.
_NOTES = {"core_local_activity": "data", "core_patch": "patch-data"}
_ENCODED_FAILURE = "Encoded failure"
_REFERENCE_TYPE = b"temporal.api.sdk.v1.ExternalStorageReference"


class State(StrEnum):
    """Who can read the value at a place."""

    ENCRYPTED = "encrypted"
    PLAINTEXT = "plaintext"
    VISIBLE = "visible"
    """In plaintext by design: search attributes, references to storage, notes of SDK and server."""
    UNPROVEN = "unproven"
    """Marked as encrypted, but not in the form of an encrypted payload, or the ring disagrees.

    Or the envelope of a system operation which this version does not know.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """A payload, or a text of a failure, and where in the history it is."""

    path: str
    value: Json
    encoding: str
    state: State
    envelope: Json = None
    """The payload that this one is inside of."""
    serialized: bytes = b""
    """What stands there, of a payload inside an envelope."""


@dataclass(frozen=True, slots=True)
class _At:
    """A position in the walk."""

    path: str
    depth: int = 0
    visible: bool = False

    def step(self, to: str, *, visible: bool = False) -> "_At":
        if self.depth == MAX_DEPTH:
            raise NoHistory(f"{self.path.partition('.')[0]} is nested more than {MAX_DEPTH} deep.")
        return _At(self.path + to, self.depth + 1, self.visible or visible)


def walk(event: Json, index: int) -> Iterator[Place]:
    """Yield every place in the event of this index; raises NoHistory if it is nested too deeply."""
    return _walk(event, _At(f"events[{index}]"))


def _walk(value: Json, at: _At) -> Iterator[Place]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _walk(each, at.step(f"[{index}]"))
    elif isinstance(value, dict) and (is_payload(value) or resembles(value)):
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
    elif not (name in _TEXTS and _are_texts(member)):
        if isinstance(member, dict) and _IS_FAILURE.search(name):
            yield from _texts(member, at)
        yield from _walk(member, at)


def _are_texts(value: Json) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def is_payload(value: Json) -> bool:
    """Whether a part of an event has the shape of a payload."""
    if not isinstance(value, dict) or not value or value.keys() - _PAYLOAD:
        return False
    metadata = value.get("metadata") or {}
    return (
        isinstance(metadata, dict)
        and all(isinstance(each, str) for each in metadata.values())
        and isinstance(value.get("data") or "", str)
    )


def resembles(value: Json) -> bool:
    """Whether a part of an event is a payload with members that this version does not know."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    encoding = metadata.get(ENCODING) if isinstance(metadata, dict) else None
    return isinstance(encoding, str) and bool(value.keys() - _PAYLOAD)


def payload_at(value: Json, path: str) -> Place:
    """The place of a payload that stands at a path."""
    return _payload(value, _At(path))


def _payload(value: Json, at: _At) -> Place:
    if not (is_payload(value) or resembles(value)) or _is_readable(value):
        # An empty one has no encoding. A decoded one is there as its own value.
        return _place(value, at, "none" if value == {} else DECODED, State.PLAINTEXT)
    metadata = value.get("metadata") or {}
    encoding = _decoded(metadata.get(ENCODING, ""))
    if encoding == ENCRYPTED:
        state = State.ENCRYPTED if has_form(value) else State.UNPROVEN
    elif _is_reference(encoding, _decoded(metadata.get("messageType", ""))):
        state = State.VISIBLE
    else:
        state = State.PLAINTEXT
    return _place(value, at, _shown(encoding), state)


def _is_readable(value: dict[str, Json]) -> bool:
    # The Web UI's Readable form: metadata as text, not as base64.
    encoding = (value.get("metadata") or {}).get(ENCODING, "")
    return re.match(r"(json|binary)/", encoding) is not None


def _texts(failure: dict[str, Json], at: _At) -> Iterator[Place]:
    for name in ("message", "stackTrace", "stack_trace"):
        text = failure.get(name)
        if text and text != _ENCODED_FAILURE:
            place = _place(text, at.step(_name(name)), "text", State.PLAINTEXT)
            # The server's own words, of a timeout for example: no worker can encrypt them.
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
        return b64(text)
    except ValueError:
        return b"\0"


def _shown(encoding: bytes) -> str:
    if re.fullmatch(rb"[!-~]{1,60}", encoding):
        return encoding.decode()
    return "unreadable" if encoding else "none"


def _name(name: str) -> str:
    # Names of headers and memo fields can be anything, control characters too.
    plain = re.fullmatch(r"[A-Za-z0-9_-]+", name)
    return f".{name}" if plain else f"[{json.dumps(name)}]"
