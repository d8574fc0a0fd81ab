"""JSON from strangers, read in one way only: no member twice, no depth, no odd text."""

import json
from codecs import BOM_UTF8
from typing import Any, TypeVar

import msgspec

MAX_DEPTH = 8
UTF_8 = "UTF-8"

T = TypeVar("T")


class NotStrict(Exception):
    """The text can be read in more than one way, or not at all."""


def read_document(text: bytes, kind: type[T]) -> T:
    """A document that people write, as a Struct; raises NotStrict, which says what is wrong where.

    A byte order mark is accepted.
    """
    return read_struct(text.removeprefix(BOM_UTF8), kind)


def encoding_of(text: bytes) -> str:
    """UTF-8, or UTF-16 or UTF-32 as Windows shells write it, with a byte order mark or without."""
    return "-".join(json.detect_encoding(text[:4]).upper().split("-")[:2])


def read_struct(text: bytes, kind: type[T], max_depth: int = MAX_DEPTH) -> T:
    """The object that the text holds, as a Struct; raises NotStrict."""
    read_object(text, max_depth)  # msgspec accepts a member twice
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:  # it names the place and the expected type
        raise NotStrict(str(error).replace("`$.", "`")) from None


def read_object(text: bytes, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The object that the text holds; raises NotStrict, whose message never quotes it."""
    try:
        document = _DECODER.decode(text.decode())
    except (ValueError, RecursionError) as error:
        raise NotStrict(_fault(text, error)) from None
    if not isinstance(document, dict):
        raise NotStrict("not an object")
    # Decoded UTF-8 holds half a surrogate only if it was escaped.
    if b"\\u" in text or text.count(b"{") + text.count(b"[") > max_depth:
        _check(document, max_depth)
    return document


def _fault(text: bytes, error: Exception) -> str:
    encoding = encoding_of(text)
    if encoding != UTF_8 or isinstance(error, UnicodeDecodeError):
        return f"it is {'not valid ' * (encoding == UTF_8)}{encoding}: save it as UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: line {error.lineno}, column {error.colno}"
    return "not strict JSON"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise NotStrict("an object has a duplicate member")
    return members


def _refuse(_constant: str) -> None:
    raise ValueError  # NaN and Infinity


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_refuse)


def _check(value: object, depth: int) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotStrict("half a surrogate pair") from None
    elif isinstance(value, dict | list):
        if depth == 0:
            raise NotStrict("too deep")
        for member in value:
            _check(member, depth - 1)
        if isinstance(value, dict):
            for member in value.values():
                _check(member, depth - 1)
