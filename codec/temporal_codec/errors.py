"""Every error of this package.

    CodecError
    ├── PayloadError          one payload can never be opened; the others are not concerned
    ├── NotEncrypted          a payload came in plaintext where none may
    ├── WireError             a request's JSON is refused as a whole
    │   └── TooManyPayloads   it has more payloads than its reader takes
    ├── KeyringError          the text of a key ring is wrong
    ├── KeyringNotFound       there is no key ring here
    ├── KeyringUnavailable    the keys cannot be had now; a later try may succeed
    ├── StorageUnavailable    an object cannot be had now; a later try may succeed
    ├── PolicyError           the text of a policy is wrong
    ├── AnswerTooLarge        what was opened is more than a request may become
    ├── ObjectsTooLarge       the objects of one request are more than it may hold together
    └── InvalidNamespace      a name that no namespace can have

No message holds a value that came from outside: messages reach logs and people.
"""

from enum import StrEnum


def install(extras: str) -> str:
    """What to do where the package was installed without what an extra brings."""
    return f"run `pip install '.[{extras}]'` in a checkout, or install the wheel with [{extras}]."


class Reason(StrEnum):
    """Why a payload could not be opened, as logs and metrics name it."""

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
    """A payload can never be opened, whoever asks and however often."""

    def __init__(self, reason: Reason, subject: str | None = None) -> None:
        """Take the reason, and what it is about: a foreign format, a key id's fingerprint."""
        super().__init__(reason.value)
        self.reason = reason
        self.subject = subject


class NotEncrypted(CodecError):
    """A payload came in plaintext to a codec that takes none."""


class WireError(CodecError):
    """A request's JSON is refused; the message names the payload and the field."""


class TooManyPayloads(WireError):
    """A request has more payloads than its reader takes."""


class KeyringError(CodecError):
    """The text of a key ring is wrong; the message says where and what, never a value."""


class KeyringNotFound(CodecError):
    """There is no key ring for this namespace."""


class KeyringUnavailable(CodecError):
    """The key ring cannot be had at the moment, and none that may be used is held."""

    def __init__(self, reason: str, cooldown: float | None = None) -> None:
        """Take the reason, and how soon to try again, in seconds, if that is known."""
        super().__init__(reason)
        self.cooldown = cooldown


class StorageUnavailable(CodecError):
    """An object cannot be had at the moment."""


class AnswerTooLarge(CodecError):
    """What was opened is together more than a request may become."""


class ObjectsTooLarge(CodecError):
    """The objects of one request are together more than it may hold."""


class InvalidNamespace(CodecError):
    """The text is not a namespace's name."""


class PolicyError(CodecError):
    """The text of a policy is wrong; the message says where and what."""
