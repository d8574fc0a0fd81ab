"""The example's shop, open: one order waits to be collected, and one schedule is made.

Started as ``python -m tests.rigs.shop ADDRESS READY CUSTOMER``; it makes READY, which names order,
run and schedule, once the order's shipping has failed, and works until it is ended.
"""

import asyncio
import json
import sys
from pathlib import Path

from examples.orders.connection import connect
from examples.orders.starter import open_billing, order_regularly, place
from examples.orders.worker import make_worker


async def main(address: str, ready: Path, customer: str) -> None:
    """Serve until killed."""
    client = await connect(address, sender=f"desk of {customer}")
    await open_billing(client)
    async with make_worker(client):
        schedule = await order_regularly(client, customer)
        order = await place(client, customer)
        while not any(
            each.HasField("last_failure")
            for each in (await order.describe()).raw_description.pending_activities
        ):
            await asyncio.sleep(0.1)
        made = {"order": order.id, "run": order.first_execution_run_id, "schedule": schedule.id}
        ready.with_suffix(".tmp").write_text(json.dumps(made))
        ready.with_suffix(".tmp").replace(ready)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
