"""Keys and key rings, and the JSON form in which secrets and files hold them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_bytes, token_hex
from typing import NoReturn

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pybase64 import b64decode, b64encode

from temporal_codec.errors import KeyringError, KeyringUnavailable

KEY_BYTES = 32
# Above the 24 hours for which a reader may live on its last good ring: who seals with a key can
# be sure that every reader has it.
ROTATION_WAIT = timedelta(hours=25)
MAX_RING_BYTES = 65_536  # what a Secrets Manager secret holds at most
_KEY_ID = re.compile(r"[!-~]{1,255}")  # printable and without blanks: ids stand in logs


@dataclass(frozen=True, slots=True)
class Key:
    """One AES-256 key; it opens always, and seals from its activation date on."""

    id: str
    secret: bytes
    activation_date: datetime
    cipher: AESGCM = field(init=False, compare=False)
    label: str = field(init=False, compare=False)
    """The id as people may see it: the Java sample's ids are the keys themselves."""

    def __post_init__(self) -> None:
        if not _KEY_ID.fullmatch(self.id):
            raise KeyringError("an id must be 1 to 255 printable ASCII characters without blanks")
        if len(self.secret) != KEY_BYTES:
            raise KeyringError(f"a key must have {KEY_BYTES} bytes, not {len(self.secret)}")
        if self.activation_date.tzinfo is None:
            raise KeyringError("an activation_date must name its time zone, for example Z")
        object.__setattr__(self, "cipher", AESGCM(self.secret))
        shows_key = self.id.encode() == self.secret
        object.__setattr__(self, "label", fingerprint(self.secret) if shows_key else self.id)

    def __repr__(self) -> str:  # the default would show the key
        return f"Key({self.label}, activation_date={self.activation_date.isoformat()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key cannot be pickled: its bytes would leave this process")


def fingerprint(text: bytes) -> str:
    """A name for bytes that must not be shown: ``sha256:`` and 8 hexadecimal digits."""
    return f"sha256:{sha256(text).hexdigest()[:8]}"


class Keyring:
    """Keys by id: every key opens, and the one that was activated last seals."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        """Take any number of keys; raises KeyringError where two share an id."""
        self._keys = tuple(keys)
        self._by_id = {key.id.encode(): key for key in self._keys}
        if len(self._by_id) < len(self._keys):
            raise KeyringError("two keys have the same id")
        self._newest_first = sorted(self._keys, key=lambda key: key.activation_date, reverse=True)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"Keyring({list(self._keys)!r})"

    def get(self, key_id: bytes) -> Key | None:
        """The key of this id, given as a payload's metadata holds it."""
        return self._by_id.get(key_id)

    def sealing(self, now: datetime) -> Key:
        """The key that seals at this moment; raises KeyringUnavailable before any is active."""
        for key in self._newest_first:
            if key.activation_date <= now:
                return key
        raise KeyringUnavailable("the key ring has no active key")

    def to_json(self) -> bytes:
        """The ring's text, as `from_json` takes it. It holds the keys."""
        return msgspec.json.format(msgspec.json.encode(_Ring([_entry(key) for key in self])))

    @classmethod
    def from_json(cls, text: bytes) -> "Keyring":
        """Read a ring; raises KeyringError, whose message says where the fault is."""
        if len(text) > MAX_RING_BYTES:
            raise KeyringError(f"a key ring has at most {MAX_RING_BYTES} bytes, not {len(text)}")
        try:
            ring = _DECODER.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise KeyringError(f"not a key ring: {_plain(error)}") from None
        return cls(_key(index, entry) for index, entry in enumerate(ring.keys))


def with_key(text: bytes, key: Key) -> bytes:
    """A ring's text with one more key; all else in it stays, members that we do not know too.

    Raises KeyringError where the text is no ring, has the id already, or would grow too large.
    """
    Keyring([*Keyring.from_json(text), key])
    document = msgspec.json.decode(text)
    document["keys"].append(msgspec.to_builtins(_entry(key)))
    longer = msgspec.json.encode(document)
    if len(longer) > MAX_RING_BYTES:
        raise KeyringError(f"with one key more it would have over {MAX_RING_BYTES} bytes")
    return longer


def without_key(text: bytes, key_id: str) -> bytes:
    """A ring's text without one of its keys; all else in it stays, as `with_key` leaves it.

    Raises KeyringError where the text is no ring, or has no such key.
    """
    if Keyring.from_json(text).get(key_id.encode()) is None:
        raise KeyringError("it has no key of this id")
    document = msgspec.json.decode(text)
    document["keys"] = [entry for entry in document["keys"] if entry["id"] != key_id]
    return msgspec.json.encode(document)


def new_key(now: datetime, *, wait: timedelta = ROTATION_WAIT) -> Key:
    """A new random key, which seals after the wait; its id tells its month."""
    return Key(f"{now:%Y-%m}-{token_hex(3)}", token_bytes(KEY_BYTES), now + wait)


class _Entry(msgspec.Struct):
    id: str
    key: str
    activation_date: str

    __repr__ = object.__repr__  # the default would show the key


class _Ring(msgspec.Struct):
    keys: list[_Entry]


_DECODER = msgspec.json.Decoder(_Ring)


def _plain(error: Exception) -> str:
    # msgspec names the place and the expected type; the others would quote the text.
    return str(error) if isinstance(error, msgspec.MsgspecError) else "the text cannot be read"


def _entry(key: Key) -> _Entry:
    date = key.activation_date.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return _Entry(key.id, b64encode(key.secret).decode(), date)


def _key(index: int, entry: _Entry) -> Key:
    try:
        return Key(entry.id, _secret(entry.key), _date(entry.activation_date))
    except KeyringError as error:
        raise KeyringError(f"keys[{index}]: {error}") from None


def _secret(text: str) -> bytes:
    try:
        return b64decode(text, None, True)
    except ValueError:
        raise KeyringError("a key must be standard base64 with padding") from None


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise KeyringError("an activation_date must look like 2026-11-23T00:00:00Z") from None
