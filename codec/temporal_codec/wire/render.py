"""JSON of responses: ``{"payloads": [...]}`` in the proto3 form that Temporal's clients read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec
from pybase64 import b64encode

from temporal_codec import encryption
from temporal_codec.common import COMMON
from temporal_codec.keys.key import Key
from temporal_codec.payload import COPY_BELOW, HasContent, Received
from temporal_codec.pipeline import Opened
from temporal_codec.protobuf import PayloadMessage, parse

Pieces = tuple[bytes, ...]
"""A payload's JSON. Its pieces stay apart until the answer is made: each join copies megabytes."""


def write(payloads: Iterable[Pieces]) -> bytes:
    """An answer's body."""
    return b"".join(assemble(payloads))


def assemble(payloads: Iterable[Pieces]) -> list[bytes]:
    """An answer's body, in pieces."""
    pieces = [b'{"payloads":[']
    for payload in payloads:
        pieces += payload
        pieces.append(b",")
    if len(pieces) > 1:
        pieces.pop()
    pieces.append(b"]}")
    return pieces


def render(payload: HasContent, sizes: Iterable[int] = ()) -> Pieces:
    """One payload's JSON; fields at their default are left out, as protojson does."""
    pieces: list[bytes] = []
    if payload.metadata:
        pieces += (b",", b'"metadata":', _render_metadata(payload.metadata))
    if payload.data:
        pieces += (b",", b'"data":"', b64encode(payload.data), b'"')
    if sizes:
        pieces += (b",", _render_sizes(sizes))
    return (b"{", *pieces[1:], b"}")


def render_received(payload: Received) -> Pieces:
    """A payload's JSON, to be returned unchanged."""
    return render(payload, payload.sizes)


def render_opened(opened: Opened) -> Pieces:
    """An opened payload's JSON."""
    serialized, recognized = opened.serialized, opened.common
    if recognized is None:
        return _render_message(parse(serialized))
    common, start = recognized
    size = len(serialized)
    if start == size:
        return _COMMON_EMPTY[common]
    # A copy of large data would be a request's peak of memory.
    data = serialized[start:] if size < COPY_BELOW else memoryview(serialized)[start:]
    return _COMMON_OPEN[common], b64encode(data), b'"}'


def sealed_renderer(key: Key) -> Callable[[bytes, Sequence[int]], Pieces]:
    """A function that writes the JSON of payloads sealed with this key, from data and sizes."""
    before = _before_sealed(key.id, key.brought)

    def render_sealed(data: bytes, sizes: Sequence[int]) -> Pieces:
        if sizes:
            return before, b64encode(data), b'",', _render_sizes(sizes), b"}"
        return before, b64encode(data), b'"}'

    return render_sealed


@lru_cache(maxsize=64)  # made again it takes as long as sealing two small payloads
def _before_sealed(key_id: str, brought: tuple[tuple[str, bytes], ...]) -> bytes:
    return _before_data(encryption.metadata_of(key_id, brought))


def _render_message(message: PayloadMessage) -> Pieces:
    return render(message, [external.size_bytes for external in message.external_payloads])


def _render_metadata(metadata: Mapping[str, bytes]) -> bytes:
    # In the order of names: a protobuf map has none of its own.
    members = (
        b'%b:"%b"' % (msgspec.json.encode(name), b64encode(metadata[name]))
        for name in sorted(metadata)
    )
    return b"{%b}" % b",".join(members)


def _render_sizes(sizes: Iterable[int]) -> bytes:
    external = b",".join(b'{"sizeBytes":"%d"}' % size if size else b"{}" for size in sizes)
    return b'"externalPayloads":[%b]' % external


def _before_data(metadata: Mapping[str, bytes]) -> bytes:
    return b'{"metadata":%b,"data":"' % _render_metadata(metadata)


_COMMON_OPEN = {each: _before_data(each.metadata) for each in COMMON}
_COMMON_EMPTY = {
    common: (b'{"metadata":%b}' % _render_metadata(common.metadata),) for common in COMMON
}
