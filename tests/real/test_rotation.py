"""A workflow that lives across three rotations: a real worker, a real Service, the real server.

Rings age by a clock of the test's own, so that ninety days pass in seconds; all else is as ever.
"""

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from google.protobuf import json_format  # noqa: TID251 — what clients write with
from temporalio import workflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from handlers.server.app import build_app
from handlers.settings.server import server_settings
from temporal_codec import open_source
from temporal_codec.temporal import EncryptionCodec
from tests.codec.clock import FakeClock
from tests.rigs.processes import free_port, listens
from tests.rigs.secrets_manager import Gate, client, new_secret
from tests.rigs.temporal import dev_server
from tests.test_rotation import rotate

THREADS = 50
DAYS_90 = 90 * 24 * 3600


@workflow.defn
class Diary:
    """Takes notes by signal, reads them out by query, and ends with all of them."""

    def __init__(self) -> None:
        self._notes: list[str] = []
        self._over = False

    @workflow.run
    async def run(self, first: str) -> list[str]:
        self._notes.append(first)
        await workflow.wait_condition(lambda: self._over)
        return self._notes

    @workflow.signal
    def note(self, text: str) -> None:
        self._notes.append(text)

    @workflow.signal
    def close(self) -> None:
        self._over = True

    @workflow.query
    def notes(self) -> list[str]:
        return self._notes


@contextmanager
def served(uri: str, clock: FakeClock) -> Iterator[str]:
    """The Codec Server in this process, with rings that age by this clock."""
    port = free_port()
    app = build_app(server_settings({}), open_source(uri, clock))
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="error", lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not listens(port):
            pass
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


async def payloads_of(handle: WorkflowHandle[Any, Any], raw: Client) -> list[Payload]:
    """Every payload of the history, as the Service has it."""
    history = await raw.get_workflow_handle(handle.id).fetch_history()
    found: list[Payload] = []
    for event in history.events:
        started = event.workflow_execution_started_event_attributes
        signaled = event.workflow_execution_signaled_event_attributes
        completed = event.workflow_execution_completed_event_attributes
        for each in (started.input, signaled.input, completed.result):
            found += each.payloads
    return found


async def decoded(url: str, payloads: list[Payload]) -> list[str]:
    """What the Codec Server makes of them, asked by fifty at once, one payload each."""

    async def ask(browser: httpx.AsyncClient, payload: Payload) -> str:
        body = json_format.MessageToJson(Payloads(payloads=[payload]))
        reply = await browser.post(
            f"{url}/decode", content=body, headers={"content-type": "application/json"}
        )
        assert reply.status_code == 200
        assert reply.headers["x-codec-undecoded"] == "0"
        return json_format.Parse(reply.content, Payloads()).payloads[0].data.decode()

    async with httpx.AsyncClient(timeout=60, trust_env=False) as browser:
        asked = [ask(browser, payload) for payload in payloads * (THREADS // len(payloads) + 1)]
        return (await asyncio.gather(*asked))[: len(payloads)]


async def live(address: str, uri: str, url: str, aws: Any, clock: FakeClock) -> None:
    secret = uri.partition(":")[2]
    codec = EncryptionCodec(open_source(uri, clock).keys("default"))
    converter = dataclasses.replace(DataConverter.default, payload_codec=codec)
    temporal = await Client.connect(address, data_converter=converter)
    raw = await Client.connect(address)
    async with Worker(
        temporal,
        task_queue="diary",
        workflows=[Diary],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,  # every task replays the whole history
    ):
        handle = await temporal.start_workflow(
            Diary.run, "canary 0", id="diary", task_queue="diary", task_timeout=timedelta(seconds=5)
        )
        for generation in (1, 2, 3):
            rotate(aws, secret, clock)
            await handle.signal(Diary.note, f"canary {generation}, while the key waits")
            clock.advance(DAYS_90)
            await handle.signal(Diary.note, f"canary {generation}, when it seals")
            assert len(await handle.query(Diary.notes)) == 1 + 2 * generation
            sealed = await payloads_of(handle, raw)
            assert b"canary" not in b"".join(each.data for each in sealed)
            texts = await decoded(url, sealed)
            assert [text for text in texts if "canary" in text] == texts
        await handle.signal(Diary.close)
        assert len(await handle.result()) == 7
    sealed = await payloads_of(handle, raw)
    assert len({each.metadata["encryption-key-id"] for each in sealed}) == 4


def test_nobody_notices(moto: int, secrets: Gate) -> None:
    """K7: worker, replay and Codec Server read every generation, at every moment."""
    aws, clock = client(moto), FakeClock()
    secret = new_secret(aws)
    rotate(aws, secret, clock)
    clock.advance(1)
    uri = f"secretsmanager:{secret}"
    with dev_server() as server, served(uri, clock) as url:
        asyncio.run(live(server.address, uri, url, aws, clock))
    assert secrets.reads > 0


@pytest.mark.parametrize("after", [timedelta(0), timedelta(hours=24)])
def test_a_worker_reads_on_while_the_secret_is_gone(
    moto: int, secrets: Gate, after: timedelta
) -> None:
    """K4: the last good ring for 24 hours, and not for longer."""
    aws, clock = client(moto), FakeClock()
    secret = new_secret(aws)
    rotate(aws, secret, clock)
    clock.advance(1)
    codec = EncryptionCodec(open_source(f"secretsmanager:{secret}", clock).keys("default"))
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b"1")
    sealed = asyncio.run(codec.encode([payload]))
    secrets.fault = "AccessDeniedException"
    clock.advance(after.total_seconds())
    if after:
        with pytest.raises(Exception, match="AccessDeniedException"):
            asyncio.run(codec.decode(sealed))
    else:
        assert asyncio.run(codec.decode(sealed)) == [payload]
