"""Payloads inside a payload: the request of a system Nexus operation, such as signal-with-start.

The SDKs leave the request itself in plaintext (`binary/protobuf`, with a mark of their own) and
encode the payloads in it. Only what the Web UI shows of these messages is found here: a payload
at a known place of a known message. A mark alone opens nothing.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from temporal_codec.allowance import Allowance
from temporal_codec.errors import PayloadError, Reason
from temporal_codec.payload import ENCODING, HasContent
from temporal_codec.protobuf import serialize, varint

MARK = "__temporal_system_payload"
MESSAGE_TYPE = "messageType"
_LENGTH_DELIMITED = 2
_FIXED = {1: 8, 5: 4}

Path: TypeAlias = "dict[int, Path] | None"
"""Where payloads lie: fields by number, and None for a payload."""

_SERVICE = b"temporal.api.workflowservice.v1."
_PAYLOADS: Path = {1: None}
_FIELDS: Path = {1: {2: None}}
MESSAGES: Mapping[bytes, Path] = {
    # input, signal_input, memo, header, user_metadata; search attributes are never encoded.
    _SERVICE + b"SignalWithStartWorkflowExecutionRequest": {
        5: _PAYLOADS,
        13: _PAYLOADS,
        17: _FIELDS,
        19: _FIELDS,
        23: {1: None, 2: None},
    },
    _SERVICE + b"SignalWithStartWorkflowExecutionResponse": {},
}


def paths_of(metadata: Mapping[str, bytes]) -> Path:
    """Where payloads lie in an envelope with this metadata; None if it is no envelope."""
    if metadata.get(MARK) != b"true" or metadata.get(ENCODING) != b"binary/protobuf":
        return None
    return MESSAGES.get(metadata.get(MESSAGE_TYPE, b""))


class Layers(Protocol):
    """The result of removing a payload's encodings."""

    @property
    def serialized(self) -> bytes: ...  # noqa: D102
    @property
    def keys(self) -> tuple[str, ...]: ...  # noqa: D102


def with_opened(
    payload: HasContent,
    allowance: Allowance,
    peel: Callable[[Mapping[str, bytes], bytes], Layers | None],
) -> tuple[bytes, tuple[str, ...]] | None:
    """The envelope, serialized, with its payloads opened, and the labels of the keys.

    None if there is nothing to open. Raises PayloadError if one cannot be opened.
    """
    paths = paths_of(payload.metadata)
    keys: list[tuple[str, ...]] = []

    def replace(serialized: bytes) -> bytes:
        inner = allowance.parse(serialized)
        opened = peel(inner.metadata, inner.data)
        if opened is None:
            return serialized
        keys.append(opened.keys)
        return opened.serialized

    if not paths:
        return None
    data = Walk(replace, allowance).rewritten(payload.data, paths)
    sizes = getattr(payload, "sizes", ())
    return (serialize(payload.metadata, data, sizes), sum(keys, ())) if keys else None


class Walk:
    """Rewrites envelopes; the allowance bounds how many fields they have together."""

    def __init__(self, replace: Callable[[bytes], bytes], allowance: Allowance) -> None:
        """Take what gives a payload's new form; both forms are serialized."""
        self._replace = replace
        self._allowance = allowance

    def rewritten(self, data: bytes, paths: Path) -> bytes:
        """The message with each payload in it replaced; raises PayloadError if malformed."""
        if paths is None:
            return self._replace(data)
        out = bytearray()
        at = 0
        while at < len(data):
            self._allowance.fields -= 1
            if self._allowance.fields < 0:
                raise PayloadError(Reason.TOO_MANY_FIELDS)
            tag, start = _read_varint(data, at)
            value_at, end = _value(data, tag & 7, start)
            if tag & 7 == _LENGTH_DELIMITED and tag >> 3 in paths:
                value = self.rewritten(data[value_at:end], paths[tag >> 3])
                out += data[at:start] + varint(len(value)) + value
            else:
                out += data[at:end]
            at = end
        return bytes(out)


def _value(data: bytes, kind: int, start: int) -> tuple[int, int]:
    # Where the value of a field starts and ends.
    size = _FIXED.get(kind, 0)
    if kind == _LENGTH_DELIMITED:
        size, start = _read_varint(data, start)
    elif kind == 0:
        size = _read_varint(data, start)[1] - start
    elif not size:
        raise PayloadError(Reason.MALFORMED)
    if start + size > len(data):
        raise PayloadError(Reason.MALFORMED)
    return start, start + size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift, byte in zip(range(0, 70, 7), data[at : at + 10], strict=False):
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
    raise PayloadError(Reason.MALFORMED)
