"""Callers in one namespace, handlers in another, and every way in which an operation ends."""

import uuid
from datetime import timedelta
from typing import Any

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import activity, nexus, workflow
from temporalio.client import WorkflowUpdateStage
from temporalio.exceptions import ApplicationError, NexusOperationError

ENDPOINT = "billing-endpoint"
HANDLERS = "billing-tasks"
LEDGER = "ledger"
UPDATE = "by_update"


@workflow.defn
class Invoice:
    """Backs an operation; it goes on in a second run."""

    @workflow.run
    async def run(self, order: str) -> str:
        """Return an invoice, or fail with a message, details and a cause."""
        if order.startswith("fail"):
            try:
                raise ValueError(f"canary cause of {order}")
            except ValueError as error:
                raise ApplicationError(f"canary refused {order}", "canary detail") from error
        if not order.endswith("again"):
            workflow.continue_as_new(f"{order} again")
        return f"canary invoice for {order}"


def answer(order: str) -> str:
    """An answer, or a failure with a message, details and a cause."""
    if order.startswith("fail"):
        try:
            raise ValueError(f"canary cause of {order}")
        except ValueError as error:
            raise ApplicationError(
                f"canary refused {order}", "canary detail", non_retryable=True
            ) from error
    return f"canary entry for {order}"


@activity.defn
async def write(order: str) -> str:
    """Back an operation."""
    return answer(order)


@workflow.defn
class Ledger:
    """Backs operations by updates, and never ends."""

    @workflow.run
    async def run(self) -> None:
        """Wait."""
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def enter(self, order: str) -> str:
        """Answer a moment later, so that the operation is asynchronous."""
        await workflow.sleep(0.2)
        return answer(order)


@nexusrpc.service
class Billing:
    """Writes invoices."""

    at_once: nexusrpc.Operation[str, str]
    refuse: nexusrpc.Operation[str, str]
    later: nexusrpc.Operation[str, str]
    by_activity: nexusrpc.Operation[str, str]
    by_update: nexusrpc.Operation[str, str]


@service_handler(service=Billing)
class BillingHandler:
    """Answers at once, refuses, or has a workflow answer."""

    @sync_operation
    async def at_once(self, _context: StartOperationContext, order: str) -> str:
        """Answer."""
        return f"canary receipt for {order}"

    @sync_operation
    async def refuse(self, _context: StartOperationContext, order: str) -> str:
        """Fail."""
        raise nexusrpc.OperationError(
            f"canary refused {order}", state=nexusrpc.OperationErrorState.FAILED
        )

    @nexus.workflow_run_operation
    async def later(
        self, context: nexus.WorkflowRunOperationContext, order: str
    ) -> nexus.WorkflowHandle[str]:
        """Start a workflow that answers."""
        return await context.start_workflow(Invoice.run, order, id=f"invoice-{uuid.uuid4()}")

    @nexus.temporal_operation
    async def by_activity(
        self,
        _context: nexus.TemporalStartOperationContext,
        client: nexus.TemporalNexusClient,
        order: str,
    ) -> nexus.TemporalOperationResult[str]:
        """Start an activity that answers."""
        return await client.start_activity(
            write, order, id=f"write-{uuid.uuid4()}", start_to_close_timeout=timedelta(seconds=10)
        )

    @nexus.temporal_operation
    async def by_update(
        self,
        _context: nexus.TemporalStartOperationContext,
        client: nexus.TemporalNexusClient,
        order: str,
    ) -> nexus.TemporalOperationResult[str]:
        """Have an open workflow answer in an update."""
        return await client.start_workflow_update(
            LEDGER, Ledger.enter, order, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )


@workflow.defn
class Order:
    """Calls an operation and says what became of it."""

    @workflow.run
    async def run(self, operation: str, order: str) -> str:
        """Return the result, or the messages of the failure and its causes."""
        billing: Any = workflow.create_nexus_client(service=Billing, endpoint=ENDPOINT)
        try:
            return str(
                await billing.execute_operation(
                    getattr(Billing, operation),
                    order,
                    # A Service before 1.32 never completes what an update backs.
                    schedule_to_close_timeout=timedelta(seconds=5 if UPDATE in operation else 30),
                )
            )
        except NexusOperationError as error:
            messages, cause = [], error.cause
            while cause is not None:
                messages.append(str(cause))
                cause = cause.__cause__
            return " < ".join(messages)
