"""Requests that multiply: small bodies that would become much more (rule D1).

Memory is measured, and a body may take eight times the largest one; none is let through to find
out afterwards.
"""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from handlers.server.request import MAX_BODY_BYTES
from temporal_codec.encryption import sealed_metadata
from temporal_codec.keys.keyring import development_ring
from temporal_codec.pipeline import encode
from temporal_codec.protobuf import serialize
from tests.codec.rings import JSON, SINCE
from tests.handlers.calls import Reply, app, call
from tests.rigs.codec_server import codec_server
from tests.rigs.references import BUCKET, PREFIX, body, encoded, reference, stored
from tests.rigs.s3 import s3_gate

MOST_MEMORY = 8 * MAX_BODY_BYTES
KEY = development_ring().sealing(SINCE)
Json = dict[str, Any]


def compressed(serialized: bytes, encoding: str = "zlib") -> Json:
    """A payload as a codec that compresses leaves it."""
    data = gzip.compress(serialized) if encoding == "gzip" else zlib.compress(serialized)
    return payload({"encoding": b"binary/" + encoding.encode()}, data)


def payload(metadata: dict[str, bytes], data: bytes) -> Json:
    return {
        "metadata": {name: encoded(value) for name, value in metadata.items()},
        "data": encoded(data),
    }


def sealed(serialized: bytes) -> Json:
    (data,) = encode([serialized], KEY)
    return payload(sealed_metadata(KEY), data)


def nested(serialized: bytes, layers: int) -> Json:
    for _ in range(layers - 1):
        serialized = serialize({"encoding": b"binary/zlib"}, zlib.compress(serialized))
    return compressed(serialized)


EMPTY_SIZES = b"\x1a\x00"
ENTRY = b"\x0a\x06\x0a\x01a\x12\x01b"
FIELDS = {
    "sizes of outside payloads": EMPTY_SIZES * 1_900_000,
    "entries of metadata": ENTRY * 490_000,
    "empty data": b"\x12\x00" * 1_900_000,
    "unknown numbers": b"\x20\x01" * 1_900_000,
    "unknown fixed": b"\x25aaaa" * 790_000,
    "a tag in many bytes": b"\xa2\x80\x80\x80\x00\x00" * 600_000,
    "sizes behind a number that hides them": b"\x20\x80\x80\x01" + EMPTY_SIZES * 1_900_000,
}
WRAPPED: dict[str, Callable[[bytes], Json]] = {
    "zlib": compressed,
    "gzip": lambda serialized: compressed(serialized, "gzip"),
    "sealed zlib": lambda serialized: sealed(
        serialize({"encoding": b"binary/zlib"}, zlib.compress(serialized))
    ),
}


def measured(text: str) -> tuple[Reply, int]:
    """The answer, and the most memory that it took beside what was there before."""
    served, sent = app(), text.encode()
    call(served, body=json.dumps({"payloads": [sealed(serialize(JSON, b"1"))]}).encode())
    tracemalloc.start()
    try:
        reply = call(served, body=sent)
        return reply, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("fields", FIELDS)
def test_millions_of_fields_in_a_small_payload_are_refused(fields: str, wrapped: str) -> None:
    """84 KB once cost nine seconds; each field is counted before an object is made of it."""
    small = WRAPPED[wrapped](FIELDS[fields])
    good = sealed(serialize(JSON, b'"good"'))
    reply, memory = measured(body(small, good))
    assert reply.headers["x-codec-undecoded"] == "1"
    first, second = reply.json()["payloads"]
    assert first == small
    assert second["data"] == encoded(b'"good"')
    assert memory < MOST_MEMORY


def test_the_fields_of_a_whole_request_are_bounded() -> None:
    """A thousand payloads of a thousand fields each would be a million."""
    many = compressed(serialize({f"name-{n}": b"" for n in range(900)}, b""))
    reply, memory = measured(body(*[many] * 1000))
    assert reply.status == 200
    assert 900 < int(reply.headers["x-codec-undecoded"]) < 1000
    assert memory < MOST_MEMORY


