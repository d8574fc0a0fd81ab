"""Nexus between two namespaces on a real Temporal, each with a ring of its own and a shared one.

What belongs to an operation opens in both namespaces, and nothing else of one opens in the other.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import Client
from temporalio.converter import NexusSerializationContext
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Worker

from temporal_codec import Keyring, PayloadError
from temporal_codec.nexus import ENDPOINT as NAME_OF_HEADER
from temporal_codec.nexus import NexusCodec, payloads_of
from temporal_codec.nexus_interceptor import NexusInterceptor
from temporal_codec.plugin import EncryptionPlugin
from tests.codec.rings import key, source_of
from tests.rigs.temporal import DevServer, dev_server
from tests.rigs.workers.nexus import (
    ENDPOINT,
    HANDLERS,
    LEDGER,
    BillingHandler,
    Invoice,
    Ledger,
    Order,
    write,
)

pytestmark = pytest.mark.real("Temporal")

ORDERS, BILLING, SHARED = b"key-1", b"key-2", b"key-3"
CALLS = {
    ("at_once", "kettle"): "canary receipt for kettle",
    ("refuse", "kettle"): "OperationError: canary refused kettle",
    ("later", "kettle"): "canary invoice for kettle again",
    (
        "later",
        "fail kettle",
    ): "canary refused fail kettle < ValueError: canary cause of fail kettle",
}
# What activities and updates back: the Service must know these, and one of 1.29 does not.
BACKED = {
    ("by_activity", "kettle"): ("canary entry for kettle", "handler error (NOT_IMPLEMENTED)"),
    ("by_activity", "fail kettle"): ("canary refused fail", "handler error (NOT_IMPLEMENTED)"),
    ("by_update", "kettle"): ("canary entry for kettle", "operation timed out"),
    ("by_update", "fail kettle"): ("canary refused fail kettle", "operation timed out"),
}
OPERATION_EVENTS = {
    "NEXUS_OPERATION_SCHEDULED",
    "NEXUS_OPERATION_COMPLETED",
    "NEXUS_OPERATION_FAILED",
}


@dataclass
class Story:
    """What became of each call, and every payload of both namespaces by event."""

    results: dict[tuple[str, str], str]
    events: dict[str, list[tuple[str, Payload]]]
    opened: dict[tuple[str, str], set[bytes]]
    """For a namespace's payloads and a reader's namespace: the ids of keys that opened some."""


async def connect(server: DevServer, namespace: str, number: int) -> Client:
    """A client of a namespace with a ring of its own and the shared one."""
    shared = source_of(Keyring([key(3)]))
    plugin = EncryptionPlugin(source_of(Keyring([key(number)])), nexus={ENDPOINT: shared})
    return await Client.connect(server.address, namespace=namespace, plugins=[plugin])


async def payloads_in(client: Client) -> list[tuple[str, Payload]]:
    """All payloads of a namespace's histories, each with its event."""
    found = []
    async for each in client.list_workflows():
        history = await client.get_workflow_handle(each.id, run_id=each.run_id).fetch_history()
        for event in history.events:
            kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
            found += [(kind, payload) for payload in payloads_of(event)]
    return found


async def opens(client: Client, payload: Payload) -> bool:
    """Whether a namespace's keys open a payload, without any context."""
    codec = client.data_converter.payload_codec
    assert codec is not None
    try:
        await codec.decode([payload])
    except PayloadError:
        return False
    return True


async def tell(server: DevServer) -> Story:
    """Make each call once."""
    clients = {
        "orders": await connect(server, "orders", 1),
        "billing": await connect(server, "billing", 2),
    }
    orders, billing = clients.values()
    spec = EndpointSpec(name=ENDPOINT)
    target = EndpointTarget.Worker(namespace="billing", task_queue=HANDLERS)
    spec.target.worker.CopyFrom(target)
    await orders.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    results = {}
    async with (
        Worker(orders, task_queue="orders", workflows=[Order]),
        Worker(
            billing,
            task_queue=HANDLERS,
            workflows=[Invoice, Ledger],
            activities=[write],
            nexus_service_handlers=[BillingHandler()],
        ),
    ):
        await billing.start_workflow(Ledger.run, id=LEDGER, task_queue=HANDLERS)
        for call in (*CALLS, *BACKED):
            results[call] = await orders.execute_workflow(
                Order.run, args=[*call], id=f"order-{uuid4()}", task_queue="orders"
            )
    for _ in range(100):  # the list of workflows is a moment behind
        events = {name: await payloads_in(each) for name, each in clients.items()}
        kinds = [kind for found in events.values() for kind, _ in found]
        if kinds.count("WORKFLOW_EXECUTION_COMPLETED") == len({*CALLS, *BACKED}) + 1:
            break
        await asyncio.sleep(0.2)
    opened = {
        (namespace, reader): {
            payload.metadata["encryption-key-id"]
            for _, payload in found
            if await opens(client, payload)
        }
        for namespace, found in events.items()
        for reader, client in clients.items()
    }
    return Story(results, events, opened)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """Told once."""
    with dev_server("orders", "billing") as server:
        yield asyncio.run(tell(server))


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_an_operation_between_namespaces_ends_as_it_should(
    story: Story, call: tuple[str, str]
) -> None:
    """A result or a failure, at once or asynchronous, in a second run too."""
    assert story.results[call] == CALLS[call]


