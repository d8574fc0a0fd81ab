"""One payload sealed or opened: AES-256-GCM in the layout of Temporal's samples.

    encoding           binary/encrypted
    encryption-key-id  the id of the key
    data               nonce (12) | ciphertext | tag (16) of the whole serialized Payload

There is no associated data: workers in every language must be able to open what we seal.
Namespaces are kept apart by separate key rings.
"""

import os
from collections.abc import Iterator, Mapping

from cryptography.exceptions import InvalidTag

from temporal_codec.errors import PayloadError, Reason
from temporal_codec.keys.key import Key
from temporal_codec.payload import COPY_BELOW, ENCODING

ENCRYPTED = b"binary/encrypted"
KEY_ID = "encryption-key-id"
NONCE_BYTES = 12
TAG_BYTES = 16
_NONCES_DRAWN = 32
_LEAST_BYTES = NONCE_BYTES + TAG_BYTES
# Formats of other systems, by a member of their metadata or by their encoding. The first two use
# the same encoding name for envelopes of their own.
PROXY = "temporal-proxy"
DATA_KEY = "encryption-dek"
_FOREIGN_MEMBERS = {
    DATA_KEY: PROXY,
    "encrypted-data-key": "temporal-cloud-proxy",
}
_FOREIGN_ENCODINGS = {b"awsencryptionsdk/binary/encrypted": "aws-encryption-sdk"}
FOREIGN = frozenset(_FOREIGN_MEMBERS)
FOREIGN_FORMATS = frozenset({*_FOREIGN_MEMBERS.values(), *_FOREIGN_ENCODINGS.values()})


def foreign_format(metadata: Mapping[str, bytes]) -> str | None:
    """The name of the other system that encrypted a payload with this metadata."""
    encoding = metadata.get(ENCODING)
    if encoding == ENCRYPTED:
        return next((name for each, name in _FOREIGN_MEMBERS.items() if each in metadata), None)
    return _FOREIGN_ENCODINGS.get(encoding or b"")


def sealed_metadata(key: Key) -> dict[str, bytes]:
    """The metadata of a payload sealed with this key."""
    return metadata_of(key.id, key.brought)


def metadata_of(key_id: str, brought: tuple[tuple[str, bytes], ...] = ()) -> dict[str, bytes]:
    """The metadata of a payload sealed with the key of this id, or one that it brings."""
    return {ENCODING: ENCRYPTED, KEY_ID: key_id.encode(), **dict(brought)}


def seal(key: Key, plaintext: bytes, nonce: bytes) -> bytes:
    """Seal a serialized payload; never use the same nonce of 12 bytes twice with one key."""
    return nonce + key.cipher.encrypt(nonce, plaintext, None)


def open_sealed(key: Key, data: bytes) -> bytes:
    """Open what `seal` made; raises PayloadError if a byte was changed."""
    size = len(data)
    if size < _LEAST_BYTES:
        raise PayloadError(Reason.TOO_SHORT)
    sealed = memoryview(data) if size > COPY_BELOW else data
    try:
        return key.cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
    except InvalidTag:
        raise PayloadError(Reason.AUTHENTICATION) from None


def nonces() -> Iterator[bytes]:
    """New nonces, from the operating system."""
    # One, and then some for each call to the operating system: a call costs as much as sealing a
    # small payload, and so do thirty nonces.
    size = NONCE_BYTES
    yield os.urandom(size)
    while True:
        drawn = os.urandom(size * _NONCES_DRAWN)
        for start in range(0, len(drawn), size):
            yield drawn[start : start + size]
