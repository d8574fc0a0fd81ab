"""The example on a real Temporal: nothing secret is in what the Service has, all of it comes back.

Each place where Temporal keeps a payload is named here, with what must be found there once it is
decoded. So a place that the example no longer uses is missed.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, Worker

from examples.orders.starter import collect, place
from examples.orders.worker import WORKFLOWS, make_worker
from examples.orders.workflows import GiftWrap
from temporal_codec import Keyring, KeyringNotFound
from temporal_codec.cli.history.places import State, walk
from temporal_codec.plugin import EncryptionPlugin
from tests.codec.cli.terminal import temporal_codec
from tests.codec.rings import key
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.orders import CANARY, Story, strings, tell
from tests.rigs.processes import ROOT, clean_environment, free_port
from tests.rigs.temporal import DevServer, dev_server, temporal

pytestmark = pytest.mark.real("Temporal")

# Where, in which document, and what is there.
PLACES = {
    "input": ("order", "workflowExecutionStarted.*input", "a kettle"),
    "result": ("continued", "workflowExecutionCompleted.*result", "a kettle collected by canary"),
    "memo": ("order", "workflowExecutionStarted.*memo.fields.note", "regular customer canary"),
    "changed memo": ("order", "upsertedMemo.fields.credit", "the credit of canary is good"),
    "header": ("order", "workflowExecutionStarted.*header.fields.sender", "desk of canary"),
    "summary": ("order", r"^events\[0\].userMetadata.summary", "order of canary"),
    "details": ("order", r"^events\[0\].userMetadata.details", "all that canary ever bought"),
    "signal": ("order", "workflowExecutionSignaled.*input", "canary wishes for a card"),
    "query": ("query", "query.queryArgs", "canary"),
    "query result": ("answer", "queryResult", "canary has 1 wishes"),
    "update": ("order", "UpdateAccepted.*args", "new address of canary"),
    "update result": ("order", "UpdateCompleted.*success", "changed: new address of canary"),
    "local activity result": (
        "order",
        "markerRecorded.*details.result",
        "the credit of canary is good",
    ),
    "timer summary": ("order", "userMetadata.summary", "time for canary to think again"),
    "activity input": ("order", "activityTaskScheduled.*input", "parcel for canary"),
    "activity summary": ("order", "userMetadata.summary", "packing for canary"),
    "activity result": ("order", "activityTaskCompleted.*result", "packed: parcel for canary"),
    "activity failure": (
        "order",
        "activityTaskFailed.*failure.encodedAttributes",
        "refused: the card of canary",
    ),
    "activity stack trace": (
        "order",
        "activityTaskFailed.*failure.encodedAttributes",
        "in charge\\\\n",
    ),
    "details of an error": (
        "order",
        "activityTaskFailed.*failure.applicationFailureInfo.details",
        "number and name on the card of canary",
    ),
    "heartbeat": (
        "description",
        "pendingActivities.*heartbeatDetails",
        "label printed: parcel to be shipped to canary",
    ),
    "pending failure": (
        "description",
        "pendingActivities.*lastFailure.encodedAttributes",
        "no courier for parcel to be shipped to canary",
    ),
    "pending details": (
        "description",
        "pendingActivities.*lastFailure.applicationFailureInfo.details",
        "address on parcel",
    ),
    "described memo": ("description", "memo.fields.note", "regular customer canary"),
    "described summary": ("description", "userMetadata.summary", "order of canary"),
    "listed memo": ("list entry", "memo.fields.note", "regular customer canary"),
    "child input": ("order", "startChildWorkflow.*input", "gift for canary"),
    "child memo": ("order", "startChildWorkflow.*memo.fields.ribbon", "ribbon for canary"),
    "child summary": ("gift", "userMetadata.summary", "wrapping for canary"),
    "child details": ("gift", "userMetadata.details", "colors that canary likes"),
    "child result": ("order", "childWorkflowExecutionCompleted.*result", "wrapped: gift for"),
    "child failure": (
        "order",
        "childWorkflowExecutionFailed.*failure.encodedAttributes",
        "not found: the payment of canary",
    ),
    "workflow failure": (
        "refund",
        "workflowExecutionFailed.*failure.encodedAttributes",
        "not found: the payment of canary",
    ),
    "workflow stack trace": (
        "refund",
        "workflowExecutionFailed.*failure.encodedAttributes",
        "in run\\\\n",
    ),
    "workflow failure's details": (
        "refund",
        "workflowExecutionFailed.*applicationFailureInfo.details",
        "account of the payment of canary",
    ),
    "nexus input": ("order", "nexusOperationScheduled.*input", "the order of canary"),
    "nexus result": ("order", "nexusOperationCompleted.*result", "invoice for the order of"),
    "continue-as-new": ("order", "ContinuedAsNew.*input", '"customer":"canary"'),
    "continued input": ("continued", "workflowExecutionStarted.*input", '"collected":true'),
    "continued memo": ("continued", "workflowExecutionStarted.*memo", "canary"),
    "schedule's input": ("schedule", "startWorkflow.input", "gift of the week for canary"),
    "schedule's action's memo": ("schedule", "startWorkflow.memo.fields.note", "weekly for canary"),
    "schedule's summary": ("schedule", "startWorkflow.userMetadata.summary", "week of canary"),
    "schedule's details": (
        "schedule",
        "startWorkflow.userMetadata.details",
        "every week of canary",
    ),
    "schedule's memo": ("schedule", "memo.fields.reason", "habit of canary"),
    "scheduled input": ("scheduled", "workflowExecutionStarted.*input", "gift of the week for"),
    "scheduled result": ("scheduled", "workflowExecutionCompleted.*result", "wrapped: gift of"),
}
DOCUMENTS = sorted({document for document, _, _ in PLACES.values()})
HISTORIES = ["order", "continued", "gift", "refund", "scheduled"]


@pytest.fixture(scope="module")
def server() -> Iterator[DevServer]:
    with dev_server() as running:
        yield running


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ring of the example's own, for each namespace."""
    folder = tmp_path_factory.mktemp("rings")
    (folder / "default.json").write_bytes(Keyring([key(1)]).to_json())
    return folder / "{namespace}.json"


