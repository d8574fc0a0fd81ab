"""A worker whose plugin, workflow and own workflow runner stand in one file.

Started as ``python -m tests.rigs.workers.runners KIND``, where KIND is a key of RUNNERS.
"""

import asyncio
import dataclasses
import sys
from typing import Any
from uuid import uuid4

from temporalio import workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from temporal_codec.plugin import EncryptionPlugin

# As many have it: made when the module is loaded, in the sandbox too.
encryption = EncryptionPlugin("secretsmanager:temporal-codec/{namespace}", compress=True)


@workflow.defn
class Greet:
    """The plainest workflow."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Return a greeting."""
        return f"Hello, {name}!"


class OwnRunner(SandboxedWorkflowRunner):
    """A runner of the user's own, whose constructor is its own, too."""

    def __init__(self, name: str) -> None:
        super().__init__(restrictions=SandboxRestrictions.default)
        object.__setattr__(self, "name", name)


def own_restrictions() -> WorkflowRunner:
    """A sandbox that the user has changed; the change must survive."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("pydantic")
    return SandboxedWorkflowRunner(
        restrictions=dataclasses.replace(restrictions, disable_lazy_sys_module_passthrough=True)
    )


RUNNERS = {
    "default": SandboxedWorkflowRunner,
    "own-restrictions": own_restrictions,
    "own-class": lambda: OwnRunner("mine"),
    "unsandboxed": UnsandboxedWorkflowRunner,
}


async def main(kind: str) -> None:
    """Greet once."""
    settings: Any = ClientConfig.load_client_connect_config()
    client = await Client.connect(**settings, plugins=[EncryptionPlugin("development")])
    async with Worker(client, task_queue=kind, workflows=[Greet], workflow_runner=RUNNERS[kind]()):
        name = f"{kind}-{uuid4()}"
        print(await client.execute_workflow(Greet.run, "Ada", id=name, task_queue=kind))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
