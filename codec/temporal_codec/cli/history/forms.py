"""Texts as people have them, each turned into the lists of events of its histories.

A text is JSON, in which several parts can be in a list or follow each other, or an export of
Temporal Cloud in protobuf.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from temporal_codec.cli.errors import NoHistory
from temporal_codec.cli.history.part import Batch, History, Part, number_of
from temporal_codec.errors import install

_EXPORT = (
    "`temporal workflow show --output json` writes one, and so does the Web UI's Download button."
)
_ACTIVITIES = (
    "holds activities of their own beside workflows, which are not supported. Export workflows "
    "alone."
)
_PADDING = b" \t\r\n\0"  # some programs fill files up with NUL
_PARTS = msgspec.json.Decoder(msgspec.Raw)
MAX_PARTS = 2**24  # 256 MB of real histories have half as many
Events = Sequence[msgspec.Raw]


def events_of(name: str, text: bytes) -> Sequence[Events]:
    """The events of each history in a text; raises NoHistory."""
    if not text.strip():
        raise NoHistory(f"{name} is empty. {_EXPORT}")
    try:
        found = _read(name, text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoHistory(f"{name} is not an exported history, or it ends early. {_EXPORT}") from None
    if not found or not all(found):
        raise NoHistory(f"{name} has a history without events. {_EXPORT}")
    return found


def _read(name: str, text: bytes) -> Sequence[Events]:
    trimmed = text.strip(_PADDING)
    if not trimmed.startswith((b"{", b"[")):
        return list(_from_protobuf(name, text)) if trimmed else []
    try:
        return _from_json(name, trimmed)
    except msgspec.MsgspecError:
        # A line break is the first byte of an export in protobuf, too; any may follow.
        if text.startswith(b"\n"):
            return list(_from_protobuf(name, text))
        raise


def _from_json(name: str, text: bytes) -> Sequence[Events]:
    # An empty event takes three bytes here, and twenty-five times as many as an object.
    if any(text.count(each) > MAX_PARTS for each in (b",", b"{", b"\n")):
        raise NoHistory(f"{name} has more parts than this command reads. Export fewer workflows.")
    parts = _PARTS.decode_lines(text)  # each may have any number of lines
    if text.startswith(b"["):
        lists = [msgspec.json.decode(each, type=Batch) for each in parts]
        return [history for each in lists for history in _joined(name, each)]
    alone = _part(name, parts[0]) if len(parts) == 1 else Part()
    is_whole = alone.events is not None and not alone.more_follow
    return [alone.events or []] if is_whole else _joined(name, parts)


def _joined(name: str, parts: Batch) -> list[Batch]:
    # The histories of parts that follow each other, of which several may be one history's.
    found: list[Batch] = []
    more_follow = False
    for number, raw in enumerate(parts, 1):
        try:
            part = _part(name, raw)
            begun = len(found)
            found += part.wholes
            fits = all(_put(each, found, part) for each in part.batches(raw))
        except msgspec.MsgspecError:
            if number == 1:
                raise
            fits = False
        if not fits:
            raise NoHistory(
                f"{name}: batch {number} of the archive is broken or there twice, or batches are "
                "missing before it. Get the archive again."
            )
        if more_follow and len(found) > begun:
            break
        more_follow = part.more_follow
    if more_follow:
        raise NoHistory(
            f"{name} has one page of a history, and more follow. Put all of its pages into the "
            "file, one after the other."
        )
    return found


def _part(name: str, raw: msgspec.Raw) -> Part:
    part = msgspec.json.decode(raw, type=Part)
    if not part.forms:
        raise msgspec.ValidationError
    if part.forms > 1:
        raise NoHistory(f"{name} holds histories in two forms. {_EXPORT}")
    if part.activities:
        raise NoHistory(f"{name} {_ACTIVITIES}")
    return part


def _put(batch: Batch, found: list[Batch], part: Part) -> bool:
    """Put a batch behind what it follows, or let a history begin with it; whether it can be."""
    if not batch:
        return False
    last, first = (number_of(found[-1][-1]) if found else 0), number_of(batch[0])
    repeats = bool(found) and bytes(found[-1][0]) == bytes(batch[0])
    # An export may have a workflow twice, an archive must not have a batch twice.
    begins = first == 1 and not (repeats and part.history is None)
    follows = part.is_event or last is None or first is None or first == last + 1
    if begins or (follows and not found):
        found.append([*batch])
    elif follows:
        found[-1] += batch
    return begins or follows


def _from_protobuf(name: str, data: bytes) -> Iterator[Events]:
    try:
        # The SDK knows the messages; its bridge is not loaded for them.
        from google.protobuf.json_format import MessageToJson  # noqa: PLC0415
        from google.protobuf.message import DecodeError  # noqa: PLC0415
        from temporalio.api.export import v1  # noqa: PLC0415
        from temporalio.api.history.v1 import History as Alone  # noqa: PLC0415
    except ImportError:
        raise NoHistory(
            f"{name} is not JSON. If it is an export of Temporal Cloud, reading it needs "
            f"Temporal's SDK: {install('cli,temporal')}"
        ) from None
    fault = (
        f"{name} is neither JSON nor an export of Temporal Cloud, or it ends early. If it is "
        f"packed other than with gzip, unpack it first. {_EXPORT}"
    )
    # The newer message has the same workflows, and activities beside them. What is one history
    # alone has unknown fields as any of these, and they as that.
    message: Any
    for message in (getattr(v1, "ExportedExecutions", v1.WorkflowExecutions), Alone):
        try:
            export = message.FromString(data)
        except DecodeError:
            continue
        size = export.ByteSize()
        export.DiscardUnknownFields()
        if export.ByteSize() == size:
            break
        fault = (
            f"{name} has fields that this version of Temporal's SDK does not know, or it is not "
            "an export of Temporal Cloud. Upgrade the package temporalio."
        )
    else:
        raise NoHistory(fault)
    if getattr(export, "activities", None):
        raise NoHistory(f"{name} {_ACTIVITIES}")
    executions = export.workflows if hasattr(export, "workflows") else getattr(export, "items", ())
    histories = [export] if message is Alone else [each.history for each in executions]
    for history in histories:
        text = MessageToJson(history, indent=None).encode()
        yield msgspec.json.decode(text, type=History).events
