"""Temporal's own command line, server and SDK: with the endpoint people read plaintext.

Everything secret in these workflows has the word `canary` in it, and the place where it lies.
"""

import asyncio
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.processes import Running
from tests.rigs.sample_worker import TASK_QUEUE, SampleCodec
from tests.rigs.temporal import DevServer, dev_server, sample_worker

pytestmark = pytest.mark.real("Temporal")

ENDPOINTS = ["", "/", "/codec", "/{namespace}", "/codec/{namespace}/"]
# What lies in the history of an Order; `describe` shows some of it, `result` the result.
IN_HISTORY = ["input", "memo", "summary", "details", "activity-summary", "activity-result"]
IN_HISTORY += ["signal", "update", "update-result", "result"]
SAMPLE_RING = [("test-key-id", b"test-key-test-key-test-key-test!")]


@pytest.fixture(scope="module")
def server() -> Iterator[DevServer]:
    with dev_server("other") as running:
        yield running


@pytest.fixture(scope="module")
def worker(server: DevServer) -> Iterator[Running]:
    with sample_worker(server) as running:
        yield running


@dataclass
class Workflow:
    """A workflow that the command line starts and looks at."""

    server: DevServer
    namespace: str = "default"
    id: str = field(default_factory=lambda: f"workflow-{uuid4()}")

    def __call__(self, *command: str, endpoint: str | None = None) -> str:
        """What a command prints, with an endpoint or without."""
        return self.server.cli(*self._complete(command, endpoint))

    def fails(self, *command: str, endpoint: str | None = None) -> str:
        """What a command complains of that must fail."""
        done = self.server.try_cli(*self._complete(command, endpoint))
        assert done.returncode != 0
        return done.stderr

    def _complete(self, command: tuple[str, ...], endpoint: str | None) -> list[str]:
        through = ["--codec-endpoint", endpoint] if endpoint else []
        here = ["--workflow-id", self.id, "--namespace", self.namespace]
        return ["workflow", *command, *here, *through]


START = ("start", "--type", "Order", "--task-queue", TASK_QUEUE)
SIGNAL = ("signal", "--name", "note", "--input")
SHOW = ("show", "--detailed")
SHOW_JSON = ("show", "-o", "json")


@dataclass
class Session:
    """One person's work with an Order, through one spelling of the endpoint."""

    order: Workflow
    endpoint: str
    worker: Running
    query: str
    update: str

    def read(self, *command: str) -> str:
        """What a command prints with the endpoint."""
        return self.order(*command, endpoint=self.endpoint)


@pytest.fixture(scope="module", params=ENDPOINTS, ids=lambda path: path or "plain")
def session(
    request: pytest.FixtureRequest,
    server: DevServer,
    worker: Running,
    development_server: CodecServer,
) -> Session:
    """An Order from start to end; all that goes in goes through the endpoint."""
    order, endpoint = Workflow(server), development_server.url + request.param
    run = partial(order, endpoint=endpoint)
    # Each session sends words of its own, so that the worker's log tells them apart.
    run(
        *(*START, "--input", f'"canary-input {order.id}"', "--memo", 'note="canary-memo"'),
        *("--static-summary", "canary-summary", "--static-details", "canary-details"),
    )
    run(*SIGNAL, f'"canary-signal {order.id}"')
    query = run("query", "--name", "status", "--input", f'"canary-query {order.id}"')
    update = run("update", "execute", "--name", "amend", "--input", f'"canary-update {order.id}"')
    run("signal", "--name", "close")
    run("result")
    return Session(order, endpoint, worker, query, update)


def test_the_worker_receives_what_the_cli_encoded(session: Session) -> None:
    """What /encode seals, a worker opens that shares nothing with this project but the key."""
    log = session.worker.log().splitlines()
    for place in ("input", "signal", "query", "update"):
        assert f"{place}: canary-{place} {session.order.id}" in log


def test_answers_of_the_worker_are_read(session: Session) -> None:
    """Results of queries, updates and the workflow itself."""
    name = session.order.id
    assert f"canary-query-result of canary-query {name}" in session.query
    assert f"canary-update-result of canary-update {name}" in session.update
    result = session.read("result")
    assert f"canary-result, canary-input {name}" in result
    assert f"canary-signal {name}, canary-update {name}" in result


