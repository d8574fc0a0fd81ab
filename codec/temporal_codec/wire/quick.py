"""The quick reader of requests, for the form that every known client writes.

It gives up on anything else. The complete one, `temporal_codec.wire.strict`, then decides, and
finds the words for what is wrong.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec
from pybase64 import b64decode, b64encode

from temporal_codec.common import COMMON
from temporal_codec.encryption import ENCRYPTED
from temporal_codec.payload import COPY_BELOW, Received
from temporal_codec.wire import strict

MAX_PAYLOADS = 1000


def read(body: bytes, most: float = math.inf) -> list[Received]:
    """Read a request's body; raises WireError, whose message names the payload and the field.

    More than `most` payloads are TooManyPayloads, reported before any of them is read.
    """
    received = _read_quickly(body, most)
    return strict.read(body, most) if received is None else received


# Everything between two payloads' data is matched as JSON; data itself are searched for their
# quote, which no base64 contains: a parser that looks at each byte of them takes longer than
# all the rest. What stands between is mostly the same each time, and then only compared.
_SPACE = rb"[ \t\n\r]*+"


def _pattern(tokens: bytes) -> re.Pattern[bytes]:
    return re.compile(tokens.replace(b" ", _SPACE))


_UP_TO_DATA = rb'\{ "metadata" : (\{[^{}]{0,1000}+\}) , "data" : "'
_FIRST = _pattern(rb' \{ "payloads" : \[ ' + _UP_TO_DATA)
_NEXT = _pattern(rb'" \} , ' + _UP_TO_DATA)
_END = _pattern(rb'" \} \] \} ')
_SEALED = b'{"encoding":"%b"' % b64encode(ENCRYPTED)
_COMMON: dict[bytes, Mapping[str, bytes]] = {
    msgspec.json.encode(each.metadata): each.metadata for each in COMMON
}
_METADATA_DECODER = msgspec.json.Decoder(dict[str, str])


def _read_quickly(body: bytes, most: float) -> list[Received] | None:
    received: list[Received] = []
    parsed = _COMMON.copy()  # of this request alone: it may be plaintext
    whole, found = memoryview(body), _FIRST.match(body)
    try:
        while found is not None and len(received) <= most:
            text, between = found[1], found[0]
            metadata = parsed.get(text)
            if metadata is None:
                read_metadata = _sealed_metadata if text.startswith(_SEALED) else _metadata
                metadata = parsed[text] = read_metadata(text)
            start = found.end()
            while True:
                at = body.index(b'"', start)
                data = body[start:at] if at - start < COPY_BELOW else whole[start:at]
                received.append(Received(metadata, b64decode(data, None, True)))
                if not body.startswith(between, at):
                    break
                start = at + len(between)
            if _END.fullmatch(body, at):
                break
            found = _NEXT.match(body, at)
    except (ValueError, RecursionError):  # of msgspec, of base64, of UTF-8: all are ValueErrors
        return None
    # The complete reader handles requests without payloads, or with too many.
    return received if found is not None and len(received) <= most else None


@lru_cache(maxsize=256)
def _sealed_metadata(text: bytes) -> Mapping[str, bytes]:
    # That of sealed payloads stays the same from request to request, and shows no plaintext.
    return _metadata(text)


def _metadata(text: bytes) -> Mapping[str, bytes]:
    members = _METADATA_DECODER.decode(text)
    # If two members have one name, the decoder keeps the last without an error. There is one
    # colon for each; one in a name looks like a member too many, which does no harm.
    if text.count(b":") != len(members):
        raise ValueError
    return {name: b64decode(value, None, True) for name, value in members.items()}
