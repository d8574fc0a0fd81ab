"""An order from its placing to its collection.

Workflow code knows nothing of encryption. What `workflow.uuid4()`, `workflow.now()` and
`workflow.random()` give is no payload: it follows from the history, and nothing is recorded.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from examples.orders.activities import charge, check_credit, pack, ship
    from examples.orders.billing import ENDPOINT, Billing

_SOON: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=30)}


@dataclass
class Order:
    """What a customer wants."""

    customer: str
    item: str
    collected: bool = False


@workflow.defn
class GiftWrap:
    """A child workflow that succeeds; a schedule starts it, too."""

    @workflow.run
    async def run(self, gift: str) -> str:
        """Wrap a gift."""
        return f"wrapped: {gift}"


@workflow.defn
class Refund:
    """A child workflow that fails."""

    @workflow.run
    async def run(self, payment: str) -> None:
        """Find that nothing was paid."""
        raise ApplicationError(f"not found: {payment}", f"account of {payment}")


@workflow.defn
class OrderWorkflow:
    """Does what there is to do, and waits until the customer collects the parcel."""

    def __init__(self) -> None:
        """Start without a wish."""
        self._wishes: list[str] = []
        self._collected = False

    @workflow.run
    async def run(self, order: Order) -> str:
        """Give back what became of the order."""
        if not order.collected:
            await self._fulfil(order)  # which ends this run, and starts another
        return f"{order.item} collected by {order.customer}"

    async def _fulfil(self, order: Order) -> None:
        await self._prepare(order.customer)
        await self._pay(order.customer)
        shipping = workflow.start_activity(
            ship,
            f"parcel to be shipped to {order.customer}",
            retry_policy=RetryPolicy(initial_interval=timedelta(hours=1)),
            **_SOON,
        )
        await workflow.wait_condition(lambda: self._collected)
        shipping.cancel()
        workflow.continue_as_new(replace(order, collected=True))

    async def _prepare(self, customer: str) -> None:
        credit = await workflow.execute_local_activity(check_credit, customer, **_SOON)
        workflow.upsert_memo({"credit": credit})
        await workflow.sleep(
            timedelta(milliseconds=1), summary=f"time for {customer} to think again"
        )
        await workflow.execute_activity(
            pack, f"parcel for {customer}", summary=f"packing for {customer}", **_SOON
        )
        await workflow.execute_child_workflow(
            GiftWrap.run,
            f"gift for {customer}",
            id=f"{workflow.info().workflow_id}-gift",
            memo={"ribbon": f"ribbon for {customer}"},
            static_summary=f"wrapping for {customer}",
            static_details=f"colors that {customer} likes",
        )

    async def _pay(self, customer: str) -> None:
        billing = workflow.create_nexus_client(service=Billing, endpoint=ENDPOINT)
        await billing.execute_operation(Billing.invoice, f"the order of {customer}")
        try:
            await workflow.execute_activity(charge, f"the card of {customer}", **_SOON)
        except ActivityError:
            workflow.logger.info("The card was refused: payment is due on collection.")
        try:
            await workflow.execute_child_workflow(
                Refund.run,
                f"the payment of {customer}",
                id=f"{workflow.info().workflow_id}-refund",
            )
        except ChildWorkflowError:
            workflow.logger.info("There is nothing to refund.")

    @workflow.signal
    def wish(self, wish: str) -> None:
        """Note a wish."""
        self._wishes.append(wish)

    @workflow.signal
    def collect(self) -> None:
        """Hand the parcel out."""
        self._collected = True

    @workflow.query
    def status(self, asked_by: str) -> str:
        """Say how things stand."""
        return f"{asked_by} has {len(self._wishes)} wishes"

    @workflow.update
    def change_address(self, address: str) -> str:
        """Change the address, and say so."""
        return f"changed: {address}"
