"""The proto3 JSON of Temporal's remote codecs: ``{"payloads": [...]}`` to payloads and back.

There are two ways of reading it.
The quick one, here, takes a request as every known client writes it, and gives up on anything else.
The complete one, `codec.strict`, then decides, and finds the words for what is wrong.
"""

import math
import re
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

# Everything between two payloads' data is matched as JSON; data itself are searched for their
# quote, which no base64 contains: a parser that looks at each byte of them takes longer than
# all the rest. What stands between is mostly the same each time, and then only compared.
_SPACE = rb"[ \t\n\r]*"


def _pattern(tokens: bytes) -> re.Pattern[bytes]:
    return re.compile(tokens.replace(b" ", _SPACE))


_UP_TO_DATA = rb'\{ "metadata" : (\{[^{}]{0,1000}\}) , "data" : "'
_FIRST = _pattern(rb' \{ "payloads" : \[ ' + _UP_TO_DATA)
_NEXT = _pattern(rb'" \} , ' + _UP_TO_DATA)
_END = _pattern(rb'" \} \] \} ')
_METADATA_DECODER = msgspec.json.Decoder(dict[str, str])


def _read_quickly(body: bytes, most: float) -> list[Received] | None:
    received: list[Received] = []
    parsed: dict[bytes, Mapping[str, bytes]] = {}  # of this request alone: it may be plaintext
    at, whole, found = 0, memoryview(body), _FIRST.match(body)
    try:
        while found is not None and len(received) <= most:
            text, between = found[1], found[0]
            metadata = parsed.get(text) or parsed.setdefault(text, _metadata(text))
            start = found.end()
            while True:
                at = body.index(b'"', start)
                data = body[start:at] if at - start < _COPY_BELOW else whole[start:at]
                received.append(Received(metadata, b64decode(data, None, True)))
                if not body.startswith(between, at):
                    break
                start = at + len(between)
            found = _NEXT.match(body, at)
    except (ValueError, RecursionError):  # of msgspec, of base64, of UTF-8: all are ValueErrors
        return None
    # None at all, or too many, are for the complete way.
    return received if 0 < len(received) <= most and _END.fullmatch(body, at) else None


def _metadata(text: bytes) -> Mapping[str, bytes]:
    members = _METADATA_DECODER.decode(text)
    # Of two members with one name the decoder keeps the last, and says nothing. There is one
    # colon for each; one in a name looks like a member too many, which does no harm.
    if text.count(b":") != len(members):
        raise ValueError
    return {name: b64decode(value, None, True) for name, value in members.items()}


# --- writing ---------------------------------------------------------------------------------


Pieces = tuple[bytes, ...]
"""A payload's JSON. Its pieces stay apart until the answer is made: each join copies megabytes."""


def write(payloads: Iterable[Pieces]) -> bytes:
    """An answer's body."""
    return b"".join(assemble(payloads))


def assemble(payloads: Iterable[Pieces]) -> list[bytes]:
    """An answer's body, in pieces."""
    pieces: list[bytes] = []
    for payload in payloads:
        pieces.append(b",")
        pieces += payload
    pieces[:1] = [b'{"payloads":[']  # in the place of the first comma
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
    """A payload's JSON, to go back as it came."""
    return render(payload, payload.sizes)


def render_opened(opened: Opened) -> Pieces:
    """An opened payload's JSON."""
    serialized, recognised = opened.serialized, opened.known
    if recognised is None:
        return _render_message(parse(serialized))
    known, start = recognised
    size = len(serialized)
    if start == size:
        return _KNOWN_EMPTY[known]
    # A copy of what is large would be the most that a request holds at one time.
    data = serialized[start:] if size < _COPY_BELOW else memoryview(serialized)[start:]
    return _KNOWN_OPEN[known], b64encode(data), b'"}'


def sealed_renderer(key: Key) -> Callable[[bytes, Sequence[int]], Pieces]:
    """What writes the JSON of payloads sealed with this key, from their data and sizes."""
    before = _before_sealed(key.id)

    def render_sealed(data: bytes, sizes: Sequence[int]) -> Pieces:
        if sizes:
            return before, b64encode(data), b'",', _render_sizes(sizes), b"}"
        return before, b64encode(data), b'"}'

    return render_sealed


@lru_cache(maxsize=64)  # made anew it takes as long as sealing two small payloads
def _before_sealed(key_id: str) -> bytes:
    return _before_data(encryption.metadata_of(key_id))


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


_KNOWN_OPEN = {known: _before_data(known.metadata) for known in KNOWN}
_KNOWN_EMPTY = {known: (b'{"metadata":%b}' % _render_metadata(known.metadata),) for known in KNOWN}