@pytest.fixture(scope="module")
def story(server: DevServer, ring: Path) -> Story:
    return asyncio.run(tell(server, f"file:{ring}"))


@pytest.fixture(scope="module")
def codec(ring: Path) -> Iterator[CodecServer]:
    with codec_server({"CODEC_KEYRING": f"file:{ring}"}) as running:
        yield running


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_service_has_nothing_secret(story: Story, document: str) -> None:
    """No text of a raw export has the canary in it, nor what it is the base64 of."""
    found = [text for text in strings(story.documents[document]) if CANARY in text]
    assert found == []


def test_what_the_client_sends_has_nothing_secret(story: Story) -> None:
    """Every call, the queries' too, which leave no trace in a history."""
    calls = {rpc for rpc, _ in story.requests}
    assert {"start_workflow_execution", "query_workflow", "create_schedule"} <= calls
    assert [rpc for rpc, request in story.requests if CANARY.encode() in request] == []


def decoded(story: Story, document: str, codec: CodecServer) -> list[tuple[str, str]]:
    """The paths of a document's payloads, and what the Codec Server makes of each."""
    whole = story.documents[document]
    # A history's events are told by their index, as `history scan` does.
    parts = whole.get("events", [whole])
    found = [place for index, part in enumerate(parts) for place in walk(part, index)]
    body = json.dumps({"payloads": [place.value for place in found]})
    answer = codec.post("/decode", body)
    assert answer.headers["x-codec-undecoded"] == "0"
    paths = [place.path for place in found]
    opened = [next(reversed([*strings(each["data"])])) for each in answer.json()["payloads"]]
    return list(zip(paths, opened, strict=True))


@pytest.mark.parametrize("name", PLACES)
def test_everything_comes_back_through_the_codec_server(
    story: Story, codec: CodecServer, name: str
) -> None:
    """The place is there, and what it holds."""
    document, path, words = PLACES[name]
    held = [text for at, text in decoded(story, document, codec) if re.search(path, at)]
    assert any(words.replace("\\\\", "\\") in text for text in held), held


# --- history scan and decode -----------------------------------------------------------------


