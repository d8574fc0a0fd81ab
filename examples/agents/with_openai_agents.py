"""OpenAI Agents: `OPENAI_API_KEY=... python -m examples.agents.with_openai_agents`.

Install: pip install "temporalio[openai-agents]"
"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

from agents import Agent, ModelProvider, Runner
from temporalio import workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin
from temporalio.worker import Worker

from temporal_codec.plugin import EncryptionPlugin

TASK_QUEUE = "openai-agents"


@workflow.defn
class Ask:
    """Asks a model; each call of the model is an activity."""

    @workflow.run
    async def run(self, question: str) -> str:
        """Return the model's answer."""
        agent = Agent(name="Clerk", instructions="Answer in one sentence.")
        return str((await Runner.run(agent, question)).final_output)


async def ask(question: str, ring: str = "development", models: ModelProvider | None = None) -> str:
    """Run a worker for one question."""
    parameters = ModelActivityParameters(start_to_close_timeout=timedelta(seconds=60))
    agents = OpenAIAgentsPlugin(model_params=parameters, model_provider=models)
    settings: Any = {"target_host": "localhost:7233", **ClientConfig.load_client_connect_config()}
    # EncryptionPlugin is the last one: it keeps the other's payload converter.
    client = await Client.connect(**settings, plugins=[agents, EncryptionPlugin(ring)])
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[Ask]):
        return await client.execute_workflow(
            Ask.run, question, id=f"ask-{uuid4()}", task_queue=TASK_QUEUE
        )


if __name__ == "__main__":
    print(asyncio.run(ask("What does a codec server do?")))
