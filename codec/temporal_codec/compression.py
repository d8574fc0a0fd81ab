"""Compressed payloads: inflated up to a cap, never inflated first and measured later."""

import sys
import zlib
from collections.abc import Callable
from contextlib import suppress

from temporal_codec.allowance import Allowance
from temporal_codec.errors import PayloadError, Reason

_MAX_RATIO = 1032  # of DEFLATE; snappy stays far below
_MAX_MEMBERS = 100  # of one gzip stream
_FED_BYTES = 4096  # at a time: what follows a member is copied when the member ends


def deflate(data: bytes) -> bytes:
    """Compress as the SDKs' zlib codecs do (RFC 1950)."""
    return zlib.compress(data)


def inflate(encoding: bytes, allowance: Allowance, data: bytes) -> bytes:
    """Inflate one of ENCODINGS; raises PayloadError at the cap, or if it is not whole."""
    cap = allowance.next_cap(len(data))
    try:
        inflated = ENCODINGS[encoding](data, cap, allowance)
    except PayloadError:
        # How much it inflated is not known, only how much it can have been at most.
        allowance.take(min(cap, _MAX_RATIO * len(data)))
        raise
    allowance.take(len(inflated))
    return inflated


def _zlib(data: bytes, cap: int, _allowance: Allowance) -> bytes:
    inflated, rest = _member(zlib.MAX_WBITS, memoryview(data), cap)
    if rest:
        raise PayloadError(Reason.COMPRESSION)
    return inflated


def _gzip(data: bytes, cap: int, allowance: Allowance) -> bytes:
    # Members that follow each other are one stream (RFC 1952).
    inflated, rest = _member(_GZIP, memoryview(data), cap)
    members = [inflated]
    size = len(inflated)
    while rest:
        allowance.fields -= 1  # each takes as long as a few fields, however little is in it
        if len(members) == _MAX_MEMBERS or allowance.fields < 0:
            raise PayloadError(Reason.COMPRESSION)
        inflated, rest = _member(_GZIP, rest, cap - size)
        members.append(inflated)
        size += len(inflated)
    return b"".join(members)


_GZIP = zlib.MAX_WBITS + 16


def _member(window: int, data: memoryview, cap: int) -> tuple[bytes, memoryview]:
    # What it inflates to, and what follows it. What is truncated has no end.
    stream = zlib.decompressobj(window)
    pieces: list[bytes] = []
    left = cap + 1
    size = _FED_BYTES if window == _GZIP else sys.maxsize
    with suppress(zlib.error):
        for at in range(0, len(data), size):
            chunk = data[at : at + size]
            pieces.append(stream.decompress(chunk, left))
            left -= len(pieces[-1])
            if not left:
                raise PayloadError(Reason.TOO_LARGE)
            if stream.eof:
                return b"".join(pieces), data[at + len(chunk) - len(stream.unused_data) :]
    raise PayloadError(Reason.COMPRESSION)


def _snappy(data: bytes, cap: int, _allowance: Allowance) -> bytes:
    from cramjam import DecompressionError, snappy  # noqa: PLC0415 — few ever meet such a payload

    try:
        # A raw block starts with its inflated length, which the library allocates at once.
        if snappy.decompress_raw_len(data) > cap:
            raise PayloadError(Reason.TOO_LARGE)
        return bytes(snappy.decompress_raw(data))
    except DecompressionError:
        raise PayloadError(Reason.COMPRESSION) from None


ENCODINGS: dict[bytes, Callable[[bytes, int, Allowance], bytes]] = {
    b"binary/zlib": _zlib,
    b"binary/gzip": _gzip,
    b"binary/snappy": _snappy,
}
