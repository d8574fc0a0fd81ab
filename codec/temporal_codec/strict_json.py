"""JSON from strangers, read in one way only: no member twice, no depth, no odd text."""

import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Any, TypeVar

import msgspec

MAX_DEPTH = 8
UTF16 = (BOM_UTF16_LE, BOM_UTF16_BE)  # as PowerShell writes files

T = TypeVar("T")


class NotStrict(Exception):
    """The text can be read in more than one way, or not at all."""


def read_document(text: bytes, kind: type[T]) -> T:
    """A document that people write, as a Struct; raises NotStrict, which says what is wrong where.

    A byte order mark is accepted, as Windows editors write it.
    """
    if text.startswith(UTF16):
        raise NotStrict("it is UTF-16: save it as UTF-8")
    return read_struct(text.removeprefix(BOM_UTF8), kind)


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
    except json.JSONDecodeError as error:
        raise NotStrict(f"not JSON: line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise NotStrict("not strict JSON") from None
    if not isinstance(document, dict):
        raise NotStrict("not an object")
    # Decoded UTF-8 holds half a surrogate only if it was escaped.
    if b"\\u" in text or text.count(b"{") + text.count(b"[") > max_depth:
        _check(document, max_depth)
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise NotStrict("an object has a member twice")
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
