"""Limits on how much work one request can cause, including rejected payloads."""

import math
from collections.abc import Callable

import msgspec

from temporal_codec.errors import PayloadError, Reason
from temporal_codec.protobuf import PayloadMessage, count_fields, parse

MAX_INFLATED_BYTES = 4_000_000
MAX_FIELDS = 1000  # of one payload: entries of its metadata and sizes of what lies outside it
# For a worker, whose payloads are its own. A server allows less.
_BYTES = 16 * MAX_INFLATED_BYTES
_FIELDS = 20 * MAX_FIELDS
_LOOKUPS = 32


class Allowance(msgspec.Struct):
    """How many bytes one request may inflate and decrypt, and how many fields these may have."""

    inflated: int = _BYTES
    fields: int = _FIELDS
    compressed: int = _BYTES
    """Bytes that are inflated: a block of nothing takes as long as one of much."""
    lookups: int = _LOOKUPS
    """Questions to a key management service, each of which takes milliseconds."""
    opened: float = math.inf
    """Bytes of what was opened, all payloads together."""
    in_time: Callable[[], object] | None = None
    """Raises if there is no time left; asked before what may take milliseconds."""

    def next_cap(self, size: int) -> int:
        """The most that the next payload, of this size, may inflate to; never below 0.

        Raises PayloadError if too much was inflated already, whatever it inflated to.
        """
        if self.in_time is not None:
            self.in_time()
        self.compressed -= size
        if self.compressed < 0:
            raise PayloadError(Reason.TOO_LARGE)
        return max(0, min(MAX_INFLATED_BYTES, self.inflated))

    def take(self, size: int) -> None:
        """Note that this many bytes were inflated."""
        self.inflated -= size

    def look_up(self) -> None:
        """Note one more question; raises PayloadError."""
        if self.in_time is not None:
            self.in_time()
        self.lookups -= 1
        if self.lookups < 0:
            raise PayloadError(Reason.TOO_MANY_KEYS)

    def parse(self, serialized: bytes) -> PayloadMessage:
        """Read a serialized Payload; raises PayloadError if it is none, or has too many fields.

        A field takes two bytes there, and a message object a hundred times as many.
        """
        found = count_fields(serialized, min(MAX_FIELDS, self.fields))
        self.fields -= found
        if found > MAX_FIELDS or self.fields < 0:
            raise PayloadError(Reason.TOO_MANY_FIELDS)
        return parse(serialized)
