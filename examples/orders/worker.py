"""The worker: `python -m examples.orders.worker`."""

import asyncio

from temporalio.client import Client
from temporalio.worker import Worker

from examples.orders.activities import charge, check_credit, pack, ship
from examples.orders.billing import BillingHandler
from examples.orders.connection import TASK_QUEUE, connect
from examples.orders.workflows import GiftWrap, OrderWorkflow, Refund

WORKFLOWS = [OrderWorkflow, GiftWrap, Refund]


def make_worker(client: Client) -> Worker:
    """A worker for a client; the client's plugin is the worker's, too."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[check_credit, pack, charge, ship],
        nexus_service_handlers=[BillingHandler()],
    )


async def main() -> None:
    """Work until interrupted."""
    await make_worker(await connect()).run()


if __name__ == "__main__":
    asyncio.run(main())
