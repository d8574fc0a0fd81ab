"""Seal and open Temporal payloads, with keys that can be rotated.

Workers and the Codec Server share this package; it knows nothing of servers.
"""

from temporal_codec.errors import (
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
from temporal_codec.keys.key import Key
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.keys import Keys
from temporal_codec.keys.sources import KeySource, open_source
from temporal_codec.pipeline import decode, encode

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
