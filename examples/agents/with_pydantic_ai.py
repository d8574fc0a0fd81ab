"""Pydantic AI: `OPENAI_API_KEY=... python -m examples.agents.with_pydantic_ai`.

Install: pip install "pydantic-ai-slim[openai,temporal]"
"""

import asyncio
import os
from typing import Any
from uuid import uuid4

from pydantic_ai import Agent
from pydantic_ai.durable_exec.temporal import PydanticAIPlugin, TemporalDurability
from temporalio import workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from temporal_codec.plugin import EncryptionPlugin

TASK_QUEUE = "pydantic-ai"

clerk = Agent(
    os.environ.get("MODEL", "openai:gpt-5"),  # `test` is a model that needs no network
    name="clerk",
    instructions="Answer in one sentence.",
    capabilities=[TemporalDurability()],
)


@workflow.defn
class Ask:
    """Asks a model; each call of the model is an activity."""

    __pydantic_ai_agents__ = (clerk,)

    @workflow.run
    async def run(self, question: str) -> str:
        """Return the model's answer."""
        return str((await clerk.run(question)).output)


async def ask(question: str, ring: str = "development") -> str:
    """Run a worker for one question."""
    settings: Any = {"target_host": "localhost:7233", **ClientConfig.load_client_connect_config()}
    # EncryptionPlugin is the last one: it keeps the other's payload converter.
    plugins = [PydanticAIPlugin(), EncryptionPlugin(ring)]
    client = await Client.connect(**settings, plugins=plugins)
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[Ask]):
        return await client.execute_workflow(
            Ask.run, question, id=f"ask-{uuid4()}", task_queue=TASK_QUEUE
        )


if __name__ == "__main__":
    print(asyncio.run(ask("What does a codec server do?")))
