"""The proto3 JSON of Temporal's remote codecs: ``{"payloads": [...]}`` to payloads and back.

There are two ways of reading it.
The quick one, here, takes a request as every known client writes it, and gives up on anything else.
The complete one, `codec.strict`, then decides, and finds the words for what is wrong.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec
from pybase64 import b64decode, b64encode

from codec import encryption, strict
from codec.keyring import Key
from codec.payload import KNOWN, HasContent, PayloadMessage, Received, parse
from codec.pipeline import Opened

MAX_PAYLOADS = 1000
_COPY_BELOW = 4096  # slicing small bytes is cheaper than making a memoryview


def read(body: bytes, most: float = math.inf) -> list[Received]:
    """Read a request's body; raises WireError, whose message names the payload and the field.

    More than `most` payloads are TooManyPayloads, told before any of them is looked at.
    """
    received = _read_quickly(body, most)
    return strict.read(body, most) if received is None else received


# --- the quick way ---------------------------------------------------------------------------


class _Payload(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    metadata: msgspec.Raw = msgspec.Raw()
    data: str | None = None


class _Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    payloads: list[_Payload]


_DECODER = msgspec.json.Decoder(_Request)
_METADATA_DECODER = msgspec.json.Decoder(dict[str, str])


# What stands around the contents of a request, and of each payload that has both fields.
_AROUND_ALL = len('{"payloads":[]}') - len(",")
_AROUND_EACH = len('{"metadata":,"data":""},')


def _read_quickly(body: bytes, most: float) -> list[Received] | None:
    received = []
    # Payloads of one request have the same few metadata: each text is read once.
    known: dict[bytes, dict[str, bytes]] = {}
    size: float = _AROUND_ALL
    try:
        payloads = _DECODER.decode(body).payloads
        strict.check_number(payloads, most)
        for payload in payloads:
            text, data = bytes(payload.metadata), payload.data
            metadata = known.get(text)
            if metadata is None:
                metadata = known[text] = _metadata(text)
            if not data or not text:
                data = data or ""
                size = math.nan  # equals nothing
            size += _AROUND_EACH + len(text) + len(data)
            received.append(Received(metadata, b64decode(data, None, True)))
    except (ValueError, RecursionError):  # of msgspec, of base64, of UTF-8: all are ValueErrors
        return None
    # The parser keeps the last of two members with one name, and says nothing. A body that has
    # not a byte more than its contents need has no room for a second one. Else colons tell; to
    # count those of a large body takes as long as to decode it.
    return received if size == len(body) or _colons(payloads) == body.count(b":") else None


def _metadata(text: bytes) -> dict[str, bytes]:
    if not text:  # not there
        return {}
    members = _METADATA_DECODER.decode(text)
    # As above: one colon for each member. One in a name looks like one too many, which does no
    # harm: the complete way decides.
    if text.count(b":") != len(members):
        raise ValueError
    return {name: b64decode(value, None, True) for name, value in members.items()}


def _colons(payloads: Sequence[_Payload]) -> int:
    # One for each member that was kept.
    texts = [bytes(payload.metadata) for payload in payloads if len(payload.metadata)]
    members = sum(payload.data is not None for payload in payloads)
    return 1 + members + sum(1 + text.count(b":") for text in texts)


# --- writing ---------------------------------------------------------------------------------


def write(payloads: Iterable[bytes]) -> bytes:
    """Put rendered payloads into an answer's body."""
    return b'{"payloads":[%b]}' % b",".join(payloads)


def render(payload: HasContent, sizes: Iterable[int] = ()) -> bytes:
    """One payload's JSON; fields at their default are left out, as protojson does."""
    fields = []
    if payload.metadata:
        fields.append(b'"metadata":' + _render_metadata(payload.metadata))
    if payload.data:
        fields.append(b'"data":"%b"' % b64encode(payload.data))
    if sizes:
        fields.append(_render_sizes(sizes))
    return b"{%b}" % b",".join(fields)


def render_received(payload: Received) -> bytes:
    """A payload's JSON, to go back as it came."""
    return render(payload, payload.sizes)


def render_opened(opened: Opened) -> bytes:
    """An opened payload's JSON."""
    serialized, recognised = opened.serialized, opened.known
    if recognised is None:
        return _render_message(parse(serialized))
    known, start = recognised
    if start == len(serialized):
        return _KNOWN_EMPTY[known]
    # A copy of what is large would be the most that a request holds at one time.
    whole = memoryview(serialized) if len(serialized) > _COPY_BELOW else serialized
    return b'%b%b"}' % (_KNOWN_OPEN[known], b64encode(whole[start:]))


def sealed_renderer(key: Key) -> Callable[[bytes, Sequence[int]], bytes]:
    """What writes the JSON of payloads sealed with this key, from their data and sizes."""
    before = _before_sealed(key.id)

    def render_sealed(data: bytes, sizes: Sequence[int]) -> bytes:
        if sizes:
            return b'%b"%b",%b}' % (before, b64encode(data), _render_sizes(sizes))
        return b'%b"%b"}' % (before, b64encode(data))

    return render_sealed


@lru_cache(maxsize=64)  # made anew it takes as long as sealing two small payloads
def _before_sealed(key_id: str) -> bytes:
    return _before_data(encryption.metadata_of(key_id))


def _render_message(message: PayloadMessage) -> bytes:
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
    return b'{"metadata":%b,"data":' % _render_metadata(metadata)


_KNOWN_OPEN = {known: _before_data(known.metadata) + b'"' for known in KNOWN}
_KNOWN_EMPTY = {known: b'{"metadata":%b}' % _render_metadata(known.metadata) for known in KNOWN}
