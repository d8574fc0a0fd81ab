"""The text of a file that people have: plain or compressed, in UTF-8 or UTF-16."""

import sys
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

from temporal_codec.cli.errors import NoHistory

MAX_BYTES = 256 * 1024 * 1024
STDIN = Path("-")
_GZIP = b"\x1f\x8b"


def read_text(path: Path) -> bytes:
    """What a file holds, or the input where it is `-`, as UTF-8; raises NoHistory.

    A binary file, such as an export in protobuf, is returned as it is.
    """
    try:
        with sys.stdin.buffer if path == STDIN else path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NoHistory(f"Cannot read {path}: {error.strerror}.") from None
    if text.startswith(_GZIP):
        text = _inflated(path, text)
    if len(text) > MAX_BYTES:
        raise NoHistory(f"{path} is larger than {MAX_BYTES >> 20} MB. Export fewer workflows.")
    return as_utf8(str(path), text)


def as_utf8(name: str, text: bytes) -> bytes:
    """The same text in UTF-8 without a byte order mark; raises NoHistory."""
    # Windows shells write UTF-16, and put a byte order mark in front.
    if text.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        try:
            return text.decode("utf-16").encode()
        except UnicodeError:
            raise NoHistory(f"{name} is not valid UTF-16. Export it again.") from None
    return text.removeprefix(BOM_UTF8)


def _inflated(path: Path, text: bytes) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        while text and size <= MAX_BYTES:
            stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            pieces.append(stream.decompress(text, MAX_BYTES + 1 - size))
            size += len(pieces[-1])
            if not stream.eof and size <= MAX_BYTES:
                raise NoHistory(f"{path} ends early: its gzip data is incomplete. Get it again.")
            text = stream.unused_data
    except zlib.error:
        raise NoHistory(f"{path} is not valid gzip. Get it again.") from None
    return b"".join(pieces)
