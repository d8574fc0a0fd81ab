"""docs/workers.md: what becomes of a memo field that a workflow sets to `None`."""

import asyncio
from collections.abc import Iterator

import pytest
from temporalio import workflow
from temporalio.client import Client, Plugin
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from temporal_codec.plugin import EncryptionPlugin
from tests.rigs.temporal import DevServer, dev_server

pytestmark = pytest.mark.real("Temporal")


@workflow.defn
class Forgetful:
    """Sets one memo field of two to None."""

    @workflow.run
    async def run(self) -> None:
        """Both were set when it started."""
        workflow.upsert_memo({"x": None})


@pytest.fixture(scope="module")
def server() -> Iterator[DevServer]:
    with dev_server() as running:
        yield running


async def memo_after(address: str, plugins: list[Plugin], name: str) -> dict[str, object]:
    """The memo of a Forgetful that has ended."""
    client = await Client.connect(address, plugins=plugins)
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=name, workflows=[Forgetful], workflow_runner=runner):
        memo = {"x": "canary", "y": "stays"}
        handle = await client.start_workflow(Forgetful.run, id=name, task_queue=name, memo=memo)
        await handle.result()
        return dict(await (await handle.describe()).memo())


@pytest.mark.parametrize(
    ("name", "plugins", "left"),
    [
        ("plain", [], {"y": "stays"}),
        ("encrypted", [EncryptionPlugin("development")], {"x": None, "y": "stays"}),
    ],
    ids=["without a codec", "with the plugin"],
)
def test_a_field_set_to_none(
    server: DevServer, name: str, plugins: list[Plugin], left: dict[str, object]
) -> None:
    """Without a codec the field goes; with one it stays, as None."""
    assert asyncio.run(memo_after(server.address, plugins, name)) == left
