"""The proto3 JSON of Temporal's remote codecs: ``{"payloads": [...]}`` to payloads and back.

Reading is strict: what one reader takes for this and another for that is refused.
There are two ways through it.
The quick one takes a request as every known client writes it, and gives up on anything else.
The complete one then decides, and finds the words for what is wrong.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from pybase64 import b64decode, b64encode

from codec import encryption
from codec.errors import WireError
from codec.keyring import Key
from codec.payload import KNOWN, HasContent, Known, PayloadMessage, parse, serialize
from codec.pipeline import Opened

MAX_PAYLOADS = 1000
_COPY_BELOW = 4096  # slicing small bytes is cheaper than making a memoryview
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
    metadata: dict[str, str] | None = None
    data: msgspec.Raw = msgspec.Raw()


class _Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    payloads: list[_Payload] | None = None


_DECODER = msgspec.json.Decoder(_Request)


def _read_quickly(body: bytes) -> list[Received] | None:
    try:
        if not body.isascii():
            body.decode()  # the parser does not look inside a Raw
        payloads = _DECODER.decode(body).payloads or []
        received = [Received(_metadata(each.metadata), _data(each.data)) for each in payloads]
    except (ValueError, RecursionError):  # of msgspec, of base64, of UTF-8: all are ValueErrors
        return None
    return received if _has_no_duplicates(body, payloads) else None


def _metadata(members: dict[str, str] | None) -> dict[str, bytes]:
    if members is None:
        return {}
    return {name: b64decode(text, None, True) for name, text in members.items()}


def _data(raw: msgspec.Raw) -> bytes:
    if not raw:  # not there
        return b""
    if len(raw) < _COPY_BELOW:
        text: bytes | memoryview = bytes(raw)
    else:
        text = memoryview(raw)
    if text[0] != 0x22:  # a number, an object, null
        raise ValueError
    return b64decode(text[1:-1], None, True)


def _has_no_duplicates(body: bytes, payloads: Sequence[_Payload]) -> bool:
    # The parser keeps the last of two members with one name, and says nothing.
    # A body that has not a byte more than its contents need has no room for a second one;
    # where there is white space, there must be one colon for each member that was kept.
    members = 1
    size = len('{"payloads":[]}') + max(0, len(payloads) - 1)
    for payload in payloads:
        size += len("{}")
        if payload.data:
            members += 1
            size += len('"data":') + len(payload.data)
        if payload.metadata is not None:
            members += 1 + len(payload.metadata)
            size += len('"metadata":{}') + (1 if payload.data else 0)
            size += len('"":"",') * len(payload.metadata) - (1 if payload.metadata else 0)
            size += sum(map(len, payload.metadata)) + sum(map(len, payload.metadata.values()))
    return size == len(body) or body.count(b":") == members


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
    data = opened.serialized[start:]
    return b'%b"%b"}' % (_KNOWN_OPEN[known], b64encode(data))


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


_KNOWN_OPEN = {known: _before_data(known.metadata) for known in KNOWN}
_KNOWN_EMPTY = {known: b'{"metadata":%b}' % _render_metadata(known.metadata) for known in KNOWN}