def test_show_describe_and_list_are_read(session: Session) -> None:
    """Every place of a workflow, as text."""
    shown = session.read(*SHOW)
    assert [place for place in IN_HISTORY if f": canary-{place}" not in shown] == []
    described = session.read("describe")
    for place in ("memo", "summary", "details"):
        assert f"canary-{place}" in described
    listed = session.order.server.cli(
        *("workflow", "list", "--query", f"WorkflowId='{session.order.id}'", "-o", "json"),
        *("--codec-endpoint", session.endpoint),
    )
    assert json.loads(listed)[0]["memo"]["fields"] == {"note": "canary-memo"}


def opened(node: Any) -> Any:
    """A history whose sealed payloads are opened by the sample's own codec."""
    if isinstance(node, list):
        return [opened(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "encryption-key-id" not in node.get("metadata", ()):
        return {name: opened(each) for name, each in node.items()}
    metadata = {name: b64decode(value) for name, value in node["metadata"].items()}
    sealed = Payload(metadata=metadata, data=b64decode(node["data"]))
    (plain,) = asyncio.run(SampleCodec().decode([sealed]))
    fields = {"metadata": {name: base64(value) for name, value in plain.metadata.items()}}
    return {**fields, "data": base64(plain.data)} if plain.data else fields


def base64(value: bytes) -> str:
    return b64encode(value).decode()


def test_the_endpoint_opens_every_payload_and_changes_nothing_else(session: Session) -> None:
    """With the endpoint a history is the one without it, opened by the sample's own codec."""
    sealed = json.loads(session.order(*SHOW_JSON))
    assert json.loads(session.read(*SHOW_JSON)) == opened(sealed) != sealed


def test_without_the_endpoint_nothing_is_read(session: Session) -> None:
    for command in ("show", "describe", "result"):
        for form in ((), ("-o", "json")):
            assert "canary" not in session.order(command, *form)
    assert "canary" not in session.order(*SHOW)
    sealed, read = session.order(*SHOW_JSON), session.read(*SHOW_JSON)
    assert b"canary" not in b"".join(base64ed(json.loads(sealed)))
    assert b"canary" in b"".join(base64ed(json.loads(read)))


def base64ed(node: Any) -> Iterator[bytes]:
    """What the `data` members of a history hold."""
    if isinstance(node, list | dict):
        for each in node if isinstance(node, list) else node.values():
            yield from base64ed(each)
    if isinstance(node, dict) and "metadata" in node:
        yield b64decode(node.get("data", ""))


async def stored(address: str, workflow: str) -> tuple[bytes, bytes]:
    """A history and a description, as the service has them; this client has no codec."""
    handle = (await Client.connect(address)).get_workflow_handle(workflow)
    history = [event.SerializeToString() async for event in handle.fetch_history_events()]
    return b"".join(history), (await handle.describe()).raw_description.SerializeToString()


def test_the_service_never_has_plaintext(session: Session) -> None:
    """No canary in any byte that the service holds, and a sealed payload in every place."""
    history, description = asyncio.run(stored(session.order.server.address, session.order.id))
    for held in (history, description):
        assert b"canary" not in held
    # The activity's input is one place more; the signal that closes has none.
    assert history.count(b"binary/encrypted") == len(IN_HISTORY) + 1
    assert description.count(b"binary/encrypted") == len(["memo", "summary", "details"])


def until(fact: Callable[[], bool]) -> None:
    """Wait for something that is bound to happen; raises where it does not."""
    deadline = time.monotonic() + 60
    while not fact():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not happen")
        time.sleep(0.05)


@pytest.mark.usefixtures("worker")
def test_failures_and_signs_of_life_are_read(
    server: DevServer, development_server: CodecServer
) -> None:
    """A pending activity's heartbeat and failure, and the failure that ends a workflow."""
    trouble = Workflow(server)
    read = partial(trouble, endpoint=development_server.url)
    read("start", "--type", "Trouble", "--task-queue", TASK_QUEUE, "--input", '"canary-input"')
    until(lambda: '"lastFailure"' in trouble("describe", "-o", "json"))
    described = read("describe")
    assert "canary-heartbeat of canary-input" in described
    assert "canary-activity-failure" in described
    assert "canary" not in trouble("describe")
    trouble("signal", "--name", "give_up")
    assert "workflow failed" in trouble.fails("result")
    shown = read(*SHOW)
    assert "failure.encodedAttributes.message: canary-failure" in shown
    assert "canary-failure-detail of canary-input" in shown
    history, description = asyncio.run(stored(server.address, trouble.id))
    assert b"canary" not in history + description


# No worker takes these: their histories hold what the command line sent, and nothing else.
START_UNATTENDED = ("start", "--type", "Order", "--task-queue", "nobody", "--input")


def write_ring(path: Path, keys: list[tuple[str, bytes]]) -> None:
    entries = [
        {"id": id_, "key": base64(key), "activation_date": "2026-01-01T00:00:00Z"}
        for id_, key in keys
    ]
    path.write_text(json.dumps({"keys": entries}))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodecServer]:
    """A Codec Server with a ring of its own, in which the sample's key is not."""
    ring = tmp_path_factory.mktemp("stranger") / "ring.json"
    write_ring(ring, [("another-key", bytes(range(32)))])
    with codec_server({"CODEC_KEYRING": f"file:{ring}"}) as running:
        yield running


def test_another_ring_leaves_all_as_it_is(
    server: DevServer, development_server: CodecServer, stranger: CodecServer
) -> None:
    """The command line works on, with ciphertext: 200, the payloads unchanged."""
    order = Workflow(server)
    order(*START_UNATTENDED, '"canary-input"', endpoint=development_server.url)
    for command in (SHOW, SHOW_JSON):
        assert order(*command, endpoint=stranger.url) == order(*command)
    lines = [line for line in stranger.log().splitlines() if "operation=decode" in line]
    assert lines
    for line in lines:
        assert "status=200" in line
        assert "unknown-key" in line


def test_another_key_of_the_same_id_leaves_all_as_it_is(
    server: DevServer, development_server: CodecServer, tmp_path: Path
) -> None:
    """A tag that does not fit is no fault of the request's."""
    order = Workflow(server)
    order(*START_UNATTENDED, '"canary-input"', endpoint=development_server.url)
    write_ring(tmp_path / "ring.json", [("test-key-id", bytes(range(32)))])
    with codec_server({"CODEC_KEYRING": f"file:{tmp_path}/ring.json"}) as impostor:
        assert order(*SHOW_JSON, endpoint=impostor.url) == order(*SHOW_JSON)
        assert "operation=decode status=200" in impostor.log()


def test_what_a_ring_cannot_open_does_not_hide_the_rest(
    server: DevServer, development_server: CodecServer, stranger: CodecServer
) -> None:
    """A history under two rings: each opens its own part."""
    order = Workflow(server)
    order(*START_UNATTENDED, '"canary-input"', endpoint=development_server.url)
    order(*SIGNAL, '"canary-signal"', endpoint=stranger.url)
    ours, theirs = (order(*SHOW, endpoint=each.url) for each in (development_server, stranger))
    assert ("canary-input" in ours, "canary-signal" in ours) == (True, False)
    assert ("canary-input" in theirs, "canary-signal" in theirs) == (False, True)


def test_what_was_never_sealed_stays_readable(
    server: DevServer, development_server: CodecServer
) -> None:
    """Histories from before the codec, and next to sealed payloads."""
    order = Workflow(server)
    order(*START_UNATTENDED, '"canary-input"')
    order(*SIGNAL, '"canary-signal"', endpoint=development_server.url)
    shown = order(*SHOW, endpoint=development_server.url)
    assert "canary-input" in shown
    assert "canary-signal" in shown


@pytest.fixture(scope="module")
def isolating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodecServer]:
    """A Codec Server with a ring for the namespace `default` alone."""
    rings = tmp_path_factory.mktemp("rings")
    write_ring(rings / "default.json", SAMPLE_RING)
    with codec_server({"CODEC_KEYRING": f"file:{rings}/{{namespace}}.json"}) as running:
        yield running


@pytest.mark.parametrize(("namespace", "read"), [("default", True), ("other", False)])
def test_a_namespace_s_ring_opens_that_namespace_alone(
    namespace: str,
    read: bool,
    server: DevServer,
    development_server: CodecServer,
    isolating: CodecServer,
) -> None:
    """The namespace is the one that the command line names in its header."""
    order = Workflow(server, namespace)
    order(*START_UNATTENDED, '"canary-input"', endpoint=development_server.url)
    assert ("canary-input" in order(*SHOW, endpoint=isolating.url)) is read


def test_what_cannot_be_sealed_is_not_started(server: DevServer, isolating: CodecServer) -> None:
    """Without a ring for its namespace nothing reaches the service, least of all plaintext."""
    order = Workflow(server, "other")
    # It would ask again and again, for ten seconds.
    hasty = (*START_UNATTENDED, '"canary-input"', "--command-timeout", "3s")
    order.fails(*hasty, endpoint=isolating.url)
    assert "operation=encode status=400 namespace=other" in isolating.log()
    assert "not found" in order.fails("describe")