def test_the_gzip_members_of_a_request_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """375 KB once inflated 300,000 streams, a hundred for each layer, and took a second."""
    serialized = serialize(JSON, b"1")
    for _ in range(3):
        data = gzip.compress(b"") * 99 + gzip.compress(serialized)
        serialized = serialize({"encoding": b"binary/gzip"}, data)
    made = []
    real = zlib.decompressobj

    def counted(window: int) -> Any:
        made.append(window)
        return real(window)

    monkeypatch.setattr("temporal_codec.compression.zlib.decompressobj", counted)
    reply = call(app(), body=body(*[compressed(serialized)] * 1000).encode())
    assert reply.status == 200
    assert 900 < int(reply.headers["x-codec-undecoded"]) < 1000
    assert len(made) < 25_000


def test_what_a_request_has_inflated_is_bounded_though_it_is_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """73 KB once took 1.3 s: layers that inflate to megabytes of blocks with nothing in them."""
    blocks = b"\x78\x9c" + b"\0\0\0\xff\xff" * 700_000 + b"\1\0\0\xff\xff\0\0\0\1"
    assert zlib.decompress(blocks) == b""
    read, real = [], zlib.decompressobj

    def counted(window: int) -> Any:
        stream = real(window)

        class Counted:
            eof, unused_data = property(lambda _: stream.eof), b""

            def decompress(self, data: bytes, most: int) -> bytes:
                read.append(len(data))
                return stream.decompress(data, most)

        return Counted()

    monkeypatch.setattr("temporal_codec.compression.zlib.decompressobj", counted)
    good = sealed(serialize(JSON, b'"good"'))
    many = [compressed(serialize({"encoding": b"binary/zlib"}, blocks))] * 4
    reply = call(app(), body=body(*many, good).encode())
    assert reply.json()["payloads"][-1]["data"] == encoded(b'"good"')
    assert 3_000_000 < sum(read) < 8_000_000


@pytest.mark.parametrize(
    "members",
    [
        {"metadata": {f"n{n}": "" for n in range(300_000)}},
        {"externalPayloads": [{}] * 300_000},
        {"metadata": {"n": ""}, "externalPayloads": [{"sizeBytes": "1"}] * 100_000},
        {"x": [[]] * 1_400_000},
        {"x": ["ab"] * 800_000},
    ],
    ids=["metadata", "sizes", "both", "lists", "texts"],
)
def test_the_members_of_a_request_are_bounded(members: Json) -> None:
    """A body has room for hundreds of thousands, and an empty list takes twenty times its bytes."""
    reply, memory = measured(json.dumps({"payloads": [members]}, separators=(",", ":")))
    assert reply.status == 400
    assert memory < MOST_MEMORY


@pytest.mark.parametrize(
    "payloads",
    [
        [compressed(serialize(JSON, b"1" * 3_900_000))] * 1000,
        [nested(serialize(JSON, b"1" * 3_900_000), 4)] * 1000,
        [compressed(serialize(JSON, b"1" * 100_000))] * 1000,
        [compressed(serialize({"encoding": b"x"}, b"1" * 3_900_000))] * 500,
    ],
    ids=["large", "nested", "small", "message"],
)
def test_what_inflates_beyond_an_answer_is_refused_in_time(payloads: list[Json]) -> None:
    reply, memory = measured(body(*payloads))
    assert reply.status == 413
    assert memory < MOST_MEMORY


def most_memory(pid: int) -> int:
    """Of a process, in bytes, since it started."""
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("path", ["/decode", "/download"])
def test_many_references_to_one_object_are_one_object(moto: int, path: str) -> None:
    """Four hundred of them, to 4 MB, once took 2.1 GB: above a function's memory."""
    with s3_gate(moto) as gate:
        serialized = stored(b"1" * 4_000_000)
        sha256 = gate.put(BUCKET, f"{PREFIX}x", serialized)
        gate.put(BUCKET, f"{PREFIX}{sha256}", serialized)
        settings = {"CODEC_STORAGE_BUCKETS": BUCKET, **gate.environment}
        with codec_server(settings) as server:
            one = reference(f"{PREFIX}{sha256}", sha256)
            assert server.post(path, body(one)).status_code == 200
            before = most_memory(server.running.process.pid)
            reply = server.post(path, body(*[one] * 400))
            assert reply.status_code == 413
            assert most_memory(server.running.process.pid) - before < MOST_MEMORY
