"""Lists of payloads: sealed one by one, opened by peeling encodings from the outside in."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from codec import compression, encryption
from codec.errors import PayloadError, Reason
from codec.keyring import Key
from codec.payload import ENCODING, HasContent, Known, parse, recognise, serialize

MAX_LAYERS = 4
_ZLIB = b"binary/zlib"


class Keys(Protocol):
    """One namespace's keys."""

    def opening(self, key_id: bytes) -> Key:
        """The key of this id.

        Raises PayloadError where there is none, KeyringUnavailable where that cannot be told.
        """

    def sealing(self) -> Key:
        """The key that seals now.

        Raises KeyringNotFound where there is no ring, KeyringUnavailable where it can't be had.
        """


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A payload with every encoding of ours taken off."""

    serialized: bytes
    known: tuple[Known, int] | None
    """What `recognise` found in it."""

    __repr__ = object.__repr__  # the default would show the plaintext


Outcome = Opened | PayloadError | None
"""What decoding one payload gives; None where its encoding is not one of ours."""


def decode(payloads: Iterable[HasContent], keys: Keys) -> list[Outcome]:
    """Open each payload, in order; one that cannot be opened never affects another.

    Raises KeyringUnavailable, for the whole list, where a key may exist but can't be had now.
    """
    opener = _Opener(keys, compression.Allowance())
    return [_decode_one(payload.metadata, payload.data, opener) for payload in payloads]


def encode(serialized: Sequence[bytes], key: Key, *, compress: bool = False) -> list[bytes]:
    """Seal serialized payloads; gives what belongs into each new payload's data."""
    if compress:
        serialized = [_smaller(payload) for payload in serialized]
    size = encryption.NONCE_BYTES
    # One call to the operating system for all: a call costs as much as sealing a small payload.
    nonces = os.urandom(size * len(serialized))
    return [
        encryption.seal(key, payload, nonces[size * index : size * (index + 1)])
        for index, payload in enumerate(serialized)
    ]


def _smaller(payload: bytes) -> bytes:
    wrapped = serialize({ENCODING: _ZLIB}, compression.deflate(payload))
    return wrapped if len(wrapped) < len(payload) else payload


class _Opener:
    """Takes one encoding off, with the keys and the allowance of one request."""

    def __init__(self, keys: Keys, allowance: compression.Allowance) -> None:
        self._keys = keys
        self._allowance = allowance
        self._held: dict[bytes, Key] = {}

    def open(self, metadata: Mapping[str, bytes], data: bytes) -> bytes:
        """The serialized payload inside."""
        encoding = metadata[ENCODING]
        if encoding == encryption.ENCRYPTED:
            return encryption.open_sealed(self._key(metadata.get(encryption.KEY_ID)), data)
        return compression.inflate(encoding, data, self._allowance)

    def _key(self, key_id: bytes | None) -> Key:
        if key_id is None:
            raise PayloadError(Reason.NO_KEY_ID)
        key = self._held.get(key_id)
        if key is None:
            key = self._held[key_id] = self._keys.opening(key_id)
        return key


def _decode_one(metadata: Mapping[str, bytes], data: bytes, opener: _Opener) -> Outcome:
    try:
        return _peel(metadata, data, opener)
    except PayloadError as error:
        return error


def _peel(metadata: Mapping[str, bytes], data: bytes, opener: _Opener) -> Opened | None:
    opened = None
    for _ in range(MAX_LAYERS):
        if not is_encoded(metadata):
            return opened
        serialized = opener.open(metadata, data)
        opened = Opened(serialized, recognise(serialized))
        if opened.known:
            return opened
        inner = parse(serialized)
        metadata, data = inner.metadata, inner.data
    if is_encoded(metadata):
        raise PayloadError(Reason.TOO_MANY_LAYERS)
    return opened


def is_encoded(metadata: Mapping[str, bytes]) -> bool:
    """Whether a payload with this metadata has an encoding that `decode` takes off."""
    encoding = metadata.get(ENCODING)
    if encoding == encryption.ENCRYPTED:
        return encryption.is_ours(metadata)
    return encoding in compression.ENCODINGS
