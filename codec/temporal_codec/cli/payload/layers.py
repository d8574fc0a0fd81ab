"""Decodes a payload of any size in a file, one encoding after another, in pieces.

Memory stays small whatever the file holds. AES-GCM verifies at the last byte: until then nobody
else reads what is decrypted.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from temporal_codec.allowance import MAX_FIELDS, Allowance
from temporal_codec.cli.progress import track_bytes
from temporal_codec.cli.scratch import scratch
from temporal_codec.compression import ENCODINGS
from temporal_codec.encryption import ENCRYPTED, NONCE_BYTES, PROXY, TAG_BYTES, foreign_format
from temporal_codec.errors import PayloadError, Reason
from temporal_codec.keys.key import Key
from temporal_codec.keys.keys import Keys
from temporal_codec.payload import ENCODING
from temporal_codec.pipeline import MAX_LAYERS, key_finder
from temporal_codec.protobuf import parse

MAX_BYTES = 5 * 2**30  # what one PutObject stores
# A snappy block can only be opened as a whole.
_MAX_SNAPPY_BYTES = 128 * 2**20
_MAX_METADATA_BYTES = 2**20
_PIECE_BYTES = 65_536
_DATA = 2
_WINDOWS = {b"binary/zlib": zlib.MAX_WBITS, b"binary/gzip": zlib.MAX_WBITS | 16}


class Layer(NamedTuple):
    """A serialized payload in a file: what its data is, and where."""

    path: Path
    metadata: Mapping[str, bytes]
    start: int
    size: int

    def pieces(self, skip: int = 0, leave: int = 0) -> Iterator[bytes]:
        """Its data in pieces, without the first `skip` and the last `leave` bytes."""
        left = self.size - skip - leave
        with self.path.open("rb") as file:
            file.seek(self.start + skip)
            while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
                yield piece
                left -= len(piece)

    def at(self, offset: int, size: int) -> bytes:
        """`size` bytes of its data."""
        with self.path.open("rb") as file:
            file.seek(self.start + offset)
            return file.read(size)


@contextmanager
def opened(stored: Path, keys: Keys) -> Iterator[Layer]:
    """The innermost layer of the payload in a file; the file is empty afterwards.

    Raises PayloadError if a layer cannot be decoded, KeyringUnavailable if a key is unreachable.
    """
    with ExitStack() as files:
        layer = read_layer(stored)
        for _ in range(MAX_LAYERS):
            if not _is_encoded(layer.metadata, keys):
                break
            file, path = files.enter_context(scratch(stored.with_name("payload")))
            for piece in track_bytes(_within(layer, keys), "Opening", layer.size):
                file.write(piece)
            file.close()
            os.truncate(layer.path, 0)  # so that no more than two are on the disk at once
            layer = read_layer(path)
        if _is_encoded(layer.metadata, keys):
            raise PayloadError(Reason.TOO_MANY_LAYERS)
        yield layer


def read_layer(path: Path) -> Layer:
    """Find the parts of a payload; only its data may be large. Raises PayloadError."""
    start = size = fields = 0
    rest = bytearray()
    end = path.stat().st_size
    with path.open("rb") as file:
        while (at := file.tell()) < end:
            tag = _varint(file)
            fields += 1
            if fields > MAX_FIELDS:
                raise PayloadError(Reason.TOO_MANY_FIELDS)
            if tag & 7 != 2:
                raise PayloadError(Reason.MALFORMED)  # every field of a payload has a length
            length = _varint(file)
            if length > end - file.tell():
                raise PayloadError(Reason.MALFORMED)
            if tag >> 3 == _DATA:
                start, size = file.tell(), length
                file.seek(length, os.SEEK_CUR)
                continue
            head = file.tell() - at
            if head + length + len(rest) > _MAX_METADATA_BYTES:
                raise PayloadError(Reason.MALFORMED)
            file.seek(at)
            rest += file.read(head + length)
    return Layer(path, dict(parse(bytes(rest)).metadata), start, size)


def _varint(file: IO[bytes]) -> int:
    number = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            break
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
    raise PayloadError(Reason.MALFORMED)


def _is_encoded(metadata: Mapping[str, bytes], keys: Keys) -> bool:
    if metadata.get(ENCODING) != ENCRYPTED:
        return metadata.get(ENCODING) in ENCODINGS
    foreign = foreign_format(metadata)
    return foreign is None or (foreign == PROXY and getattr(keys, "unwrapped", None) is not None)


def _within(layer: Layer, keys: Keys) -> Iterator[bytes]:
    encoding = layer.metadata[ENCODING]
    if encoding == ENCRYPTED:
        return _decrypted(layer, _key(layer, keys))
    opener: Callable[[Layer], Iterator[bytes]] = _inflated if encoding in _WINDOWS else _unsnapped
    return opener(layer)


def _key(layer: Layer, keys: Keys) -> Key:
    if layer.size < NONCE_BYTES + TAG_BYTES:
        raise PayloadError(Reason.TOO_SHORT)
    return key_finder(keys)(layer.metadata)


def _decrypted(layer: Layer, key: Key) -> Iterator[bytes]:
    nonce = layer.at(0, NONCE_BYTES)
    tag = layer.at(layer.size - TAG_BYTES, TAG_BYTES)
    stream = Cipher(algorithms.AES(key.secret), modes.GCM(nonce, tag)).decryptor()
    for piece in layer.pieces(NONCE_BYTES, TAG_BYTES):
        yield stream.update(piece)
    try:
        stream.finalize()
    except InvalidTag:
        raise PayloadError(Reason.AUTHENTICATION) from None


def _inflated(layer: Layer) -> Iterator[bytes]:
    window = _WINDOWS[layer.metadata[ENCODING]]
    stream = zlib.decompressobj(window)
    size = 0
    for compressed in layer.pieces():
        left = compressed
        while left:
            if stream.eof and window == zlib.MAX_WBITS:
                raise PayloadError(Reason.COMPRESSION)
            if stream.eof:  # gzip members that follow each other are one stream (RFC 1952)
                stream = zlib.decompressobj(window)
            try:
                piece = stream.decompress(left, _PIECE_BYTES)
            except zlib.error:
                raise PayloadError(Reason.COMPRESSION) from None
            size += len(piece)
            if size > MAX_BYTES:
                raise PayloadError(Reason.TOO_LARGE)
            yield piece
            left = stream.unused_data if stream.eof else stream.unconsumed_tail
    if not stream.eof:
        raise PayloadError(Reason.COMPRESSION)


def _unsnapped(layer: Layer) -> Iterator[bytes]:
    if layer.size > _MAX_SNAPPY_BYTES:
        raise PayloadError(Reason.TOO_LARGE)
    yield ENCODINGS[layer.metadata[ENCODING]](
        layer.at(0, layer.size), _MAX_SNAPPY_BYTES, Allowance()
    )
