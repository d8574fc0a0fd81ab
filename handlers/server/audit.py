"""The audit record: one line of JSON for each request, whatever became of it (rule A).

It never holds a payload, a token or a key, and what a stranger wrote stands in it bounded and
in printable ASCII. This class is its schema; docs/audit.md explains it.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from random import getrandbits
from typing import Annotated, Literal, TextIO

import msgspec

from temporal_codec.encryption import FOREIGN_FORMATS
from temporal_codec.errors import PayloadError
from temporal_codec.text import shown

MAX_TEXT = 256
MAX_LABELS = 100
_PLAIN = re.compile(r"[ -\[\]-~]*")  # printable ASCII without the backslash

Count = Annotated[int, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Cache = Literal["jwks", "policy", "keys"]
Outcome = Literal["answered", "passed-through", "refused", "failed"]


class Record(
    msgspec.Struct, tag_field="event", tag="codec.request", omit_defaults=True, kw_only=True
):
    """The audit record of one request. A field that does not apply is absent."""

    schema: Literal[1]
    time: datetime
    """When it came, in UTC."""
    request_id: str
    version: str
    """Version of the function that answered."""
    outcome: Outcome
    status: int
    """Of the response; 499 if the client disconnected."""
    duration_ms: float
    bytes_in: Count
    bytes_out: Count
    payloads: Count

    reason: str | None = None
    """Why it was not answered as asked: one of docs/operations.md's."""
    detail: str | None = None
    """What exactly is wrong, in our words. If it is about a token, the caller never sees it."""
    operation: str | None = None
    namespace: str | None = None
    subject: Text | None = None
    email: str | None = None
    issuer: str | None = None
    kid: str | None = None
    token: str | None = None
    """The token's id (`jti`), or if it has none, the start of its hash."""
    token_from: str | None = None
    """The place in the request that the token came from."""
    rule: Text | None = None
    """The rule that allowed the request."""
    origin: Text | None = None
    source: Text | None = None
    """The address that the request came from."""
    user_agent: Text | None = None
    keys: dict[str, Count] = {}
    """How many payloads each key opened or sealed."""
    references: Count = 0
    """How many payloads stood for one in S3, and were looked for there."""
    undecoded: dict[str, Count] = {}
    """How many payloads came back as they were, by reason."""
    about: dict[str, Count] = {}
    """What these reasons were about, with counts: a foreign format, an unknown key id."""
    read: list[str] = []
    """Keyed digests of what was decrypted, as many as CODEC_AUDIT_DIGESTS allows."""
    purpose: Text | None = None
    """What the caller says it is for: the header `X-Codec-Reason`."""
    stale: list[Cache] = []
    """Caches whose stale value was used, because it could not be refreshed."""

    @property
    def sealed(self) -> dict[str, int]:
        """How often each key sealed; if no response left, too: its nonces are used up."""
        return self.keys if self.operation == "encode" else {}

    @property
    def foreign(self) -> dict[str, int]:
        """How many payloads other systems encrypted, by their formats."""
        return {name: count for name, count in self.about.items() if name in FOREIGN_FORMATS}

    def note_undecoded(self, error: PayloadError) -> None:
        """Count a payload that came back as it was."""
        self.undecoded[error.reason] = self.undecoded.get(error.reason, 0) + 1
        if error.subject is not None and (error.subject in self.about or len(self.about) < 16):
            self.about[error.subject] = self.about.get(error.subject, 0) + 1


Write = Callable[[Record], None]
"""Keeps a record; if it raises, the request is not answered."""


def begin(context: object) -> Record:
    """The record of a request that comes now; with Lambda's context, or None elsewhere."""
    return Record(
        schema=1,
        time=datetime.now(UTC),
        request_id=getattr(context, "aws_request_id", None) or f"{getrandbits(64):016x}",
        version=getattr(context, "function_version", None) or "local",
        outcome="answered",
        status=0,
        duration_ms=0.0,
        bytes_in=0,
        bytes_out=0,
        payloads=0,
    )


def printable(text: object) -> str | None:
    """A stranger's text as a record may hold it; an event may have anything in its place."""
    if not text:
        return None
    given = text.decode("latin-1") if isinstance(text, bytes) else str(text)
    return escaped(given[:MAX_TEXT])[:MAX_TEXT]


def escaped(text: str) -> str:
    """The whole text in printable ASCII."""
    return text if _PLAIN.fullmatch(text) else shown(text)


def lines_to(file: TextIO) -> Write:
    """Write each record as a line, and see to it that it has left this process."""

    def write(record: Record) -> None:
        file.write(msgspec.json.encode(record).decode() + "\n")
        file.flush()

    return write


def bounded_labels() -> Callable[[str], str]:
    """The labels of keys in metrics, which must be few: the first ids, then `(other)`."""
    seen: set[str] = set()

    def label(key: str) -> str:
        if len(seen) < MAX_LABELS:
            seen.add(key)
        return key if key in seen else "(other)"

    return label


def discard(_record: Record) -> None:
    """Keep no record: for a local server without tokens."""
