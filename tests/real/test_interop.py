"""Other languages' SDKs: what one seals the other opens, in both directions.

The programs under tests/interop know nothing of this project's codec. They use each SDK's own
interface for codecs, messages and JSON.
"""

import asyncio
import json
import random
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from temporal_codec.keys.keys import RingKeys
from temporal_codec.keys.sources import development_ring
from temporal_codec.temporal import EncryptionCodec
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.interop import LANGUAGES, convert, go_starter, go_worker
from tests.rigs.temporal import DevServer, dev_server

Content = tuple[dict[str, bytes], bytes]

CHOSEN: list[Content] = [
    ({}, b""),
    ({"encoding": b"binary/null"}, b""),
    ({"encoding": b"json/plain"}, b'"a string"'),
    ({"encoding": b"json/plain"}, '"naïve \U0001f511 \u2028 \\ud800"'.encode()),
    ({"encoding": b"binary/plain"}, bytes(range(256))),
    ({"encoding": b"json/protobuf", "messageType": b"temporal.api.common.v1.Payload"}, b"{}"),
    ({"encoding": b"binary/protobuf", "messageType": b"x.Y"}, b"\x0a\x00\x12\x00"),
    ({"schlüssel \U0001f5dd": "größe ≠ 0".encode(), "empty": b"", "": b"no name"}, b"x"),
    ({"encoding": b"binary/plain", "random": b"\xff\xfe\x00"}, b"\x00" * 300_000),
]


def _chance(source: random.Random) -> Content:
    names = ("encoding", "k", "ключ", '"\\\n', "x" * 200)
    values = (b"json/plain", b"binary/plain", b"binary/own", source.randbytes(20))
    chosen = source.sample(names, source.randrange(len(names)))
    return {name: source.choice(values) for name in chosen}, source.randbytes(
        source.choice((0, 1, 12, 28, 127, 128, 16_383, 16_384))
    )


_SEEDED = random.Random(20261123)
PAYLOADS = CHOSEN + [_chance(_SEEDED) for _ in range(100)]


def _written(payloads: list[Content]) -> str:
    return json.dumps(
        {
            "payloads": [
                {
                    "metadata": {k: b64encode(v).decode() for k, v in metadata.items()},
                    "data": b64encode(data).decode(),
                }
                for metadata, data in payloads
            ]
        }
    )


def _read(text: str) -> list[Content]:
    return [
        (
            {k: b64decode(v, validate=True) for k, v in each.get("metadata", {}).items()},
            b64decode(each.get("data", ""), validate=True),
        )
        for each in json.loads(text)["payloads"]
    ]


@pytest.fixture(scope="module")
def codec() -> Iterator[CodecServer]:
    with codec_server() as server:
        yield server


@pytest.fixture(params=[pytest.param(n, marks=pytest.mark.real(n)) for n in LANGUAGES])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_they_seal_opens_here(language: str, codec: CodecServer) -> None:
    sealed = convert(language, "encode", _written(PAYLOADS))
    assert {each[0]["encoding"] for each in _read(sealed)} == {b"binary/encrypted"}
    answer = codec.post("/decode", sealed)
    assert answer.headers["x-codec-undecoded"] == "0"
    assert _read(answer.text) == PAYLOADS


def test_what_is_sealed_here_opens_there(language: str, codec: CodecServer) -> None:
    answer = codec.post("/encode", _written(PAYLOADS))
    assert {each[0]["encoding"] for each in _read(answer.text)} == {b"binary/encrypted"}
    assert _read(convert(language, "decode", answer.text)) == PAYLOADS


def test_what_was_never_sealed_stays_as_it_is_there(language: str) -> None:
    """The programs are fair: they don't open what they were not told to."""
    assert _read(convert(language, "decode", _written(CHOSEN))) == CHOSEN


def test_a_changed_byte_opens_nowhere(language: str, codec: CodecServer) -> None:
    """Both authenticate: agreeing on bytes that nobody checks would prove little."""
    ((metadata, data),) = _read(convert(language, "encode", _written(CHOSEN[2:3])))
    changed = _written([(metadata, data[:-1] + bytes([data[-1] ^ 1]))])
    assert codec.post("/decode", changed).headers["x-codec-undecoded"] == "1"
    with pytest.raises(RuntimeError):
        convert(language, "decode", changed)


# --- a real worker ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def temporal() -> Iterator[DevServer]:
    with dev_server() as server:
        yield server


async def _client(server: DevServer) -> Client:
    codec = EncryptionCodec(RingKeys(development_ring()))
    converter = replace(DataConverter.default, payload_codec=codec)
    return await Client.connect(server.address, data_converter=converter)


def _encodings(server: DevServer, workflow_id: str) -> set[str]:
    history = json.loads(server.cli("workflow", "show", "-o", "json", "--workflow-id", workflow_id))
    return {b64decode(each["metadata"]["encoding"]).decode() for each in _payloads(history)}


def _payloads(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if "encoding" in (part.get("metadata") or {}):
            yield part
        for value in part.values():
            yield from _payloads(value)
    elif isinstance(part, list):
        for value in part:
            yield from _payloads(value)


@pytest.mark.real("Temporal")
@pytest.mark.real("go")
def test_a_go_worker_does_what_our_client_asks(temporal: DevServer) -> None:
    """Input, activity, signal and result go through both codecs; the history is ciphertext."""
    name = f"go-{uuid4()}"

    async def ask() -> str:
        client = await _client(temporal)
        handle = await client.start_workflow(
            "Greet", "Ana \U0001f511", id=name, task_queue=name, result_type=str
        )
        await handle.signal("note", "canary")
        return str(await handle.result())

    with go_worker(temporal, name):
        assert asyncio.run(asyncio.wait_for(ask(), 60)) == "go-result of Ana \U0001f511, canary"
    assert _encodings(temporal, name) == {"binary/encrypted"}


@activity.defn(name="compose")
async def compose(name: str) -> str:
    return f"python-result of {name}"


@workflow.defn(name="Greet")
class Greet:
    """What the Go worker's workflow is, without its signal."""

    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(
            compose, name, start_to_close_timeout=timedelta(seconds=30)
        )


@pytest.mark.real("Temporal")
@pytest.mark.real("go")
def test_our_worker_does_what_a_go_client_asks(temporal: DevServer) -> None:
    queue = f"python-{uuid4()}"

    async def work() -> tuple[str, str]:
        client = await _client(temporal)
        worker = Worker(
            client,
            task_queue=queue,
            workflows=[Greet],
            activities=[compose],
            # The sandbox would import this file, and pytest with it, once more.
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            starter = go_starter(temporal, queue, "Ana \U0001f511")
            return await asyncio.to_thread(starter.communicate, None, 60)

    result, complaint = asyncio.run(work())
    assert result == "python-result of Ana \U0001f511", complaint
