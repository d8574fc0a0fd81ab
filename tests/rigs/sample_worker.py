"""A worker that encrypts as Temporal's official Python sample does, in a process of its own.

It knows nothing of this project's codec: what one seals and the other opens proves the format.
Started as ``python -m tests.rigs.sample_worker ADDRESS READY``; it makes the file READY when it
polls, and prints whatever its workflows and activities receive.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

TASK_QUEUE = "orders"
_KEY_ID, _KEY = b"test-key-id", b"test-key-test-key-test-key-test!"
_NONCE_BYTES = 12


class SampleCodec(PayloadCodec):
    """Seals every payload whole, and opens what has its encoding."""

    def __init__(self) -> None:
        """Take the sample's key."""
        self._cipher = AESGCM(_KEY)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See `PayloadCodec`."""
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See `PayloadCodec`."""
        return [self._open(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, payload.SerializeToString(), None)
        metadata = {"encoding": b"binary/encrypted", "encryption-key-id": _KEY_ID}
        return Payload(metadata=metadata, data=nonce + sealed)

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != b"binary/encrypted":
            return payload
        if payload.metadata.get("encryption-key-id") != _KEY_ID:
            raise ValueError("this worker has one key only")
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        return Payload.FromString(self._cipher.decrypt(nonce, sealed, None))


def _received(place: str, value: str) -> None:
    print(f"{place}: {value}", flush=True)


@activity.defn
async def pack(order: str) -> str:
    """Do some work that leaves traces in the history."""
    _received("activity input", order)
    return f"canary-activity-result of {order}"


@activity.defn
async def collapse(order: str) -> str:
    """Fail after a sign of life, and wait long for another try."""
    activity.heartbeat(f"canary-heartbeat of {order}")
    raise ApplicationError("canary-activity-failure", "canary-activity-detail")


@workflow.defn
class Order:
    """Collects what it is sent until it is closed."""

    def __init__(self) -> None:
        """Start with nothing received."""
        self._notes: list[str] = []
        self._closed = False

    @workflow.run
    async def run(self, order: str) -> str:
        """Give back everything that came."""
        _received("input", order)
        packed = await workflow.execute_activity(
            pack,
            order,
            start_to_close_timeout=timedelta(seconds=30),
            summary="canary-activity-summary",
        )
        await workflow.wait_condition(lambda: self._closed)
        return ", ".join(["canary-result", order, packed, *self._notes])

    @workflow.signal
    def note(self, text: str) -> None:
        """Keep a word."""
        _received("signal", text)
        self._notes.append(text)

    @workflow.signal
    def close(self) -> None:
        """Let the workflow end."""
        self._closed = True

    @workflow.query
    def status(self, question: str) -> str:
        """Say how things stand."""
        _received("query", question)
        return f"canary-query-result of {question}: {len(self._notes)}"

    @workflow.update
    def amend(self, text: str) -> str:
        """Keep a word and say so."""
        _received("update", text)
        self._notes.append(text)
        return f"canary-update-result of {text}"


@workflow.defn
class Trouble:
    """Has an activity that fails again and again, and fails itself when told to."""

    def __init__(self) -> None:
        """Start without having given up."""
        self._given_up = False

    @workflow.run
    async def run(self, order: str) -> str:
        """Fail, with details."""
        pending = workflow.start_activity(
            collapse,
            order,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(initial_interval=timedelta(hours=1)),
        )
        await workflow.wait_condition(lambda: self._given_up)
        pending.cancel()
        raise ApplicationError("canary-failure", f"canary-failure-detail of {order}")

    @workflow.signal
    def give_up(self) -> None:
        """Let the workflow fail."""
        self._given_up = True


async def _main(address: str, ready: Path) -> None:
    converter = replace(
        DataConverter.default,
        payload_codec=SampleCodec(),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
    client = await Client.connect(address, data_converter=converter)
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Order, Trouble],
        activities=[pack, collapse],
        # The sandbox is for workflows that must be kept from side effects: these print on purpose.
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        ready.touch()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2])))
