"""A worker in modules: the workflow stands in one that knows nothing of encryption."""

import asyncio
from typing import Any
from uuid import uuid4

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from temporal_codec.plugin import EncryptionPlugin
from tests.rigs.workers.split_workflow import Greet


async def main() -> None:
    """Greet once."""
    settings: Any = ClientConfig.load_client_connect_config()
    client = await Client.connect(**settings, plugins=[EncryptionPlugin("development")])
    async with Worker(client, task_queue="split", workflows=[Greet]):
        name = f"split-{uuid4()}"
        print(await client.execute_workflow(Greet.run, "Ada", id=name, task_queue="split"))


if __name__ == "__main__":
    asyncio.run(main())
