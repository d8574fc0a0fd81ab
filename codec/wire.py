"""The proto3 JSON of Temporal's remote codecs: ``{"payloads": [...]}`` to payloads and back.

Reading is strict: what one reader takes for this and another for that is refused.
There are two ways through it.
The quick one takes a request as every known client writes it, and gives up on anything else.
The complete one then decides, and finds the words for what is wrong.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from pybase64 import b64decode, b64encode

from codec import encryption
from codec.errors import WireError
from codec.keyring import Key
from codec.payload import KNOWN, HasContent, PayloadMessage, parse, serialize
from codec.pipeline import Opened

MAX_PAYLOADS = 1000
_INT64 = range(-(2**63), 2**63)


class Received(msgspec.Struct, frozen=True, gc=False):
    """A payload as a client sent it."""

    metadata: dict[str, bytes]
    data: bytes
    sizes: tuple[int, ...] = ()
    """Of the external payloads, in bytes."""

    __repr__ = object.__repr__  # the default would show the data

    def serialize(self) -> bytes:
        """The protobuf form."""
        return serialize(self.metadata, self.data, self.sizes)


def read(body: bytes) -> list[Received]:
    """Read a request's body; raises WireError, whose message names the payload and the field."""
    received = _read_quickly(body)
    return _read_completely(body) if received is None else received


# --- the quick way ---------------------------------------------------------------------------


