"""Callers in one namespace, handlers in another, and every way in which an operation ends."""

import uuid
from datetime import timedelta
from typing import Any

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import nexus, workflow
from temporalio.exceptions import ApplicationError, NexusOperationError

ENDPOINT = "billing-endpoint"
HANDLERS = "billing-tasks"


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


@nexusrpc.service
class Billing:
    """Writes invoices."""

    at_once: nexusrpc.Operation[str, str]
    refuse: nexusrpc.Operation[str, str]
    later: nexusrpc.Operation[str, str]


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
                    schedule_to_close_timeout=timedelta(seconds=30),
                )
            )
        except NexusOperationError as error:
            messages, cause = [], error.cause
            while cause is not None:
                messages.append(str(cause))
                cause = cause.__cause__
            return " < ".join(messages)