@pytest.mark.parametrize("call", BACKED, ids=" ".join)
def test_an_operation_of_an_activity_or_an_update_ends_as_the_service_can(
    story: Story, call: tuple[str, str]
) -> None:
    """With its answer on a Service that completes it, else as docs/workers.md says."""
    assert story.results[call].startswith(BACKED[call])


def test_everything_is_encrypted(story: Story) -> None:
    found = [payload for each in story.events.values() for _, payload in each]
    assert {payload.metadata["encoding"] for payload in found} == {b"binary/encrypted"}


def test_an_operations_payloads_have_the_shared_key_and_no_others_in_the_callers_namespace(
    story: Story,
) -> None:
    for kind, payload in story.events["orders"]:
        expected = SHARED if kind in OPERATION_EVENTS else ORDERS
        assert payload.metadata["encryption-key-id"] == expected, kind


def test_only_what_completes_an_operation_has_the_shared_key_in_the_handlers_namespace(
    story: Story,
) -> None:
    """The workflow's input and its second run's are the handlers' own."""
    completes = {
        "WORKFLOW_EXECUTION_COMPLETED",
        "WORKFLOW_EXECUTION_FAILED",
        "WORKFLOW_EXECUTION_UPDATE_COMPLETED",
    }
    kinds = {kind for kind, _ in story.events["billing"]}
    assert kinds > completes
    for kind, payload in story.events["billing"]:
        expected = SHARED if kind in completes else BILLING
        assert payload.metadata["encryption-key-id"] == expected, kind


@pytest.mark.parametrize(
    ("namespace", "reader", "expected"),
    [
        ("orders", "orders", {ORDERS, SHARED}),
        ("orders", "billing", {SHARED}),
        ("billing", "billing", {BILLING, SHARED}),
        ("billing", "orders", {SHARED}),
    ],
)
def test_who_opens_what(story: Story, namespace: str, reader: str, expected: set[bytes]) -> None:
    assert story.opened[namespace, reader] == expected


def test_each_endpoint_has_its_ring() -> None:
    """A newer Service tells handlers the endpoint; one that has no ring is the namespace's."""
    rings = {"a": source_of(Keyring([key(3)])), "b": source_of(Keyring([key(4)]))}
    plugin = EncryptionPlugin(source_of(Keyring([key(1)])), nexus=rings)
    codec = plugin._codec("orders")
    assert isinstance(codec, NexusCodec)

    def sealed_for(endpoint: str) -> bytes:
        context = NexusSerializationContext(endpoint=endpoint, service="s", operation="o")
        payload = Payload(metadata={"encoding": b"json/plain"}, data=b"1")
        sealed = asyncio.run(codec.with_context(context).encode([payload]))
        assert asyncio.run(codec.decode(sealed)) == [payload]
        return sealed[0].metadata["encryption-key-id"]

    assert [sealed_for(each) for each in ("a", "b", "c", "")] == [
        *(b"key-3", b"key-4", b"key-1", b"key-1")
    ]


@pytest.mark.parametrize("order", ["kettle", "fail kettle"])
def test_what_an_activity_answers_has_the_shared_key(order: str) -> None:
    """In the SDK's environment for activities, since the Service here starts none on their own."""
    converter = asyncio.run(connect_lazily()).data_converter
    header = Payload(metadata={"encoding": b"binary/plain"}, data=ENDPOINT.encode())
    given = ExecuteActivityInput(write, [order], None, {NAME_OF_HEADER: header})

    class Runs(ActivityInboundInterceptor):
        def __init__(self) -> None:
            """It is the innermost."""

        async def execute_activity(self, input: ExecuteActivityInput) -> object:  # noqa: A002
            return await write(*input.args)

    async def sealed() -> list[Payload]:
        inbound = NexusInterceptor("").intercept_activity(Runs())
        try:
            return await converter.encode([await environment.run(inbound.execute_activity, given)])
        except ApplicationError as error:
            failure = Failure()
            await converter.encode_failure(error, failure)
            return list(payloads_of(failure))

    environment = ActivityEnvironment()
    found = asyncio.run(sealed())
    assert {each.metadata["encryption-key-id"] for each in found} == {SHARED}


async def connect_lazily() -> Client:
    """A client as the handlers have, which never connects."""
    shared = source_of(Keyring([key(3)]))
    plugin = EncryptionPlugin(source_of(Keyring([key(2)])), nexus={ENDPOINT: shared})
    return await Client.connect("127.0.0.1:1", namespace="billing", plugins=[plugin], lazy=True)


@pytest.mark.parametrize("shared", ["file:ring.json", "secretsmanager:codec/{namespace}"])
def test_a_shared_ring_is_not_a_namespaces(shared: str) -> None:
    with pytest.raises(ValueError, match="must be one that its callers and handlers share"):
        EncryptionPlugin("file:ring.json", nexus={"a": shared})
