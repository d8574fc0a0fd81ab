"""The example for OpenAI Agents, with a model that is not one."""

import asyncio

from temporalio.openai_agents.testing import ResponseBuilders, TestModel, TestModelProvider

from examples.agents.with_openai_agents import ask

if __name__ == "__main__":
    model = TestModel.returning_responses([ResponseBuilders.output_message("canary answer")])
    print(asyncio.run(ask("canary question", models=TestModelProvider(model))))
