"""The complete reader of requests: it rejects what two readers could understand differently.

Each refusal names the payload and the field, and never shows what was sent.
"""

import json
from collections.abc import Mapping, Sized
from typing import Any

import msgspec
from pybase64 import b64decode

from temporal_codec.errors import TooManyPayloads, WireError
from temporal_codec.payload import Received

_INT64 = 2**63
_MAX_SIZES = 1000  # a payload has one or two, and a body has room for a million and a half
# Of a whole request. A thousand payloads have three or four each, and each costs microseconds.
_MAX_MEMBERS = 20_000


class _Members(list[tuple[str, Any]]):
    """A JSON object with its members as they stand there, duplicates too."""


def read(body: bytes, most: float) -> list[Received]:
    """The payloads of a request; raises WireError, which names the payload and the field."""
    _check_number_at_once(body, most)
    # Elements stand between commas: empty lists take twenty times their bytes as objects.
    if max(body.count(b":") + body.count(b"{"), body.count(b",")) > 2 * _MAX_MEMBERS:
        raise WireError(f"A request has at most {_MAX_MEMBERS} members.")
    document = _document(body)
    payloads = _members(document, "The request", {"payloads": "payloads"}).get("payloads")
    if payloads is None:
        return []
    if type(payloads) is not list:
        raise WireError("payloads must be an array.")
    _check_number(payloads, most)
    return [_received(f"payloads[{index}]", value) for index, value in enumerate(payloads)]


class _Anything(msgspec.Struct, gc=False):
    """An object whose content is dropped."""


class _Request(msgspec.Struct, gc=False):
    payloads: list[_Anything]


_COUNTED = msgspec.json.Decoder(_Request)


def _check_number_at_once(body: bytes, most: float) -> None:
    # A body has room for a million and a half: to read them all takes seconds.
    try:
        payloads = _COUNTED.decode(body).payloads
    except (ValueError, RecursionError):  # the message is made later
        return
    _check_number(payloads, most)


def _check_number(payloads: Sized, most: float) -> None:
    if len(payloads) > most:
        raise TooManyPayloads(f"A request has at most {most} payloads.")


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
            raise WireError(f"{place} has a duplicate member.")
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
            raise WireError(f"{place} mixes standard and URL-safe base64.")
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
    if len(value) > _MAX_SIZES:
        raise WireError(f"{place} has more than {_MAX_SIZES} entries.")
    return tuple(_size(each, f"{place}[{index}]") for index, each in enumerate(value))


def _size(value: object, place: str) -> int:
    size = _members(value, place, _SIZE).get("sizeBytes", 0)
    digits = size.removeprefix("-") if isinstance(size, str) else ""
    if len(digits) <= 19 and digits.isascii() and digits.isdecimal():
        size = int(size)
    if type(size) is not int or not -_INT64 <= size < _INT64:
        raise WireError(f"{place}.sizeBytes must be a 64-bit integer.")
    return size
