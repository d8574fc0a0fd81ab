"""`make demo`: a Temporal Service, a Codec Server, a worker, orders, and where to look at them."""

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError

from examples.orders.connection import connect
from examples.orders.starter import collect, open_billing, order_regularly, place
from examples.orders.worker import make_worker
from temporal_codec import Keyring
from temporal_codec.keys.keyring import new_key

CUSTOMER = "Ada Lovelace"
_PATIENCE_SECONDS = 60


async def run(options: Namespace) -> None:
    """Run everything until interrupted, or until the orders are placed."""
    with tempfile.TemporaryDirectory() as folder:
        ring = f"file:{_new_ring(Path(folder))}"
        with _codec_server(options, ring), _temporal_service(options):
            client = await _patiently(f"127.0.0.1:{options.port}", ring)
            async with make_worker(client):
                await _orders(client, options)
                if not options.once:
                    print("Ctrl-C ends all of it.", flush=True)
                    await asyncio.Event().wait()


async def _orders(client: Client, options: Namespace) -> None:
    await open_billing(client)
    await order_regularly(client, CUSTOMER)
    done = await place(client, CUSTOMER)
    print(f"An order from start to end: {await collect(done)}.")
    waiting = await place(client, CUSTOMER)
    ui = f"http://localhost:{options.ui_port}/namespaces/default"
    print("The Temporal Service has ciphertext alone. The Web UI asks the Codec Server:")
    print(f"  an order that is done       {ui}/workflows/{done.id}")
    print(f"  one that waits for Ada      {ui}/workflows/{waiting.id}")
    print(f"  what she orders every week  {ui}/schedules")


def _new_ring(folder: Path) -> Path:
    ring = folder / "ring.json"
    ring.write_bytes(Keyring([new_key(datetime.now(UTC), wait=timedelta())]).to_json())
    return ring


@contextmanager
def _codec_server(options: Namespace, ring: str) -> Iterator[None]:
    pages = (f"http://{host}:{options.ui_port}" for host in ("localhost", "127.0.0.1"))
    settings = {
        "PORT": str(options.codec_port),
        "CODEC_KEYRING": ring,
        "CODEC_ORIGINS": ",".join(pages),
    }
    with _running([sys.executable, "-m", "handlers.local"], settings):
        yield


@contextmanager
def _temporal_service(options: Namespace) -> Iterator[None]:
    command = ["temporal", "server", "start-dev", "--log-level", "error"]
    command += ["--port", str(options.port), "--ui-port", str(options.ui_port)]
    command += ["--ui-codec-endpoint", f"http://127.0.0.1:{options.codec_port}"]
    with _running(command, {}):
        yield


@contextmanager
def _running(command: Sequence[str], settings: dict[str, str]) -> Iterator[None]:
    # A group of its own: Ctrl-C is for us, who stop them in order.
    process = subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


async def _patiently(address: str, ring: str) -> Client:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            client = await connect(address, ring, sender="the shop's window")
            await client.count_workflows()  # it listens a moment before it knows its namespaces
        except (RuntimeError, RPCError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return client


def main() -> None:
    """Read the command line, and run."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the orders are placed")
    parser.add_argument("--port", type=int, default=7233, help="of the Temporal Service")
    parser.add_argument("--ui-port", type=int, default=8233, help="of the Web UI")
    parser.add_argument("--codec-port", type=int, default=8081, help="of the Codec Server")
    # Some activities fail on purpose, which a worker warns of.
    logging.getLogger("temporalio").setLevel(logging.ERROR)
    try:
        asyncio.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
