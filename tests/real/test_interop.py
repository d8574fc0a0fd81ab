"""Every language reads the ring: what one encrypts every other decrypts, in trouble too.

The readers are those of `examples`, on each language's official SDK. Their keys come from a Secrets
Manager that a test makes fail; `python` is the codec of the plugin.
"""

import asyncio
import json
import random
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from temporal_codec import Keyring
from temporal_codec.keys.key import Key
from temporal_codec.keys.secrets_manager import CURRENT
from temporal_codec.plugin import EncryptionPlugin
from tests.rigs.codec_server import codec_server
from tests.rigs.history import payloads_of
from tests.rigs.interop import LANGUAGES, Json, Reader, reader, ring_starter, ring_worker
from tests.rigs.secrets_manager import Gate, client, environment, gate, new_secret
from tests.rigs.temporal import DevServer, dev_server
from tests.rigs.waiting import eventually

Content = tuple[dict[str, bytes], bytes]
EVERY = ("python", *LANGUAGES)

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


def _written(payloads: list[Content]) -> Json:
    return {
        "payloads": [
            {
                "metadata": {k: b64encode(v).decode() for k, v in metadata.items()},
                "data": b64encode(data).decode(),
            }
            for metadata, data in payloads
        ]
    }


def _read(answer: Json) -> list[Content]:
    assert "fault" not in answer, answer
    return [
        (
            {k: b64decode(v, validate=True) for k, v in each.get("metadata", {}).items()},
            b64decode(each.get("data", ""), validate=True),
        )
        for each in answer["payloads"]
    ]


def _key_ids(answer: Json) -> set[bytes]:
    return {metadata["encryption-key-id"] for metadata, _ in _read(answer)}


def _key(number: int, hours: float = -1, **more: Any) -> Key:
    activation = datetime.now(UTC) + timedelta(hours=hours)
    return Key(f"key-{number}", bytes([number]) * 32, activation, **more)


HELLO = _written(CHOSEN[2:3])


@pytest.fixture(params=[pytest.param(n, marks=pytest.mark.real(n)) for n in LANGUAGES])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["python", *(pytest.param(n, marks=pytest.mark.real(n)) for n in LANGUAGES)])
def every(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(
    params=["python", "ruby", *(pytest.param(n, marks=pytest.mark.real(n)) for n in LANGUAGES)]
)
def of_a_file(request: pytest.FixtureRequest) -> str:
    """Ruby's reader, too, which has no AWS SDK here."""
    return str(request.param)


Open = Callable[..., Reader]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens readers, and closes them when the test ends."""
    with ExitStack() as stack:
        yield lambda *given, **more: stack.enter_context(reader(*given, **more))


# --- seal and open ---------------------------------------------------------------------------

RING = Keyring(
    [
        _key(1, -2),
        _key(2, -1, derives=True),
        _key(3, -0.5, disabled=True),
        _key(4, 1),
    ]
)


@pytest.fixture
def ring(tmp_path: Path) -> str:
    """A ring whose active key derives, beside one that is disabled and one of the future."""
    document = json.loads(RING.to_json())
    document |= {"note": "unknown members are ignored"}
    document["keys"][0]["label"] = {"unknown": [1]}
    (tmp_path / "ring.json").write_text(json.dumps(document))
    return f"file:{tmp_path}/ring.json"


@pytest.mark.real("go")
@pytest.mark.real("typescript")
@pytest.mark.real("java")
def test_what_each_seals_every_other_opens(ring: str, opened: Open) -> None:
    """The matrix, our server's both directions included; the active key is the derived one."""
    readers = {name: opened(name, ring, "orders") for name in EVERY}
    if shutil.which("ruby"):
        readers["ruby"] = opened("ruby", ring, "orders")
    with codec_server({"CODEC_KEYRING": ring}) as server:
        sealed = {name: each.encode(_written(PAYLOADS)) for name, each in readers.items()}
        body = json.dumps(_written(PAYLOADS))
        sealed["server"] = server.post("/encode", body, namespace="orders").json()
        for sealer, answer in sealed.items():
            assert _key_ids(answer) == {b"key-2"}, sealer
            for opener, each in readers.items():
                assert _read(each.decode(answer)) == PAYLOADS, f"{sealer} to {opener}"
            back = server.post("/decode", json.dumps(answer), namespace="orders")
            assert back.headers["x-codec-undecoded"] == "0", sealer
            assert _read(back.json()) == PAYLOADS, sealer


def test_what_the_plugin_compresses_opens_everywhere(
    ring: str, of_a_file: str, opened: Open
) -> None:
    """`compress=True` puts a compressed payload into the encrypted one."""
    with codec_server({"CODEC_KEYRING": ring, "CODEC_COMPRESSION": "zlib"}) as server:
        answer = server.post("/encode", json.dumps(_written(PAYLOADS)), namespace="orders").json()
    assert _read(opened(of_a_file, ring, "orders").decode(answer)) == PAYLOADS


def test_a_derived_key_is_one_namespaces_own(ring: str, every: str, opened: Open) -> None:
    """What one namespace's worker seals no other namespace's opens, with the same ring."""
    sealed = opened(every, ring, "orders").encode(HELLO)
    for name in EVERY:
        if name in ("python", every):
            assert opened(name, ring, "billing").decode(sealed)["fault"] == "permanent"


def test_what_was_never_sealed_stays_as_it_is(ring: str, every: str, opened: Open) -> None:
    assert _read(opened(every, ring).decode(_written(CHOSEN))) == CHOSEN


@pytest.mark.parametrize("fault", ["changed", "short", "unknown-key", "disabled-key"])
def test_what_can_never_be_opened_is_permanent(
    fault: str, ring: str, of_a_file: str, opened: Open
) -> None:
    """Nothing is guessed: a changed byte, an unknown id and a disabled key are errors."""
    one = opened(of_a_file, ring)
    ((metadata, data),) = _read(one.encode(HELLO))
    changed = {
        "changed": (metadata, data[:-1] + bytes([data[-1] ^ 1])),
        "short": (metadata, data[:27]),
        "unknown-key": ({**metadata, "encryption-key-id": b"key-9"}, data),
        "disabled-key": ({**metadata, "encryption-key-id": b"key-3"}, data),
    }[fault]
    assert one.decode(_written([changed]))["fault"] == "permanent"


VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("derive-*.json"))


