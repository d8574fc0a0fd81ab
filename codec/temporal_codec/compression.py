"""Compressed payloads: inflated up to a cap, never first and measured after."""

import zlib
from collections.abc import Callable

import msgspec

from temporal_codec.errors import PayloadError, Reason

MAX_INFLATED_BYTES = 4_000_000
_MAX_RATIO = 1032  # of DEFLATE; snappy stays far below


class Allowance(msgspec.Struct):
    """How many bytes one request may inflate to, refused payloads included.

    It lies far above what an answer can hold; it is there to end a list of bombs.
    """

    left: int = 16 * MAX_INFLATED_BYTES

    def next_cap(self) -> int:
        """The most that the next payload may inflate to; never below 0."""
        return max(0, min(MAX_INFLATED_BYTES, self.left))

    def take(self, inflated: int) -> None:
        """Note that this many bytes were inflated."""
        self.left -= inflated


def deflate(data: bytes) -> bytes:
    """Compress as the SDKs' zlib codecs do (RFC 1950)."""
    return zlib.compress(data)


def inflate(encoding: bytes, allowance: Allowance, data: bytes) -> bytes:
    """Inflate one of ENCODINGS; raises PayloadError at the cap, or where it is not whole."""
    cap = allowance.next_cap()
    try:
        inflated = ENCODINGS[encoding](data, cap)
    except PayloadError:
        # How far it came is not known, only how far it can have come.
        allowance.take(min(cap, _MAX_RATIO * len(data)))
        raise
    allowance.take(len(inflated))
    return inflated


def _stream(window: int) -> Callable[[bytes, int], bytes]:
    def inflate_stream(data: bytes, cap: int) -> bytes:
        stream = zlib.decompressobj(window)
        try:
            inflated = stream.decompress(data, cap + 1)
        except zlib.error:
            raise PayloadError(Reason.COMPRESSION) from None
        if len(inflated) > cap:
            raise PayloadError(Reason.TOO_LARGE)
        # Not at the end: truncated. Bytes left over: garbage, or a second member.
        if not stream.eof or stream.unused_data:
            raise PayloadError(Reason.COMPRESSION)
        return inflated

    return inflate_stream


def _snappy(data: bytes, cap: int) -> bytes:
    from cramjam import DecompressionError, snappy  # noqa: PLC0415 — few ever meet such a payload

    try:
        # A raw block starts with its inflated length, which the library allocates at once.
        if snappy.decompress_raw_len(data) > cap:
            raise PayloadError(Reason.TOO_LARGE)
        return bytes(snappy.decompress_raw(data))
    except DecompressionError:
        raise PayloadError(Reason.COMPRESSION) from None


ENCODINGS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"binary/zlib": _stream(zlib.MAX_WBITS),
    b"binary/gzip": _stream(zlib.MAX_WBITS | 16),
    b"binary/snappy": _snappy,
}
