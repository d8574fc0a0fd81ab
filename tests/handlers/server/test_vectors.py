"""Every payload of the official SDKs, through the running server, a ring for each case."""

from collections.abc import Iterator

import pytest

from temporal_codec.encryption import foreign_format
from tests.rigs.codec_server import CodecServer, codec_server
from tests.vectors_read import Vector, payloads, vectors


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodecServer]:
    rings = tmp_path_factory.mktemp("rings")
    for vector in vectors():
        (rings / f"{vector.name}.json").write_bytes(vector.ring)
    with codec_server({"CODEC_KEYRING": f"file:{rings}/{{namespace}}.json"}) as running:
        yield running


def named(chosen: Iterator[Vector]) -> pytest.MarkDecorator:
    cases = list(chosen)
    return pytest.mark.parametrize("vector", cases, ids=[each.name for each in cases])


def test_none_is_missing() -> None:
    """233 cases of the SDKs' own code, and six of ours for what these leave open."""
    assert len(vectors()) == 233 + 6


@named(v for v in vectors() if not v.encodes and not v.malformed and v.says_how_to_decode)
def test_decodes(vector: Vector, server: CodecServer) -> None:
    """What the case says; with references kept, as the Web UI asks for it."""
    query = "?preserveStorageRefs=true" if vector.with_storage else ""
    reply = server.post(f"/decode{query}", vector.body, namespace=vector.name)
    assert reply.status_code == 200
    assert payloads(reply.json()) == payloads(vector.expected)
    bad = len(vector.case.get("bad_indexes", [0])) if "expect_error" in vector.case else 0
    bad += sum(1 for each in payloads(vector.expected).payloads if foreign_format(each.metadata))
    if not vector.with_storage:
        assert reply.headers["x-codec-undecoded"] == str(bad)


@named(v for v in vectors() if v.malformed)
def test_refuses_malformed_requests(vector: Vector, server: CodecServer) -> None:
    reply = server.post("/decode", vector.body, namespace=vector.name)
    assert reply.status_code == 400
    assert reply.json()["detail"] == vector.case.get("detail", reply.json()["detail"])


@named(v for v in vectors() if v.encodes)
def test_encodes(vector: Vector, server: CodecServer) -> None:
    """`expect` is what decoding the answer must give."""
    encoded = server.post(vector.case["path"], vector.body, namespace=vector.name)
    assert encoded.status_code == 200
    sealed = payloads(encoded.json()).payloads
    assert {each.metadata["encoding"] for each in sealed} == {b"binary/encrypted"}
    decoded = server.post("/decode", encoded.content, namespace=vector.name)
    assert payloads(decoded.json()) == payloads(vector.expected)


@named(v for v in vectors() if v.with_storage)
def test_references_stay_without_storage(vector: Vector, server: CodecServer) -> None:
    """No bucket is configured: references come back as sent, and there is no /download."""
    with_refs = server.post("/decode?preserveStorageRefs=true", vector.body, namespace=vector.name)
    without = server.post("/decode", vector.body, namespace=vector.name)
    assert without.json() == with_refs.json()
    assert server.post("/download", vector.body, namespace=vector.name).status_code == 404
