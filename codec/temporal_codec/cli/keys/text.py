"""The key of an existing codec, in the forms that people have."""

import sys
from codecs import BOM_UTF8
from datetime import UTC, datetime
from getpass import getpass
from pathlib import Path

from pybase64 import b64decode

from temporal_codec.cli.errors import WrongUsage
from temporal_codec.errors import KeyringError
from temporal_codec.keys.key import KEY_BYTES, Key
from temporal_codec.strict_json import UTF_8, encoding_of

# Older than any new key: an imported key decrypts, and encrypts only if no newer key does.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_ENOUGH = 1024  # anything longer is not a key


def imported_key(file: Path | None, key_id: str | None, active_from: str | None) -> Key:
    """Import a key under its id; without an id the key's text is the id, as in the Java sample.

    Raises WrongUsage, which never quotes the key.
    """
    since = LONG_AGO if active_from is None else _date(active_from)
    secret = read_key(file)
    if key_id is not None and key_id.encode() == secret:
        raise WrongUsage(
            "This id is the key itself. Use --id-is-key instead, which keeps the key out of the "
            "shell's history, and delete this command from the history."
        )
    try:
        return Key(secret.decode() if key_id is None else key_id, secret, since)
    except UnicodeDecodeError:
        raise WrongUsage(
            "This key is not text, so it cannot be its own id. Give the id with --id."
        ) from None
    except KeyringError as error:
        raise WrongUsage(f"The key was not imported: {error}.") from None


def read_key(file: Path | None) -> bytes:
    """Read the key from a file, from a pipe, or from hidden input."""
    if file is not None:
        return parse_key(_head(file))
    if sys.stdin.isatty():
        return parse_key(getpass("Key (not shown): ").encode())
    return parse_key(sys.stdin.buffer.read(_ENOUGH))


def parse_key(given: bytes) -> bytes:
    """The 32 bytes of a key, given as text or as base64.

    The two cannot be confused: base64 of 32 bytes has 43 characters or, padded, 44.
    """
    encoding = encoding_of(given)
    if encoding != UTF_8 and given[4:].isascii():  # random bytes may only begin as such a text does
        raise WrongUsage(f"This key is {encoding}. Save it as UTF-8.")
    # Editors add a line break, Windows a byte order mark; only these are removed from a text.
    text = given.removeprefix(BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r")
    if not text:
        raise WrongUsage("There is no key in the input. Pipe the key in, or use --key-file.")
    key = text if len(text) == KEY_BYTES else _from_base64(text.strip())
    if key is None or len(key) != KEY_BYTES:
        raise WrongUsage(
            f"This is not an AES-256 key. Use {KEY_BYTES} bytes of text, as Temporal's samples do, "
            f"or {KEY_BYTES} bytes in base64 (44 characters). This text has {len(text)} bytes."
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
        raise WrongUsage(f"--key-file: cannot read {file}: {error.strerror}.") from None


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
        # Without a time zone it is UTC, like every date of a ring.
        return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUsage(
            "--active-from: write DATE as 2026-11-23 or 2026-11-23T00:00:00Z."
        ) from None
