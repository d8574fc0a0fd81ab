"""Every error of this package.

    CodecError
    ├── PayloadError          one payload can never be decoded; others are not affected
    ├── NotEncrypted          a payload is plaintext, which the codec does not accept
    ├── WireError             a request's JSON is rejected as a whole
    │   └── TooManyPayloads   it has more payloads than its reader accepts
    ├── KeyringError          the text of a key ring is wrong
    ├── KeyringNotFound       there is no key ring here
    ├── KeyringUnavailable    the keys cannot be fetched now; a retry may succeed
    ├── StorageUnavailable    an object cannot be fetched now; a retry may succeed
    ├── PolicyError           the text of a policy is wrong
    ├── AnswerTooLarge        what was opened is more than a request may become
    ├── ObjectsTooLarge       the objects of one request are more than it may hold together
    └── InvalidNamespace      a name that no namespace can have

No message contains a value from outside: messages reach logs and people.
"""

from enum import StrEnum


def install(extras: str) -> str:
    """The next step if an extra's libraries are not installed."""
    return f"run `pip install '.[{extras}]'` in a checkout, or install the wheel with [{extras}]."


class Reason(StrEnum):
    """Why a payload could not be decoded, as logs and metrics name it."""

    NO_KEY_ID = "no-key-id"
    UNKNOWN_KEY = "unknown-key"
    NO_KEYRING = "no-keyring"
    TOO_SHORT = "too-short"
    AUTHENTICATION = "authentication"
    COMPRESSION = "compression"
    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    TOO_MANY_LAYERS = "too-many-layers"
    TOO_MANY_FIELDS = "too-many-fields"
    FOREIGN_FORMAT = "foreign-format"
    KEY_REFUSED = "key-refused"
    TOO_MANY_KEYS = "too-many-keys"
    # Of references to payloads in S3.
    BAD_REFERENCE = "bad-reference"
    REFERENCE_REFUSED = "reference-refused"
    TOO_MANY_OBJECTS = "too-many-objects"
    OBJECT_MISSING = "object-missing"
    OBJECT_DENIED = "object-denied"
    OBJECT_TOO_LARGE = "object-too-large"
    OBJECT_CHANGED = "object-changed"


class CodecError(Exception):
    """Root of every error that this package raises on purpose."""


class PayloadError(CodecError):
    """A payload can never be decoded, for any caller and with any number of retries."""

    def __init__(self, reason: Reason, subject: str | None = None) -> None:
        """Take the reason, and what it is about: a foreign format, a key id's fingerprint."""
        super().__init__(reason.value)
        self.reason = reason
        self.subject = subject


class NotEncrypted(CodecError):
    """A payload is plaintext, which this codec does not accept."""


class WireError(CodecError):
    """A request's JSON is rejected; the message names the payload and the field."""


class TooManyPayloads(WireError):
    """A request has more payloads than its reader accepts."""


class KeyringError(CodecError):
    """The text of a key ring is wrong; the message says where and what, never a value."""


class KeyringNotFound(CodecError):
    """There is no key ring for this namespace."""


class KeyringUnavailable(CodecError):
    """The key ring cannot be fetched at the moment, and no usable one is cached."""

    def __init__(self, reason: str, cooldown: float | None = None) -> None:
        """Take the reason, and how soon to try again, in seconds, if that is known."""
        super().__init__(reason)
        self.cooldown = cooldown


class StorageUnavailable(CodecError):
    """An object cannot be fetched at the moment."""


class AnswerTooLarge(CodecError):
    """The decoded payloads are together larger than a response may be."""


class ObjectsTooLarge(CodecError):
    """The objects of one request are together more than it may hold."""


class InvalidNamespace(CodecError):
    """The text is not a namespace's name."""


class PolicyError(CodecError):
    """The text of a policy is wrong; the message says where and what."""
