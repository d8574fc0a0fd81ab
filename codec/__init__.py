"""Seal and open Temporal payloads, with keys that can be rotated.

Workers and the Codec Server share this package; it knows nothing of servers.
"""

from codec.errors import (
    CodecError,
    InvalidNamespace,
    KeyringError,
    KeyringNotFound,
    KeyringUnavailable,
    NotEncrypted,
    PayloadError,
    Reason,
    WireError,
)
from codec.keyring import Key, Keyring
from codec.pipeline import Keys, decode, encode
from codec.sources import KeySource, open_source

__all__ = [
    "CodecError",
    "InvalidNamespace",
    "Key",
    "KeySource",
    "Keyring",
    "KeyringError",
    "KeyringNotFound",
    "KeyringUnavailable",
    "Keys",
    "NotEncrypted",
    "PayloadError",
    "Reason",
    "WireError",
    "decode",
    "encode",
    "open_source",
]
