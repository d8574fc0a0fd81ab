"""A Nexus service, which could as well be in another namespace."""

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation

ENDPOINT = "billing"


@nexusrpc.service
class Billing:
    """Writes invoices."""

    invoice: nexusrpc.Operation[str, str]


@service_handler(service=Billing)
class BillingHandler:
    """Answers at once."""

    @sync_operation
    async def invoice(self, _context: StartOperationContext, order: str) -> str:
        """Write an invoice."""
        return f"invoice for {order}"
