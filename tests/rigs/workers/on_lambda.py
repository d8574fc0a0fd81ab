"""The example for Lambda, invoked twice as Lambda invokes it, with work for each invocation."""

import asyncio
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from tests.rigs.processes import ROOT

sys.path.insert(0, str(ROOT / "examples/lambda_worker"))  # which is the function's folder

from handler import VERSION, encryption, lambda_handler
from workflows import Greeting


@dataclass
class Context:
    """What Lambda tells of an invocation."""

    ends: float
    aws_request_id: str = "1"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:1:function:worker"

    def get_remaining_time_in_millis(self) -> int:
        """See Lambda's context."""
        return int(1000 * (self.ends - time.monotonic()))


async def give_work() -> str:
    """Start a workflow of this version, and wait for its result."""
    settings: Any = ClientConfig.load_client_connect_config()
    client = await Client.connect(**settings, plugins=[encryption])
    while True:
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=client.namespace,
            deployment_name=VERSION.deployment_name,
            build_id=VERSION.build_id,
            identity="test",
        )
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
            break
        except RPCError:  # the worker has not polled yet
            await asyncio.sleep(0.2)
    identity = f"lambda-{uuid4()}"
    return str(
        await client.execute_workflow(Greeting.run, "Ada", id=identity, task_queue="greetings")
    )


if __name__ == "__main__":
    for _ in range(2):
        starter = threading.Thread(target=lambda: print(asyncio.run(give_work())))
        starter.start()
        lambda_handler({}, Context(time.monotonic() + 16))
        starter.join()
