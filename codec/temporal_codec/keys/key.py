"""One AES-256 key, and the keys that are derived from it for single namespaces."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b, sha256
from secrets import token_bytes, token_hex
from typing import NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from temporal_codec.errors import KeyringError
from temporal_codec.text import is_text, shown

KEY_BYTES = 32
MAX_ID_CHARACTERS = 255
# Longer than a reader may use its last good ring: a worker that encrypts with a
# key can be sure that every reader has it.
ROTATION_WAIT = timedelta(hours=25)
LAST_GOOD = timedelta(hours=24)
# What a derived key is for: docs/format.md. No NUL can stand in an id or a namespace.
_MARK = b"codec-read-mark"
_DERIVATION = b"temporal-codec/derive/v1\0%b\0%b"


@dataclass(frozen=True, slots=True)
class Key:
    """One AES-256 key; it opens always, and seals from its activation date on."""

    id: str
    secret: bytes
    activation_date: datetime
    derives: bool = False
    """Whether each namespace has a key of its own, derived from this one."""
    disabled: bool = False
    """Whether it neither opens nor seals, until it is enabled again."""
    brought: tuple[tuple[str, bytes], ...] = ()
    """The metadata that brings it with each payload, wrapped, in place of its id."""
    cipher: AESGCM = field(init=False, compare=False)
    label: str = field(init=False, compare=False)
    """The id as logs may show it, in ASCII: the Java sample's ids are the keys themselves."""

    def __post_init__(self) -> None:
        check_id(self.id)
        if len(self.secret) != KEY_BYTES:
            raise KeyringError(f"a key must have {KEY_BYTES} bytes, not {len(self.secret)}")
        if self.activation_date.tzinfo is None:
            raise KeyringError("an activation_date must name its time zone, for example Z")
        object.__setattr__(self, "cipher", AESGCM(self.secret))
        shows_key = self.id.encode() == self.secret
        object.__setattr__(
            self, "label", fingerprint(self.secret) if shows_key else _label(self.id)
        )

    def __repr__(self) -> str:  # the default would show the key
        return f"Key({self.label}, activation_date={self.activation_date.isoformat()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key cannot be pickled: its bytes would leave this process")

    def digest(self, data: bytes | memoryview) -> str:
        """Twelve hexadecimal digits that stand for sealed data in records, for holders of the key.

        The nonce and the tag identify it. Without the key, a record tells nothing of a history.
        """
        own = blake2b(self.secret, digest_size=32, person=_MARK).digest()
        return blake2b(bytes(data[:12]) + bytes(data[-16:]), key=own, digest_size=6).hexdigest()

    def derived(self, namespace: str) -> "Key":
        """The key of one namespace: HKDF-SHA-256 of this one, with id and namespace as its info."""
        # Loaded with the first key that derives; most cold starts need none.
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        info = _DERIVATION % (self.id.encode(), namespace.encode())
        secret = HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(self.secret)
        key = Key(self.id, secret, self.activation_date, disabled=self.disabled)
        object.__setattr__(key, "label", self.label)
        return key


def check_id(key_id: str) -> None:
    """Raise KeyringError unless a key may have this id: any text without control characters."""
    if len(key_id) > MAX_ID_CHARACTERS or not is_text(key_id):
        raise KeyringError(
            f"an id must have at most {MAX_ID_CHARACTERS} characters, and no control characters"
        )


def _label(key_id: str) -> str:
    # Metrics take no label that is blank, and none above 1,024 characters.
    label = shown(key_id)
    if len(label) > MAX_ID_CHARACTERS:
        return f"{label[:200]}...{fingerprint(key_id.encode())}"
    if label != label.strip():
        label = label.replace(" ", r"\x20")
    return label or "(empty)"


def fingerprint(text: bytes) -> str:
    """A name for bytes that must not be shown: ``sha256:`` and 8 hexadecimal digits."""
    return f"sha256:{sha256(text).hexdigest()[:8]}"


def new_key(now: datetime, *, wait: timedelta = ROTATION_WAIT, derives: bool = False) -> Key:
    """A new random key, which seals after the wait; its id tells its month."""
    return Key(f"{now:%Y-%m}-{token_hex(3)}", token_bytes(KEY_BYTES), now + wait, derives)
