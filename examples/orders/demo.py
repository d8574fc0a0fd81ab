"""`make demo`: a Temporal Service, a Codec Server, a worker, orders, and where to look at them."""

import asyncio
import logging
import signal
import subprocess
import tempfile
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from examples.orders.connection import connect
from examples.orders.services import Ports, choose, codec_server, refuse, temporal_service
from examples.orders.starter import collect, open_billing, order_regularly, place
from examples.orders.worker import make_worker
from temporal_codec import Keyring
from temporal_codec.keys.key import new_key

CUSTOMER = "Ada Lovelace"
_PATIENCE_SECONDS = 60


async def run(options: Namespace) -> None:
    """Run everything until interrupted or terminated, or until the orders are placed."""
    task = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if task:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    ports = Ports(
        choose("port", options.port, 7233),
        choose("ui-port", options.ui_port, 8233),
        choose("codec-port", options.codec_port, 8081),
    )
    mark = f"demo-{uuid4()}"
    with tempfile.TemporaryDirectory() as folder:
        ring = f"file:{_new_ring(Path(folder))}"
        with codec_server(ports, ring) as codec, temporal_service(ports, mark) as temporal:
            address = f"127.0.0.1:{ports.temporal}"
            await _started(address, mark, [codec, temporal])
            client = await connect(address, ring, sender="the shop's window")
            async with make_worker(client):
                await _orders(client, ports)
                if not options.once:
                    print("Press Ctrl-C to stop everything.", flush=True)
                    await asyncio.Event().wait()


async def _orders(client: Client, ports: Ports) -> None:
    await open_billing(client)
    await order_regularly(client, CUSTOMER)
    done = await place(client, CUSTOMER)
    print(f"An order from start to end: {await collect(done)}.")
    waiting = await place(client, CUSTOMER)
    ui = f"http://localhost:{ports.ui}/namespaces/default"
    print("The Temporal Service has only ciphertext. The Web UI decodes it with the Codec Server:")
    print(f"  an order that is done       {ui}/workflows/{done.id}")
    print(f"  one that waits for Ada      {ui}/workflows/{waiting.id}")
    print(f"  what she orders every week  {ui}/schedules")


def _new_ring(folder: Path) -> Path:
    ring = folder / "ring.json"
    ring.write_bytes(Keyring([new_key(datetime.now(UTC), wait=timedelta())]).to_json())
    return ring


async def _started(address: str, mark: str, processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait for the Temporal Service of this demo; one that another started has no such namespace.

    Nothing is sent before but the question for that namespace.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not await _has_namespace(address, mark):
        if any(process.poll() is not None for process in processes):
            refuse("a part of it ended at once. Its last line above says why.")
        if time.monotonic() > deadline:
            refuse(f"the Temporal Service did not start within {_PATIENCE_SECONDS} seconds.")
        await asyncio.sleep(0.2)


async def _has_namespace(address: str, name: str) -> bool:
    try:
        client = await Client.connect(address)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        await client.count_workflows()  # it listens a moment before it knows its namespaces
    except (RuntimeError, RPCError):
        return False
    return True


def main() -> None:
    """Read the command line, and run."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the orders are placed")
    parser.add_argument("--port", type=int, help="of the Temporal Service, 7233 where it is free")
    parser.add_argument("--ui-port", type=int, help="of the Web UI, 8233 where it is free")
    parser.add_argument("--codec-port", type=int, help="of the Codec Server, 8081 where it is free")
    # Some activities fail on purpose, which a worker warns of.
    logging.getLogger("temporalio").setLevel(logging.ERROR)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
