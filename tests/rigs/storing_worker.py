"""A worker that puts large payloads into S3, with the SDK's own driver and this project's codec.

The driver's client is botocore: the one that comes with the SDK would bind it, for everything
here, to a narrow range of versions.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.aws.s3driver import S3StorageDriver, S3StorageDriverClient
from temporalio.converter import DataConverter, ExternalStorage
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from temporal_codec.plugin import EncryptionPlugin
from tests.rigs.secrets_manager import client as aws_client

TASK_QUEUE = "large"


class _S3(S3StorageDriverClient):
    def __init__(self, moto_port: int) -> None:
        self._client = aws_client(moto_port, "s3")

    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        await asyncio.to_thread(self._client.put_object, Bucket=bucket, Key=key, Body=data)

    async def object_exists(self, *, bucket: str, key: str) -> bool:
        found = await asyncio.to_thread(self._client.list_objects_v2, Bucket=bucket, Prefix=key)
        return bool(found["KeyCount"])

    async def get_object(self, *, bucket: str, key: str) -> bytes:
        def get() -> Any:
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

        body: bytes = await asyncio.to_thread(get)
        return body


@activity.defn
async def measure(text: str) -> str:
    """Give a large text back, so that its result is stored, too."""
    return f"canary-activity-{len(text)}-" + text


@workflow.defn
class Large:
    """Has a large input, a large result, and an activity that has both."""

    @workflow.run
    async def run(self, text: str, note: str) -> str:
        """Hand the text to an activity and give back what comes."""
        measured = await workflow.execute_activity(
            measure, text, start_to_close_timeout=timedelta(seconds=30)
        )
        return f"canary-result-{note}-" + measured


async def run_large(address: str, moto_port: int, bucket: str, ring: Path, text: str) -> str:
    """Run a workflow with this argument and a small one to its end; gives its id."""
    aws_client(moto_port, "s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    storage = ExternalStorage([S3StorageDriver(client=_S3(moto_port), bucket=bucket)])
    client = await Client.connect(
        address,
        data_converter=replace(DataConverter.default, external_storage=storage),
        plugins=[EncryptionPlugin(f"file:{ring}")],
    )
    name = f"large/ä {uuid4()}"  # each of which stands percent-encoded in a key
    async with Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Large],
        activities=[measure],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        await client.execute_workflow(
            Large.run, args=[text, "canary-note"], id=name, task_queue=TASK_QUEUE
        )
    return name
