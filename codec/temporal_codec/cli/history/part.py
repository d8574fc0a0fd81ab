"""A part of an exported text, in one of the forms in which people have histories.

{"events": [...]}                           the CLI's and the Web UI's exports, batches of archives
{"history": {"events": [...]}}              a page of the Temporal Service's HTTP API
{"header": ..., "body": [{"events": ...}]}  a file of an archive in S3
{"items": [{"history": ...}, ...]}          Temporal Cloud's export: each workflow's history
event                                       of an older Web UI's list
"""

import msgspec

Batch = list[msgspec.Raw]


class History(msgspec.Struct):
    """A history, or a batch of one."""

    events: Batch = []


class _Execution(msgspec.Struct):
    history: History


class _Header(msgspec.Struct, frozen=True):
    is_last: bool = False
    isLast: bool = False  # noqa: N815 — both spellings of proto3 JSON


class Part(msgspec.Struct):
    """What a part holds. It has one of the forms, or it is no part of a history."""

    events: Batch | None = None
    history: History | None = None
    body: list[History] | None = None
    header: _Header = _Header()
    items: list[_Execution] | None = None
    workflows: list[_Execution] | None = None
    activities: list[msgspec.Raw] | None = None
    next_page_token: str | None = None
    nextPageToken: str | None = None  # noqa: N815 — as above
    event_id: str | int | None = None
    eventId: str | int | None = None  # noqa: N815 — as above

    @property
    def is_event(self) -> bool:
        """Whether it is an event itself."""
        return self.eventId is not None or self.event_id is not None

    @property
    def forms(self) -> int:
        """How many forms it has at the same time."""
        whole, many = (self.events, self.history), (self.body, self.items, self.workflows)
        return self.is_event + sum(each is not None for each in (*whole, *many))

    @property
    def wholes(self) -> list[Batch]:
        """Histories that are in it from their beginning to their end."""
        return [each.history.events for each in (*(self.items or ()), *(self.workflows or ()))]

    def batches(self, raw: msgspec.Raw) -> list[Batch]:
        """Batches of a history that can have begun in a part before it; `raw` is its text."""
        if self.is_event:
            return [[raw]]
        given = [self.history] if self.history else self.body or ()
        return [self.events] if self.events is not None else [each.events for each in given]

    @property
    def more_follow(self) -> bool:
        """Whether its history goes on in the next part."""
        is_last = self.header.is_last or self.header.isLast
        paged = self.next_page_token or self.nextPageToken
        return bool(paged) or (self.body is not None and not is_last)


def number_of(event: msgspec.Raw) -> int | None:
    """The number of an event in its history, if it has one."""
    read = msgspec.json.decode(event, type=Part)
    text = str(read.event_id if read.eventId is None else read.eventId)
    return int(text) if text.isdecimal() and len(text) < 20 else None
