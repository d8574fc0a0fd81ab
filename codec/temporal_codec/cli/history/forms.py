"""The forms in which people have histories, each turned into lists of events.

{"events": [...]}                     the CLI's and the Web UI's exports
{"history": {"events": [...]}}        an answer of the Temporal Service's HTTP API
[event, ...]                          an older Web UI's; the CLI's lines of JSON
[{"events": [...]}, ...]              an archive: batches of one history
{"items": [{"history": ...}, ...]}    Temporal Cloud's export: one history for each workflow
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from temporal_codec.cli.errors import NoHistory
from temporal_codec.errors import install

_EXPORT = (
    "`temporal workflow show --output json` writes one, and so does the Web UI's Download button."
)
_ACTIVITIES = (
    "holds activities of their own beside workflows, which are not supported. Export workflows "
    "alone."
)
Events = Sequence[msgspec.Raw]


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


class _Execution(msgspec.Struct):
    history: _Batch


class _Document(msgspec.Struct):
    events: list[msgspec.Raw] | None = None
    items: list[_Execution] | None = None
    workflows: list[_Execution] | None = None
    activities: list[msgspec.Raw] | None = None
    history: _Batch | None = None
    next_page_token: str | None = msgspec.field(default=None, name="nextPageToken")


class _Start(msgspec.Struct):
    events: msgspec.Raw = msgspec.Raw()
    history: msgspec.Raw = msgspec.Raw()
    event_id: str | int | None = msgspec.field(default=None, name="eventId")


def events_of(name: str, text: bytes) -> list[Events]:
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


def _read(name: str, text: bytes) -> list[Events]:
    if text.lstrip()[:1] not in (b"{", b"["):
        return list(_from_protobuf(name, text))
    try:
        return _from_json(name, text.strip())
    except msgspec.MsgspecError:
        # A line break is the first byte of an export in protobuf, too; any may follow.
        if text.startswith(b"\n"):
            return list(_from_protobuf(name, text))
        raise


def _from_json(name: str, text: bytes) -> list[Events]:
    if text.startswith(b"["):
        return _from_list(name, msgspec.json.decode(text, type=list[msgspec.Raw]))
    try:
        document = msgspec.json.decode(text, type=_Document)
    except msgspec.DecodeError:
        lines = _LINES.decode_lines(text)
        if len(lines) < 2:
            raise
        return _from_list(name, lines)
    forms = (document.events, document.items, document.workflows, document.history)
    if sum(each is not None for each in forms) > 1:
        raise NoHistory(f"{name} holds histories in two forms. {_EXPORT}")
    if document.events is not None:
        return [document.events]
    if document.next_page_token:
        raise NoHistory(f"{name} is one page of a history, and more follow. {_EXPORT}")
    if document.history is not None:
        return [document.history.events]
    if document.activities:
        raise NoHistory(f"{name} {_ACTIVITIES}")
    executions = document.items or document.workflows or []
    return [execution.history.events for execution in executions]


_LINES = msgspec.json.Decoder(msgspec.Raw)


def _from_list(name: str, raw: Sequence[msgspec.Raw]) -> list[Events]:
    if not raw:
        return []
    first = msgspec.json.decode(raw[0], type=_Start)
    if bytes(first.history):
        return [msgspec.json.decode(each, type=_Execution).history.events for each in raw]
    if bytes(first.events):
        return [_joined(name, raw)]
    return [raw]


def _joined(name: str, batches: Sequence[msgspec.Raw]) -> Events:
    events: list[msgspec.Raw] = []
    for number, raw in enumerate(batches, 1):
        try:
            batch = msgspec.json.decode(raw, type=_Batch).events
        except msgspec.MsgspecError:
            batch = []
        if not batch or not _follows(events, batch):
            raise NoHistory(
                f"{name}: batch {number} of the archive is broken, or batches are missing before "
                "it. Get the archive again."
            )
        events += batch
    return events


def _follows(events: Events, batch: Events) -> bool:
    if not events:
        return True
    last, first = (_id(msgspec.json.decode(each, type=_Start)) for each in (events[-1], batch[0]))
    return last is None or first is None or first == last + 1


def _id(event: _Start) -> int | None:
    text = str(event.event_id)
    return int(text) if text.isdecimal() and len(text) < 20 else None


def _from_protobuf(name: str, data: bytes) -> Iterator[Events]:
    try:
        # The SDK knows the messages; its bridge is not loaded for them.
        from google.protobuf.json_format import MessageToJson  # noqa: PLC0415
        from google.protobuf.message import DecodeError  # noqa: PLC0415
        from temporalio.api.export import v1  # noqa: PLC0415
    except ImportError:
        raise NoHistory(
            f"{name} is not JSON. If it is an export of Temporal Cloud, reading it needs "
            f"Temporal's SDK: {install('cli,temporal')}"
        ) from None
    # The newer message has the same workflows, and activities beside them.
    message: Any = getattr(v1, "ExportedExecutions", v1.WorkflowExecutions)
    try:
        export = message.FromString(data)
    except DecodeError:
        raise NoHistory(
            f"{name} is neither JSON nor an export of Temporal Cloud, or it ends early. {_EXPORT}"
        ) from None
    size = export.ByteSize()
    export.DiscardUnknownFields()
    if export.ByteSize() != size:
        raise NoHistory(
            f"{name} has fields that this version of Temporal's SDK does not know, or it is not "
            "an export of Temporal Cloud. Upgrade the package temporalio."
        )
    if getattr(export, "activities", None):
        raise NoHistory(f"{name} {_ACTIVITIES}")
    for execution in export.workflows if hasattr(export, "workflows") else export.items:
        text = MessageToJson(execution.history, indent=None).encode()
        yield msgspec.json.decode(text, type=_Document).events or []
