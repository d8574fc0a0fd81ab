"""Payloads with the metadata that most have, recognized without a message object."""

from temporal_codec.payload import ENCODING
from temporal_codec.protobuf import DATA, serialize, varint


class CommonMetadata:
    """A metadata that most payloads have, and how it starts them when serialized."""

    def __init__(self, encoding: bytes) -> None:
        self.metadata = {ENCODING: encoding}
        self.prefix = serialize(self.metadata, b"")
        self.size = len(self.prefix)
        self.before_size = self.prefix + DATA


COMMON = tuple(map(CommonMetadata, (b"json/plain", b"binary/plain", b"binary/null")))


def recognize(serialized: bytes) -> tuple[CommonMetadata, int] | None:
    """Find one of the COMMON metadata and where its data starts, without a message object.

    None if the payload has anything else in it, or is no payload: then `parse` decides.
    """
    for common in COMMON:
        if serialized.startswith(common.before_size):
            break
    else:
        return next(
            ((common, common.size) for common in COMMON if serialized == common.prefix), None
        )
    # Data must be the only other field, and reach to the very end. Their length has one byte to
    # four; anything larger, and empty ones that are written all the same, are not for here.
    at = common.size + 1
    left = len(serialized) - at
    if left < 2:
        return None
    length, low = serialized[at], serialized[at + 1]
    if length < 0x80:
        return (common, at + 1) if length + 1 == left else None
    if low < 0x80:
        return (common, at + 2) if (length & 0x7F | low << 7) + 2 == left else None
    size = 3 if serialized[at + 2 : at + 3] < b"\x80" else 4
    return (common, at + size) if varint(left - size) == serialized[at : at + size] else None