def test_the_vectors_of_derived_keys_open(of_a_file: str, tmp_path: Path, opened: Open) -> None:
    assert VECTORS
    for file in VECTORS:
        vector = json.loads(file.read_text())
        (tmp_path / "ring.json").write_text(json.dumps(vector["ring"]))
        one = opened(of_a_file, f"file:{tmp_path}/ring.json", vector["namespace"])
        assert _read(one.decode(vector["request"])) == _read(vector["expect"]), file.name


# --- rotation and outages --------------------------------------------------------------------


@pytest.fixture
def secret(moto: int) -> str:
    return new_secret(client(moto), Keyring([_key(1)]).to_json())


def _put(moto: int, secret: str, *keys: Key) -> None:
    text = Keyring(keys).to_json().decode()
    client(moto).put_secret_value(SecretId=secret, SecretString=text, VersionStages=[CURRENT])


def test_a_rotation_reaches_every_reader(
    every: str, moto: int, secret: str, secrets: Gate, opened: Open
) -> None:
    """The old key seals until the new one's date; then the new one does, and both open."""
    one = opened(every, f"secretsmanager:{secret}", settings=environment(secrets))
    old = one.encode(HELLO)
    assert _key_ids(old) == {b"key-1"}
    _put(moto, secret, _key(1), _key(2, 25))
    one.advance(301)
    one.encode(HELLO)
    eventually(lambda: secrets.reads == 2)
    assert _key_ids(one.encode(HELLO)) == {b"key-1"}
    one.advance(25 * 3600 - 200)
    assert _read(one.decode(old)) == _read(HELLO)
    one.advance(300)
    eventually(lambda: _key_ids(one.encode(HELLO)) == {b"key-2"})
    assert _read(one.decode(old)) == _read(HELLO)


def test_an_unknown_id_fetches_the_ring_once(
    every: str, moto: int, secret: str, secrets: Gate, opened: Open
) -> None:
    """A key for a leak is at once everywhere; ids that nobody has do not hammer the source."""
    uri = f"secretsmanager:{secret}"
    one = opened(every, uri, settings=environment(secrets))
    one.encode(HELLO)
    assert secrets.reads == 1
    _put(moto, secret, _key(1), _key(2, -0.5))
    urgent = opened("python", uri).encode(HELLO)
    assert _key_ids(urgent) == {b"key-2"}
    assert one.decode(urgent)["fault"] == "permanent"
    before = secrets.reads
    one.advance(31)
    assert _read(one.decode(urgent)) == _read(HELLO)
    assert secrets.reads == before + 1
    ((metadata, data),) = _read(urgent)
    stranger = _written([({**metadata, "encryption-key-id": b"nobody's"}, data)])
    for _ in range(5):
        assert one.decode(stranger)["fault"] == "permanent"
    assert secrets.reads == before + 1


