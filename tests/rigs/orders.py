"""The example, run once against a real Temporal, and all that the Service has of it, exported raw.

The customer's name is the canary: the example puts it into everything that is secret.
"""

import asyncio
import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict  # noqa: TID251 — of the SDK's own messages
from google.protobuf.message import Message
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, ScheduleHandle

from examples.orders.connection import connect
from examples.orders.starter import OrderHandle, collect, open_billing, order_regularly, place
from examples.orders.worker import make_worker
from tests.rigs.temporal import DevServer

CANARY = "canary"


@dataclass
class Story:
    """What happened, as documents in proto3 JSON."""

    server: DevServer
    ring: str
    order_id: str = ""
    documents: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    def export(self, name: str, workflow_id: str, *run: str) -> None:
        """Keep a history as the command line exports it, without a codec."""
        command = ("workflow", "show", "--output", "json", "--workflow-id", workflow_id, *run)
        self.documents[name] = json.loads(self.server.cli(*command))

    def keep(self, name: str, message: Message) -> None:
        """Keep what the Service answered."""
        self.documents[name] = MessageToDict(message)


def strings(document: Any) -> Iterator[str]:
    """Every text in a document, names of members too, and what it is the base64 of."""
    if isinstance(document, dict):
        for name, member in document.items():
            yield from strings(name)
            yield from strings(member)
    elif isinstance(document, list):
        for each in document:
            yield from strings(each)
    elif isinstance(document, str):
        yield document
        try:
            yield b64decode(document, validate=True).decode("latin-1")
        except ValueError:
            return


async def tell(server: DevServer, ring: str) -> Story:
    """Place an order, look at it while it waits, and collect it."""
    story = Story(server, ring)
    client = await connect(server.address, ring, sender=f"desk of {CANARY}")
    raw = await Client.connect(server.address)
    _record(client, story)
    await open_billing(client)
    async with make_worker(client):
        schedule = await order_regularly(client, CANARY)
        order = await place(client, CANARY)
        story.order_id = order.id
        await _while_it_waits(raw, story, order)
        assert await collect(order) == f"a kettle collected by {CANARY}"
        await _afterwards(client, story, order, schedule)
    return story


def _record(client: Client, story: Story) -> None:
    # Every call of the client to the Service goes through here.
    call = client.service_client._rpc_call

    async def recorded(*, rpc: str, req: Any, **options: Any) -> Any:
        story.requests.append((rpc, req.SerializeToString()))
        answer = await call(rpc=rpc, req=req, **options)
        if rpc == "query_workflow":
            story.keep("query", req)
            story.keep("answer", answer)
        return answer

    setattr(client.service_client, "_rpc_call", recorded)  # noqa: B010 — it is a method


async def _while_it_waits(raw: Client, story: Story, order: OrderHandle) -> None:
    handle = raw.get_workflow_handle(order.id)
    for _ in range(300):
        description = (await handle.describe()).raw_description
        if any(each.HasField("last_failure") for each in description.pending_activities):
            break
        await asyncio.sleep(0.1)
    story.keep("description", description)
    async for each in raw.list_workflows(f"WorkflowId = '{order.id}'"):
        story.keep("list entry", each.raw_info)


async def _afterwards(
    client: Client, story: Story, order: OrderHandle, schedule: ScheduleHandle
) -> None:
    assert order.first_execution_run_id
    story.export("order", order.id, "--run-id", order.first_execution_run_id)
    story.export("continued", order.id)
    story.export("gift", f"{order.id}-gift")
    story.export("refund", f"{order.id}-refund")
    planned = await schedule.describe()
    story.keep("schedule", planned.raw_description)
    (done,) = planned.info.recent_actions
    assert isinstance(done.action, ScheduleActionExecutionStartWorkflow)
    await client.get_workflow_handle(done.action.workflow_id).result()
    story.export("scheduled", done.action.workflow_id)
