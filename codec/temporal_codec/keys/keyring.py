"""Key rings, and the JSON form in which secrets and files hold them."""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from pybase64 import b64decode, b64encode

from temporal_codec.errors import KeyringError, KeyringUnavailable
from temporal_codec.keys.key import Key
from temporal_codec.strict_json import NotStrict, read_document

MAX_RING_BYTES = 65_536  # what a Secrets Manager secret holds at most


class Keyring:
    """Keys by id: every key opens, and the one that was activated last seals.

    A disabled key does neither.
    """

    def __init__(self, keys: Iterable[Key] = (), *, derives: bool = False) -> None:
        """Take any number of keys; raises KeyringError if two share an id.

        `derives` is for keys that are added: whether each namespace has one of its own. A ring
        whose last key derives goes on so.
        """
        self._keys = tuple(keys)
        self.derives = derives or bool(self._keys and self._keys[-1].derives)
        if len({key.id for key in self._keys}) < len(self._keys):
            raise KeyringError("two keys have the same id")
        enabled = [key for key in self._keys if not key.disabled]
        self.get: Callable[[bytes], Key | None] = {key.id.encode(): key for key in enabled}.get
        """The key of an id, given as a payload's metadata holds it."""
        self._newest_first = sorted(enabled, key=lambda key: key.activation_date, reverse=True)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"Keyring({list(self._keys)!r})"

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
            ring = read_document(text, _Ring)
        except NotStrict as error:
            raise KeyringError(f"not a key ring: {error}") from None
        keys = [_key(index, entry) for index, entry in enumerate(ring.keys)]
        return cls(keys, derives=ring.derive is not None)


def development_ring() -> Keyring:
    """The well-known key of Temporal's encryption samples, under each of its ids.

    This key is public: it protects nothing.
    """
    secret = b"test-key-test-key-test-key-test!"
    since = datetime(2020, 1, 1, tzinfo=UTC)
    # Python, TypeScript, .NET and Ruby; Go; Java, whose id is the key itself. The first seals.
    return Keyring(Key(id_, secret, since) for id_ in ("test-key-id", "test", secret.decode()))


def with_key(text: bytes, key: Key) -> bytes:
    """A ring's text with one more key; everything else stays, including unknown members.

    Raises KeyringError if the text is no ring, has the id already, or would grow too large.
    """
    Keyring([*Keyring.from_json(text), key])
    document = _document(text)
    document["keys"].append(msgspec.to_builtins(_entry(key)))
    longer = msgspec.json.encode(document)
    if len(longer) > MAX_RING_BYTES:
        raise KeyringError(f"with one key more it would have over {MAX_RING_BYTES} bytes")
    return longer


def without_key(text: bytes, key_id: str) -> bytes:
    """A ring's text without one of its keys; everything else stays, as with `with_key`.

    Raises KeyringError if the text is no ring, or has no such key.
    """
    document = _document_with(text, key_id)
    document["keys"] = [entry for entry in document["keys"] if entry["id"] != key_id]
    return msgspec.json.encode(document)


def with_disabled(text: bytes, key_id: str, *, disabled: bool) -> bytes:
    """A ring's text with one of its keys disabled or enabled; else as `without_key`."""
    document = _document_with(text, key_id)
    for entry in document["keys"]:
        if entry["id"] == key_id:
            entry.pop("disabled", None)
            entry.update({"disabled": True} if disabled else {})
    return msgspec.json.encode(document)


def same_text(one: bytes, other: bytes) -> bool:
    """Whether two texts have the same content, however formatted; raises KeyringError."""
    return msgspec.json.encode(_document(one)) == msgspec.json.encode(_document(other))


def _document_with(text: bytes, key_id: str) -> Any:  # noqa: ANN401 — JSON
    if key_id not in {key.id for key in Keyring.from_json(text)}:
        raise KeyringError("it has no key of this id")
    return _document(text)


def _document(text: bytes) -> Any:  # noqa: ANN401 — JSON
    try:
        return msgspec.json.decode(text.removeprefix(BOM_UTF8))
    except msgspec.MsgspecError:
        raise KeyringError("it has a number that cannot be kept") from None


class _Entry(msgspec.Struct, omit_defaults=True):
    id: str
    key: str
    activation_date: str
    derive: Literal["namespace"] | None = None
    disabled: bool = False

    __repr__ = object.__repr__  # the default would show the key


class _Ring(msgspec.Struct, omit_defaults=True):
    keys: list[_Entry]
    derive: Literal["namespace"] | None = None


def _entry(key: Key) -> _Entry:
    date = key.activation_date.astimezone(UTC).isoformat().replace("+00:00", "Z")
    derive: Literal["namespace"] | None = "namespace" if key.derives else None
    return _Entry(key.id, b64encode(key.secret).decode(), date, derive, key.disabled)


def _key(index: int, entry: _Entry) -> Key:
    try:
        date = _date(entry.activation_date)
        return Key(entry.id, _secret(entry.key), date, entry.derive is not None, entry.disabled)
    except KeyringError as error:
        raise KeyringError(f"keys[{index}]: {error}") from None


def _secret(text: str) -> bytes:
    try:
        return b64decode(text, None, True)
    except ValueError:
        raise KeyringError("a key must be standard base64 with padding") from None


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
        return date.astimezone(UTC) if date.tzinfo else date
    except (ValueError, OverflowError):
        raise KeyringError("an activation_date must look like 2026-11-23T00:00:00Z") from None