def export(story: Story, name: str, folder: Path) -> Path:
    """The export in a file, as somebody has it."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps(story.documents[name]))
    return file


@pytest.mark.parametrize("name", HISTORIES)
def test_scan_finds_no_plaintext(story: Story, name: str, tmp_path: Path) -> None:
    """Status 0. The SDK's own notes of a local activity, and a schedule's mark, are visible."""
    scanned = temporal_codec("history", "scan", export(story, name, tmp_path), "--json")
    assert scanned.returncode == 0, scanned.stdout
    document = json.loads(scanned.stdout)
    assert document["counts"][State.ENCRYPTED] >= 3
    visible = [each["path"] for each in document["places"] if each["state"] == State.VISIBLE]
    expected = {"order": "details.data", "scheduled": "searchAttributes.indexedFields"}
    assert [path for path in visible if expected.get(name, "nothing") not in path] == []
    assert bool(visible) == (name in expected)


def test_scan_reads_from_the_server(story: Story) -> None:
    """As it lies there, the latest run."""
    address = ("--address", story.server.address, "--namespace", "default")
    scanned = temporal_codec("history", "scan", "--workflow-id", story.order_id, *address)
    assert scanned.returncode == 0, scanned.stderr
    assert "workflowExecutionCompletedEventAttributes.result[0]" in scanned.stdout
    missing = temporal_codec("history", "scan", "--workflow-id", "nothing", *address)
    assert missing.returncode == 2
    assert "denied this history (NOT_FOUND)" in missing.stderr


async def plaintext_history(server: DevServer) -> str:
    """A history of a worker that does not encrypt."""
    client = await Client.connect(server.address)
    async with Worker(client, task_queue="plaintext", workflows=[GiftWrap]):
        handle = await client.start_workflow(
            GiftWrap.run, CANARY, id="plaintext", task_queue="plaintext"
        )
        await handle.result()
    return handle.id


def test_scan_finds_the_plaintext_of_a_worker_without_the_plugin(server: DevServer) -> None:
    workflow = asyncio.run(plaintext_history(server))
    scanned = temporal_codec(
        *("history", "scan", "--workflow-id", workflow, "--address", server.address)
    )
    assert scanned.returncode == 1
    for kind in ("workflowExecutionStarted", "workflowExecutionCompleted"):
        assert re.search(f"^plaintext +json/plain .*{kind}", scanned.stdout, re.MULTILINE)


def replay(story: Story, text: str, **options: Any) -> None:
    """Replay a history; raises where the workflow does not do the same again."""
    history = WorkflowHistory.from_json(story.order_id, text)

    async def run() -> None:
        await Replayer(workflows=WORKFLOWS, **options).replay_workflow(history)

    asyncio.run(run())


@pytest.mark.parametrize("name", HISTORIES)
def test_a_decoded_history_is_replayed_without_keys(
    story: Story, name: str, ring: Path, tmp_path: Path
) -> None:
    """By the SDK's own replayer with its own data converter; the encrypted one fails there."""
    exported = export(story, name, tmp_path)
    done = temporal_codec("history", "decode", exported, "--ring", ring)
    assert done.returncode == 0, done.stderr
    assert CANARY in "".join(strings(json.loads(done.stdout)))
    assert "Encoded failure" not in done.stdout
    replay(story, done.stdout)


@pytest.mark.parametrize("name", HISTORIES)
def test_an_encrypted_history_is_replayed_with_the_plugin(
    story: Story, name: str, ring: Path
) -> None:
    text = json.dumps(story.documents[name])
    replay(story, text, plugins=[EncryptionPlugin(f"file:{ring}")], namespace="default")


# --- the plugin on a real worker -------------------------------------------------------------


async def order(server: DevServer, plugin: EncryptionPlugin) -> str:
    """Place an order and collect it, with these settings on both sides."""
    client = await Client.connect(server.address, plugins=[plugin])
    async with make_worker(client):
        return await collect(await place(client, CANARY))


def test_strict_and_compressed_workers_do_the_same(
    server: DevServer, story: Story, ring: Path
) -> None:
    """Nothing that the SDK or the server adds is taken for somebody's plaintext."""
    assert story.order_id  # the endpoint for Nexus was made
    plugin = EncryptionPlugin(f"file:{ring}", strict=True, compress=True)
    assert asyncio.run(order(server, plugin)) == f"a kettle collected by {CANARY}"


def test_a_worker_without_keys_ends_and_says_why(server: DevServer, tmp_path: Path) -> None:
    """It neither takes tasks that it can only fail, nor hangs."""

    async def work() -> None:
        plugin = EncryptionPlugin(f"file:{tmp_path}/ring.json")
        client = await Client.connect(server.address, plugins=[plugin])
        await make_worker(client).run()

    async def work_meanwhile() -> None:
        plugin = EncryptionPlugin(f"file:{tmp_path}/ring.json")
        client = await Client.connect(server.address, plugins=[plugin])
        async with make_worker(client):
            await asyncio.sleep(60)

    for way in (work, work_meanwhile):
        with pytest.raises(KeyringNotFound, match="there is no key ring file:"):
            asyncio.run(asyncio.wait_for(way(), 30))


def test_the_demo_runs() -> None:
    """`make demo` starts all of it, and leaves nothing running when it ends."""
    ports = [str(free_port()) for _ in range(3)]
    names = ("--port", "--ui-port", "--codec-port")
    done = subprocess.run(
        [sys.executable, "-m", "examples.orders.demo", "--once"]
        + [each for pair in zip(names, ports, strict=True) for each in pair],
        env={**clean_environment({}), "PATH": f"{temporal().parent}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a kettle collected by Ada Lovelace" in done.stdout
    assert f"http://localhost:{ports[1]}/namespaces/default/workflows/order-" in done.stdout
