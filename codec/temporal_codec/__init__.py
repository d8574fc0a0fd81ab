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

try:
    from temporal_codec.keys.key import Key
except SystemError as error:  # what cryptography raises if it is loaded a second time
    raise ImportError(
        "Temporal's workflow sandbox loads temporal_codec again, which cryptography does not "
        "support. Give EncryptionPlugin to the client, and set no other workflow runner after it; "
        "or pass temporal_codec.plugin.PASSTHROUGH_MODULES through the sandbox (docs/workers.md)."
    ) from error
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