def test_an_outage_is_outlived(
    every: str, moto: int, secret: str, secrets: Gate, opened: Open
) -> None:
    """The last good ring serves for a day; what it lacks is a transient fault, never permanent."""
    uri = f"secretsmanager:{secret}"
    one = opened(every, uri, settings=environment(secrets))
    sealed = one.encode(HELLO)
    _put(moto, secret, _key(1), _key(2, -0.5))
    newer = opened("python", uri).encode(HELLO)
    secrets.fault = "InternalServiceError"
    for _ in range(3):
        one.advance(400)
        assert _read(one.decode(sealed)) == _read(HELLO)
        assert _key_ids(one.encode(HELLO)) == {b"key-1"}
        assert one.decode(newer)["fault"] == "transient"
    before = secrets.reads
    for _ in range(5):  # a failed fetch is not tried again for 30 seconds
        assert one.decode(newer)["fault"] == "transient"
    assert secrets.reads == before
    one.advance(24 * 3600)
    assert one.encode(HELLO)["fault"] == "transient"
    assert one.decode(sealed)["fault"] == "transient"
    secrets.fault = None
    one.advance(31)
    eventually(lambda: "fault" not in one.decode(newer))
    assert _key_ids(one.encode(HELLO)) == {b"key-2"}


def test_a_ring_in_a_file_rotates_and_goes_away(
    of_a_file: str, tmp_path: Path, opened: Open
) -> None:
    """A file lives the same life as a secret."""
    file = tmp_path / "rotated.json"
    file.write_bytes(Keyring([_key(1)]).to_json())
    one = opened(of_a_file, f"file:{file}")
    old = one.encode(HELLO)
    file.write_bytes(Keyring([_key(1), _key(2, -0.5)]).to_json())
    newer = opened("python", f"file:{file}").encode(HELLO)
    assert one.decode(newer)["fault"] == "permanent"
    one.advance(31)
    assert _read(one.decode(newer)) == _read(HELLO)
    assert _key_ids(one.encode(HELLO)) == {b"key-2"}
    file.write_text("no ring")
    one.advance(400)
    assert _read(one.decode(old)) == _read(HELLO)
    one.advance(24 * 3600)
    assert one.decode(old)["fault"] == "transient"


@pytest.mark.parametrize("fault", ["AccessDeniedException", "html", "hang"])
def test_no_ring_no_start(
    fault: str, language: str, secret: str, secrets: Gate, opened: Open
) -> None:
    """A worker without keys ends at once; it would only fail tasks."""
    secrets.fault = fault
    one = opened(language, f"secretsmanager:{secret}", settings=environment(secrets))
    with pytest.raises((RuntimeError, BrokenPipeError)):
        one.encode(HELLO)


# --- real workers ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def temporal() -> Iterator[DevServer]:
    with dev_server() as server:
        yield server


@pytest.fixture
def aside(moto: int) -> Iterator[Gate]:
    """A gate that only the worker under test uses."""
    with gate(moto) as server:
        yield server


async def _client(server: DevServer, uri: str) -> Client:
    return await Client.connect(server.address, plugins=[EncryptionPlugin(uri)])


def _encrypted(server: DevServer, workflow_id: str) -> set[tuple[str, str]]:
    """Encoding and key of everything in a history."""
    history = json.loads(server.cli("workflow", "show", "-o", "json", "--workflow-id", workflow_id))
    return {
        (
            b64decode(each["metadata"]["encoding"]).decode(),
            b64decode(each["metadata"].get("encryption-key-id", "")).decode(),
        )
        for each in payloads_of(history)
    }


