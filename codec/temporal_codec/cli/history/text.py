"""The text of a file that people have: plain or compressed, in any form of Unicode."""

import json
import sys
import zlib
from codecs import BOM_UTF8
from gzip import GzipFile
from io import BytesIO
from pathlib import Path

from temporal_codec.cli.errors import NoHistory

MAX_BYTES = 256 * 1024 * 1024
STDIN = Path("-")
_GZIP = b"\x1f\x8b"
_UTF_8 = {"utf-8", "utf-8-sig"}
_JSON = (b"{", b"[")  # what is binary can have the zeros of UTF-16


def read_text(path: Path) -> bytes:
    """The content of a file, or of standard input if it is `-`, as UTF-8; raises NoHistory.

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
    return _as_utf8(path, text)


def _as_utf8(path: Path, text: bytes) -> bytes:
    # Windows shells write UTF-16, with a byte order mark in front or without.
    encoding = json.detect_encoding(text[:4])
    marked = encoding in {"utf-16", "utf-32"}
    if marked or (encoding not in _UTF_8 and text[:4].strip(b"\0")[:1] in _JSON):
        try:
            return text.decode(encoding).encode()
        except UnicodeError:
            raise NoHistory(f"{path} is not valid {encoding[:6].upper()}. Get it again.") from None
    return text.removeprefix(BOM_UTF8)


def _inflated(path: Path, text: bytes) -> bytes:
    try:
        with GzipFile(fileobj=BytesIO(text)) as file:
            return file.read(MAX_BYTES + 1)
    except EOFError:
        raise NoHistory(f"{path} ends early: its gzip data is incomplete. Get it again.") from None
    except (OSError, zlib.error):
        raise NoHistory(f"{path} is not valid gzip. Get it again.") from None
