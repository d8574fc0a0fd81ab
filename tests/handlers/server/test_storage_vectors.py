"""Every reference that the SDKs write, through the running server, against S3 over HTTP."""

import json
from base64 import b64decode
from collections.abc import Iterator

import pytest

from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.s3 import S3Gate, s3_gate
from tests.vectors_read import Vector, payloads, vectors

CASES = [each for each in vectors() if each.with_storage]
SETTINGS = {
    "CODEC_STORAGE_BUCKETS": "vec-go-open,vec-py-open",
    "CODEC_STORAGE_DRIVERS": "aws.s3driver,named-driver/open",
    "CODEC_STORAGE_SHARED": "true",
}


@pytest.fixture(scope="module")
def gate(moto: int) -> Iterator[S3Gate]:
    with s3_gate(moto) as running:
        yield running


@pytest.fixture(scope="module")
def server(gate: S3Gate) -> Iterator[CodecServer]:
    with codec_server({**SETTINGS, **gate.environment}) as running:
        yield running


@pytest.fixture(params=CASES, ids=[each.name for each in CASES])
def vector(request: pytest.FixtureRequest, gate: S3Gate) -> Iterator[Vector]:
    """A case with its objects in S3, and nothing else there."""
    case: Vector = request.param
    objects = case.case["storage"]["objects"]
    for each in objects:
        gate.put(each["bucket"], each["key"], b64decode(each["body"]))
    gate.asked.clear()
    yield case
    for each in objects:
        gate.delete(each["bucket"], each["key"])


def test_none_is_missing() -> None:
    assert len(CASES) == 19 + 10


def test_decode_resolves(vector: Vector, server: CodecServer, gate: S3Gate) -> None:
    """What cannot be resolved comes back as it was sent, and is counted."""
    reply = server.post("/decode", vector.body)
    assert reply.status_code == 200
    failed = "expect_error" in vector.case
    expected = vector.case["request" if failed else "expect"]
    assert payloads(reply.json()) == payloads(expected)
    assert reply.headers["x-codec-undecoded"] == str(int(failed))
    assert not [each for each in gate.asked if not each.startswith("GET /vec-")]


def test_decode_keeps_references_if_asked_to(
    vector: Vector, server: CodecServer, gate: S3Gate
) -> None:
    """As the Web UI asks; S3 hears nothing of it."""
    reply = server.post("/decode?preserveStorageRefs=true", vector.body)
    expected = vector.case.get("expect_preserve_refs", vector.case.get("expect"))
    assert payloads(reply.json()) == payloads(expected)
    assert gate.asked == []


def test_download(vector: Vector, server: CodecServer) -> None:
    """All of what is asked for, or a 400."""
    case = vector.case["download"]
    reply = server.post("/download?preserveStorageRefs=true", json.dumps(case["request"]))
    assert (reply.status_code == 400) == ("expect_error" in case), reply.text
    if "expect" in case:
        assert reply.status_code == 200
        assert payloads(reply.json()) == payloads(case["expect"])
