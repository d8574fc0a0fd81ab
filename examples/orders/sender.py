"""An interceptor that says in a header who started a workflow. Headers are encrypted, too."""

from typing import Any

from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowHandle,
)
from temporalio.converter import PayloadConverter


class SenderHeader(Interceptor):
    """Adds the header `sender` to what a client starts."""

    def __init__(self, sender: str) -> None:
        """Take who it is."""
        self._sender = sender

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 — the SDK's name
        """See `temporalio.client.Interceptor`."""
        return _Outbound(next, self._sender)


class _Outbound(OutboundInterceptor):
    def __init__(self, following: OutboundInterceptor, sender: str) -> None:
        super().__init__(following)
        self._sender = PayloadConverter.default.to_payloads([sender])[0]

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 — the SDK's name
        input.headers = {**input.headers, "sender": self._sender}
        return await super().start_workflow(input)