class _Payload(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    metadata: msgspec.Raw = msgspec.Raw()
    data: str | None = None


class _Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    payloads: list[_Payload]


_DECODER = msgspec.json.Decoder(_Request)
_METADATA_DECODER = msgspec.json.Decoder(dict[str, str])


# What stands around the contents of a request, and of each payload that has both fields.
_AROUND_ALL = len('{"payloads":[]}') - len(",")
_AROUND_EACH = len('{"metadata":,"data":""},')


def _read_quickly(body: bytes) -> list[Received] | None:
    received = []
    # Payloads of one request have the same few metadata: each text is read once.
    known: dict[bytes, dict[str, bytes]] = {}
    size: float = _AROUND_ALL
    try:
        payloads = _DECODER.decode(body).payloads
        for payload in payloads:
            text, data = bytes(payload.metadata), payload.data
            metadata = known.get(text)
            if metadata is None:
                metadata = known[text] = _metadata(text)
            if data is None or not text:
                data = data or ""
                size = math.nan  # equals nothing
            size += _AROUND_EACH + len(text) + len(data)
            received.append(Received(metadata, b64decode(data, None, True)))
    except (ValueError, RecursionError):  # of msgspec, of base64, of UTF-8: all are ValueErrors
        return None
    # The parser keeps the last of two members with one name, and says nothing. A body that has
    # not a byte more than its contents need has no room for a second one. Else colons tell; to
    # count those of a large body takes as long as to decode it.
    return received if size == len(body) or _colons(payloads) == body.count(b":") else None


def _metadata(text: bytes) -> dict[str, bytes]:
    if not text:  # not there
        return {}
    members = _METADATA_DECODER.decode(text)
    # As above: one colon for each member. One in a name looks like one too many, which does no
    # harm: the complete way decides.
    if text.count(b":") != len(members):
        raise ValueError
    return {name: b64decode(value, None, True) for name, value in members.items()}


def _colons(payloads: Sequence[_Payload]) -> int:
    # One for each member that was kept.
    texts = [bytes(payload.metadata) for payload in payloads if len(payload.metadata)]
    members = sum(payload.data is not None for payload in payloads)
    return 1 + members + sum(1 + text.count(b":") for text in texts)


# --- the complete way ------------------------------------------------------------------------


class _Members(list[tuple[str, Any]]):
    """A JSON object with its members as they stand there, duplicates too."""


def _read_completely(body: bytes) -> list[Received]:
    document = _document(body)
    payloads = _members(document, "The request", {"payloads": "payloads"}).get("payloads")
    if payloads is None:
        return []
    if type(payloads) is not list:
        raise WireError("payloads must be an array.")
    return [_received(f"payloads[{index}]", value) for index, value in enumerate(payloads)]


def _document(body: bytes) -> object:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise WireError("The request is not valid UTF-8.") from None
    if text.startswith("\ufeff"):
        raise WireError("The request starts with a byte order mark.")
    try:
        document: object = json.loads(
            text, object_pairs_hook=_Members, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise WireError("The request is nested too deeply.") from None
    except ValueError:
        raise WireError("The request is not valid JSON.") from None
    return document


def _refuse_constant(_name: str) -> None:
    raise ValueError  # NaN and Infinity are not JSON


_FIELDS = {
    "metadata": "metadata",
    "data": "data",
    "externalPayloads": "externalPayloads",
    "external_payloads": "externalPayloads",
}
_SIZE = {"sizeBytes": "sizeBytes", "size_bytes": "sizeBytes"}


def _received(place: str, value: object) -> Received:
    fields = _members(value, place, _FIELDS)
    metadata = _members(fields.get("metadata", _Members()), f"{place}.metadata")
    return Received(
        {
            name: _bytes(text, f"{place}.metadata: value {number}")
            for number, (name, text) in enumerate(metadata.items(), 1)
        },
        _bytes(fields.get("data", ""), f"{place}.data"),
        _sizes(fields.get("externalPayloads", []), f"{place}.externalPayloads"),
    )


def _members(value: object, place: str, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    # With `names`, no other name is taken, and null means that the member is not there.
    if not isinstance(value, _Members):
        raise WireError(f"{place} must be an object.")
    members: dict[str, Any] = {}
    for written, member in value:
        name = names.get(written) if names else _text(written, place)
        if name is None:
            raise WireError(f"{place} has an unknown member.")
        if name in members:
            raise WireError(f"{place} has a member twice.")
        members[name] = member
    return {k: v for k, v in members.items() if v is not None} if names else members


def _text(value: str, place: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WireError(f"{place} has half a surrogate pair.") from None
    return value


def _bytes(value: object, place: str) -> bytes:
    if not isinstance(value, str):
        raise WireError(f"{place} must be a string of base64.")
    if "-" in value or "_" in value:
        if "+" in value or "/" in value:
            raise WireError(f"{place} mixes two alphabets of base64.")
        value = value.translate(_STANDARD)
    if len(value) % 4 and not value.endswith("="):
        value += "=" * (-len(value) % 4)
    try:
        return b64decode(value, None, True)
    except ValueError:
        raise WireError(f"{place} is not valid base64.") from None


_STANDARD = str.maketrans("-_", "+/")


def _sizes(value: object, place: str) -> tuple[int, ...]:
    if type(value) is not list:
        raise WireError(f"{place} must be an array.")
    return tuple(_size(each, f"{place}[{index}]") for index, each in enumerate(value))


def _size(value: object, place: str) -> int:
    size = _members(value, place, _SIZE).get("sizeBytes", 0)
    digits = size.removeprefix("-") if isinstance(size, str) else ""
    if len(digits) <= 19 and digits.isascii() and digits.isdecimal():
        size = int(size)
    if type(size) is not int or size not in _INT64:
        raise WireError(f"{place}.sizeBytes must be a 64-bit integer.")
    return size


# --- writing ---------------------------------------------------------------------------------


def write(payloads: Iterable[bytes]) -> bytes:
    """Put rendered payloads into an answer's body."""
    return b'{"payloads":[%b]}' % b",".join(payloads)


def render(payload: HasContent, sizes: Iterable[int] = ()) -> bytes:
    """One payload's JSON; fields at their default are left out, as protojson does."""
    fields = []
    if payload.metadata:
        fields.append(b'"metadata":' + _render_metadata(payload.metadata))
    if payload.data:
        fields.append(b'"data":"%b"' % b64encode(payload.data))
    if sizes:
        fields.append(_render_sizes(sizes))
    return b"{%b}" % b",".join(fields)


def render_received(payload: Received) -> bytes:
    """A payload's JSON, to go back as it came."""
    return render(payload, payload.sizes)


def render_opened(opened: Opened) -> bytes:
    """An opened payload's JSON."""
    if opened.known is None:
        return _render_message(parse(opened.serialized))
    known, start = opened.known
    if start == len(opened.serialized):
        return _KNOWN_EMPTY[known]
    return _KNOWN_OPEN[known] + b64encode(opened.serialized[start:]) + b'"}'


def sealed_renderer(key: Key) -> Callable[[bytes, Sequence[int]], bytes]:
    """What writes the JSON of payloads sealed with this key, from their data and sizes."""
    before = _before_data(encryption.sealed_metadata(key))

    def render_sealed(data: bytes, sizes: Sequence[int]) -> bytes:
        if sizes:
            return b'%b"%b",%b}' % (before, b64encode(data), _render_sizes(sizes))
        return b'%b"%b"}' % (before, b64encode(data))

    return render_sealed


def _render_message(message: PayloadMessage) -> bytes:
    return render(message, [external.size_bytes for external in message.external_payloads])


def _render_metadata(metadata: Mapping[str, bytes]) -> bytes:
    # In the order of names: a protobuf map has none of its own.
    members = (
        b'%b:"%b"' % (msgspec.json.encode(name), b64encode(metadata[name]))
        for name in sorted(metadata)
    )
    return b"{%b}" % b",".join(members)


def _render_sizes(sizes: Iterable[int]) -> bytes:
    external = b",".join(b'{"sizeBytes":"%d"}' % size if size else b"{}" for size in sizes)
    return b'"externalPayloads":[%b]' % external


def _before_data(metadata: Mapping[str, bytes]) -> bytes:
    return b'{"metadata":%b,"data":' % _render_metadata(metadata)


_KNOWN_OPEN = {known: _before_data(known.metadata) + b'"' for known in KNOWN}
_KNOWN_EMPTY = {known: b'{"metadata":%b}' % _render_metadata(known.metadata) for known in KNOWN}