@pytest.mark.real("Temporal")
def test_a_worker_does_what_our_client_asks(
    language: str, temporal: DevServer, secret: str, secrets: Gate
) -> None:
    """Input, activity, signal and result go through both codecs; the history is ciphertext."""
    name, uri = f"{language}-{uuid4()}", f"secretsmanager:{secret}"

    async def ask() -> str:
        connected = await _client(temporal, uri)
        handle = await connected.start_workflow(
            "Greet", "Ana \U0001f511", id=name, task_queue=name, result_type=str
        )
        await handle.signal("note", "canary")
        return str(await handle.result())

    with ring_worker(language, temporal, name, uri, environment(secrets)):
        result = asyncio.run(asyncio.wait_for(ask(), 60))
    assert result == f"{language}-result of Ana \U0001f511, canary"
    assert _encrypted(temporal, name) == {("binary/encrypted", "key-1")}


@pytest.mark.real("Temporal")
def test_a_workers_failure_is_encrypted(
    language: str, temporal: DevServer, secret: str, secrets: Gate
) -> None:
    """Message and stack trace are ciphertext in the history, and read by our client."""
    name, uri = f"{language}-{uuid4()}", f"secretsmanager:{secret}"

    async def ask() -> str:
        connected = await _client(temporal, uri)
        with pytest.raises(WorkflowFailureError) as caught:
            await connected.execute_workflow("Greet", "fail", id=name, task_queue=name)
        cause = caught.value.cause
        return f"{cause} {cause.__cause__}"

    with ring_worker(language, temporal, name, uri, environment(secrets)):
        assert "canary" in asyncio.run(asyncio.wait_for(ask(), 60))
    history = temporal.cli("workflow", "show", "-o", "json", "--workflow-id", name)
    assert "canary" not in history
    assert "Encoded failure" in history


@pytest.mark.usefixtures("secrets")
@pytest.mark.real("Temporal")
def test_a_worker_lives_through_a_rotation_and_an_outage(
    language: str, temporal: DevServer, moto: int, secret: str, aside: Gate
) -> None:
    """While the source hangs the held key works on, and a task with a newer key is retried.

    The worker's clock is fast, so that its 30 seconds pass in one. No deadlock detector fires.
    """
    name, uri = f"{language}-{uuid4()}", f"secretsmanager:{secret}"

    async def ask() -> list[str]:
        old = await _client(temporal, uri)
        first, second = [
            await old.start_workflow("Greet", each, id=f"{name}-{each}", task_queue=name)
            for each in ("one", "two")
        ]
        await first.signal("note", "before")
        results = [str(await first.result())]
        aside.fault = "hang"
        _put(moto, secret, _key(1), _key(2, -0.5))
        newer = await _client(temporal, uri)
        third = await old.start_workflow("Greet", "three", id=f"{name}-three", task_queue=name)
        await third.signal("note", "held")
        results.append(str(await third.result()))
        waiting = newer.get_workflow_handle(second.id, result_type=str)
        await waiting.signal("note", "newer")
        await asyncio.sleep(3)
        aside.fault = None
        results.append(await waiting.result())
        return results

    with ring_worker(language, temporal, name, uri, environment(aside), speed=30) as worker:
        results = asyncio.run(asyncio.wait_for(ask(), 120))
        log = worker.log()
    expected = [("one", "before"), ("three", "held"), ("two", "newer")]
    assert results == [f"{language}-result of {each}, {note}" for each, note in expected]
    assert "deadlock" not in log.lower()
    assert ("binary/encrypted", "key-2") in _encrypted(temporal, f"{name}-two")


@activity.defn(name="compose")
async def compose(name: str) -> str:
    return f"python-result of {name}"


@workflow.defn(name="Greet")
class Greet:
    """What the workers' workflow is, without its signal."""

    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(
            compose, name, start_to_close_timeout=timedelta(seconds=30)
        )


@pytest.mark.real("Temporal")
def test_our_worker_does_what_their_client_asks(
    language: str, temporal: DevServer, secret: str, secrets: Gate
) -> None:
    queue, uri = f"python-{uuid4()}", f"secretsmanager:{secret}"
    settings = environment(secrets)

    async def work() -> tuple[str, str]:
        worker = Worker(
            await _client(temporal, uri),
            task_queue=queue,
            workflows=[Greet],
            activities=[compose],
            # The sandbox would import this file, and pytest with it, once more.
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            text = "Ana \U0001f511"
            starter = ring_starter(language, temporal, queue, uri, text, settings=settings)
            return await asyncio.to_thread(starter.communicate, None, 60)

    result, complaint = asyncio.run(work())
    assert result == "python-result of Ana \U0001f511", complaint
    assert _encrypted(temporal, queue) == {("binary/encrypted", "key-1")}
