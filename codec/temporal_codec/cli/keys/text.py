"""The key of an existing codec, in the forms in which people have it."""

import sys
from datetime import UTC, datetime
from getpass import getpass
from pathlib import Path

from pybase64 import b64decode

from temporal_codec.cli.errors import CliError
from temporal_codec.errors import KeyringError
from temporal_codec.keys.key import KEY_BYTES, Key

# Older than any key of ours: an imported key opens, and seals only where no newer one does.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_ENOUGH = 1024  # anything longer is no key


def imported_key(file: Path | None, key_id: str | None, active_from: str | None) -> Key:
    """A key with an existing id; without one the id is the key's own text, as in Java's sample.

    Raises CliError, which never quotes the key.
    """
    since = LONG_AGO if active_from is None else _date(active_from)
    secret = read_key(file)
    if key_id is not None and key_id.encode() == secret:
        raise CliError(
            "This id is the key itself. Say --id-is-key instead, which keeps it out of the shell's "
            "history, and take this command out of the history."
        )
    try:
        return Key(secret.decode() if key_id is None else key_id, secret, since)
    except UnicodeDecodeError:
        raise CliError("A key of arbitrary bytes is no id: give the id with --id.") from None
    except KeyringError as error:
        raise CliError(f"The key was not imported: {error}.") from None


def read_key(file: Path | None) -> bytes:
    """The key from a file, from a pipe, or from somebody who types it without seeing it."""
    if file is not None:
        return parse_key(_head(file))
    if sys.stdin.isatty():
        return parse_key(getpass("Key (it is not shown): ").encode())
    return parse_key(sys.stdin.buffer.read(_ENOUGH))


def parse_key(given: bytes) -> bytes:
    """The 32 bytes that a text of 32 bytes is, or that a base64 text stands for.

    The two can't be confused: base64 of 32 bytes has 43 characters or, padded, 44.
    """
    # An editor and `echo` end a line; only that is taken away.
    text = given.removesuffix(b"\n").removesuffix(b"\r")
    key = text if len(text) == KEY_BYTES else _from_base64(text)
    if key is None or len(key) != KEY_BYTES:
        raise CliError(
            f"This is no AES-256 key. Give {KEY_BYTES} bytes of text, as Temporal's samples have "
            f"it, or {KEY_BYTES} bytes in base64 (44 characters); this text has {len(text)} bytes."
        )
    return key


def _from_base64(text: bytes) -> bytes | None:
    standard = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return b64decode(standard + b"=" * (-len(standard) % 4), None, True)
    except ValueError:
        return None


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_ENOUGH)
    except OSError as error:
        raise CliError(f"The key's file {file} cannot be read: {error.strerror}.") from None


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
        # Without a time zone it is UTC, as everywhere in a ring.
        return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CliError("A DATE looks like 2026-11-23 or 2026-11-23T00:00:00Z.") from None
