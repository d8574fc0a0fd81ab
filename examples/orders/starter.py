"""The starter: `python -m examples.orders.starter` places an order and collects it."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleSpec,
    WorkflowHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from examples.orders.billing import ENDPOINT
from examples.orders.connection import TASK_QUEUE, connect
from examples.orders.workflows import GiftWrap, Order, OrderWorkflow

OrderHandle = WorkflowHandle[OrderWorkflow, str]


async def place(client: Client, customer: str) -> OrderHandle:
    """Place an order and send it all that a customer sends. It then waits to be collected."""
    handle = await client.start_workflow(
        OrderWorkflow.run,
        Order(customer, "a kettle"),
        id=f"order-{uuid4()}",
        task_queue=TASK_QUEUE,
        memo={"note": f"regular customer {customer}"},
        static_summary=f"order of {customer}",
        static_details=f"all that {customer} ever bought",
    )
    await handle.signal(OrderWorkflow.wish, f"{customer} wishes for a card")
    await handle.execute_update(OrderWorkflow.change_address, f"new address of {customer}")
    await handle.query(OrderWorkflow.status, customer)
    return handle


async def collect(handle: OrderHandle) -> str:
    """Collect the parcel; gives the result."""
    await handle.signal(OrderWorkflow.collect)
    return await handle.result()


async def order_regularly(client: Client, customer: str) -> ScheduleHandle:
    """A schedule, which starts its first workflow at once."""
    identity = uuid4()
    action = ScheduleActionStartWorkflow(
        GiftWrap.run,
        f"gift of the week for {customer}",
        id=f"weekly-{identity}",
        task_queue=TASK_QUEUE,
        memo={"note": f"weekly for {customer}"},
        static_summary=f"week of {customer}",
        static_details=f"every week of {customer}",
    )
    weekly = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=7))])
    return await client.create_schedule(
        f"weekly-{identity}",
        Schedule(action=action, spec=weekly),
        memo={"reason": f"habit of {customer}"},
        trigger_immediately=True,
    )


async def open_billing(client: Client) -> None:
    """Make the Nexus endpoint, if there is none yet."""
    spec = EndpointSpec(name=ENDPOINT)
    spec.target.worker.CopyFrom(
        EndpointTarget.Worker(namespace=client.namespace, task_queue=TASK_QUEUE)
    )
    try:
        await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def main() -> None:
    """Place an order and collect it."""
    client = await connect(sender="the shop's window")
    await open_billing(client)
    handle = await place(client, "Ada Lovelace")
    print(f"{handle.id}: {await collect(handle)}")


if __name__ == "__main__":
    asyncio.run(main())
