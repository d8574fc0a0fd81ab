"""Bodies within every limit that ask for as much work as their bytes can (rule D1).

Each is made by a name and a number alone, so that a slow one is remembered by these.
"""

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from temporal_codec.encryption import sealed_metadata
from temporal_codec.envelope import MARK, MESSAGE_TYPE
from temporal_codec.keys.keyring import development_ring
from temporal_codec.pipeline import encode
from temporal_codec.protobuf import serialize, varint
from tests.codec.rings import SINCE

KEY = development_ring().sealing(SINCE)
ROOM = 4_400_000  # below the largest body
Metadata = dict[str, bytes]
Inner = tuple[Metadata, bytes]
NEXUS = {
    "encoding": b"binary/protobuf",
    MARK: b"true",
    MESSAGE_TYPE: b"temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionRequest",
}
FIELDS = (b"\x1a\x00", b"\x12\x00", b"\x20\x01", b"\x0a\x06\x0a\x01a\x12\x01b", b"\x25aaaa")
FOREIGN: tuple[Metadata, ...] = (
    {"encoding": b"binary/encrypted", "encryption-dek": b"x" * 64},
    {"encoding": b"binary/encrypted", "encrypted-data-key": b"x" * 64},
    {"encoding": b"awsencryptionsdk/binary/encrypted"},
    {"encoding": b"binary/lz4"},
)


def wrapped(dice: random.Random, inner: Inner) -> Inner:
    """A payload with one more encoding around it."""
    serialized = serialize(*inner)
    kind = dice.choice(["zlib", "gzip", "members", "members", "sealed", "envelope"])
    if kind == "zlib":
        return {"encoding": b"binary/zlib"}, zlib.compress(serialized)
    if kind == "gzip":
        return {"encoding": b"binary/gzip"}, gzip.compress(serialized)
    if kind == "members":
        empty = gzip.compress(b"") * dice.choice([1, 98, 99, 100])
        return {"encoding": b"binary/gzip"}, empty + gzip.compress(serialized)
    if kind == "sealed":
        return sealed_metadata(KEY), encode([serialized], KEY)[0]
    fields = [b"\x0a" + varint(len(serialized)) + serialized] * dice.choice([1, 2, 40])
    payloads = b"".join(fields)
    return NEXUS, b"\x2a" + varint(len(payloads)) + payloads


def core(dice: random.Random) -> Inner:
    """What lies inside: plain, long, of many fields, foreign, or of an odd key."""
    match dice.randrange(6):
        case 0:
            return {"encoding": b"json/plain"}, b'"' * dice.choice([1, 1000, 3_000_000])
        case 1:
            return {"encoding": b"json/plain"}, dice.choice(FIELDS) * dice.choice([10, 700_000])
        case 2:
            return {f"n{n}": b"" for n in range(dice.choice([1, 900, 30_000]))}, b""
        case 3:
            return dice.choice(FOREIGN), dice.randbytes(40)
        case 4:
            key_id = dice.choice(["é" * 100, "\0", "a/b c", "", "x" * 4000]).encode()
            return {"encoding": b"binary/encrypted", "encryption-key-id": key_id}, b"x" * 40
        case _:
            return {}, dice.choice(FIELDS) * 1000


def decoded(dice: random.Random) -> bytes:
    """Many payloads in several layers."""
    inner = core(dice)
    for _ in range(dice.randint(1, 5)):
        inner = wrapped(dice, inner)
    metadata, data = inner
    members: dict[str, Any] = {
        "metadata": {name: _text(value) for name, value in metadata.items()},
        "data": _text(data),
    }
    if dice.random() < 0.2:
        members["externalPayloads"] = [{"sizeBytes": "1"}] * 20
    one = json.dumps(members, separators=(",", ":")).encode()
    return _repeated(one, dice.choice([1, 40, 1000]))


def written(dice: random.Random) -> bytes:
    """JSON that is slow to read: many members, escapes, long names, deep values."""
    count = dice.choice([10, 1000, 100_000, 300_000])
    escaped = "\\u0041" * dice.choice([4, 4000, 700_000])
    one = dice.choice(
        [
            '{"metadata":{' + ",".join(f'"n{n}":""' for n in range(count)) + "}}",
            '{"externalPayloads":[' + ",".join(["{}"] * count) + "]}",
            '{"data":"' + escaped + '"}',
            '{"metadata":{"' + escaped + '":""}}',
            '{"a":' + "[" * count + "]" * count + "}",
            '{"x":[' + ",".join(["1e9"] * count) + "]}",
            '{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"' + "Ig==" * 1_000_000 + '"}',
            '{"metadata":{"a":"","a":""}}',
        ]
    ).encode()
    return _repeated(one, dice.choice([1, 2, 1000]))


KINDS: dict[str, Callable[[random.Random], bytes]] = {"decoded": decoded, "written": written}


def costly(name: str) -> bytes:
    """The body of this name, such as `decoded-7`."""
    kind, _, number = name.rpartition("-")
    return KINDS[kind](random.Random(int(number)))


def names(count: int) -> Iterator[str]:
    """As many names, of each kind in turn."""
    for number in range(count):
        yield f"{list(KINDS)[number % len(KINDS)]}-{number // len(KINDS)}"


def _repeated(one: bytes, times: int) -> bytes:
    fitting = max(1, min(times, ROOM // (len(one) + 1)))
    return b'{"payloads":[' + b",".join([one] * fitting) + b"]}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
