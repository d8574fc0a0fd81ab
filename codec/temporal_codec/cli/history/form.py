"""The form of an encrypted payload: what can be checked without a key."""

from collections import Counter
from math import log2
from typing import Any

from pybase64 import b64decode

from temporal_codec.encryption import FOREIGN, KEY_ID, NONCE_BYTES, TAG_BYTES

_LOOKED_AT = 4096
# Of the entropy that so many bytes can have; random ones have 0.89 of it at least.
_LEAST_ENTROPY = 0.85


def has_form(payload: dict[str, Any]) -> bool:
    """Whether a payload marked as encrypted names its key and has room for nonce and tag."""
    metadata = payload.get("metadata") or {}
    try:
        data, *_ = map(b64, (payload.get("data") or "", *metadata.values()))
    except ValueError:
        return False
    # Other systems' have nonce and tag, too, and name their keys in ways of their own.
    named = KEY_ID in metadata or not FOREIGN.isdisjoint(metadata)
    return named and len(data) >= NONCE_BYTES + TAG_BYTES


def looks_random(payload: dict[str, Any]) -> bool:
    """Whether the data could be ciphertext, judging by how often each byte occurs."""
    data = b64(payload.get("data") or "")[:_LOOKED_AT]
    size = len(data)
    entropy = -sum(n / size * log2(n / size) for n in Counter(data).values())
    return entropy >= _LEAST_ENTROPY * log2(min(size, 256))


def b64(text: str) -> bytes:
    """Bytes from base64 of either alphabet, padded or not; raises ValueError."""
    standard = text.replace("-", "+").replace("_", "/")
    return b64decode(standard + "=" * (-len(standard) % 4), None, True)
