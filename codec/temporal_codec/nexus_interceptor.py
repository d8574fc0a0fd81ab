# ruff: noqa: A002, ANN401 — the names and types are the SDK's
"""Hands a Nexus operation's endpoint on to whatever backs the operation (see `nexus`)."""

from collections.abc import Awaitable, Mapping
from typing import Any

from temporalio import activity, client, nexus, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.nexus import _operation_context

from temporal_codec.nexus import ATTRIBUTE, ENDPOINT

# The SDK has no public name for it. Without it, all that a handler starts counts as backing.
_backs_operation = getattr(_operation_context, "_in_nexus_backing_start_context", lambda: True)


class NexusInterceptor(client.Interceptor, worker.Interceptor):
    """Hands the endpoint on from an operation's handler to whatever backs the operation."""

    def __init__(self, default: str) -> None:
        """Take the endpoint of an operation whose Service does not tell it."""
        self._default = default

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """See `temporalio.client.Interceptor`."""
        return _Client(next, self._default)

    def intercept_activity(
        self,
        next: worker.ActivityInboundInterceptor,
    ) -> worker.ActivityInboundInterceptor:
        """See `temporalio.worker.Interceptor`."""
        return _Activity(next)

    def workflow_interceptor_class(
        self, _input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """See `temporalio.worker.Interceptor`."""
        return _Workflow


class _Client(client.OutboundInterceptor):
    def __init__(self, following: client.OutboundInterceptor, default: str) -> None:
        super().__init__(following)
        self._default = default

    async def start_workflow(self, input: Any) -> Any:
        return await super().start_workflow(self._for_operation(input))

    async def start_workflow_update(self, input: Any) -> Any:
        return await super().start_workflow_update(self._for_operation(input))

    async def start_activity(self, input: Any) -> Any:
        return await super().start_activity(self._for_operation(input))

    def _for_operation(self, call: Any) -> Any:
        if nexus.in_operation() and _backs_operation():
            _name_endpoint(call, nexus.info().endpoint or self._default)
        return call


class _Activity(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        work = super().execute_activity(input)
        return await _marked(work, _endpoint(input.headers), activity.payload_converter)


class _Workflow(worker.WorkflowInboundInterceptor):
    endpoint = ""

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        self.endpoint = _endpoint(input.headers)
        work = super().execute_workflow(input)
        return await _marked(work, self.endpoint, workflow.payload_converter)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        work = super().handle_update_handler(input)
        return await _marked(work, _endpoint(input.headers), workflow.payload_converter)


class _Outbound(worker.WorkflowOutboundInterceptor):
    def __init__(self, following: worker.WorkflowOutboundInterceptor, inbound: _Workflow) -> None:
        super().__init__(following)
        self._inbound = inbound

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> Any:
        # The next run completes the operation.
        _name_endpoint(input, self._inbound.endpoint)
        super().continue_as_new(input)


def _name_endpoint(call: Any, endpoint: str) -> None:
    if endpoint:
        header = Payload(metadata={"encoding": b"binary/plain"}, data=endpoint.encode())
        call.headers = {**call.headers, ENDPOINT: header}


def _endpoint(headers: Mapping[str, Payload]) -> str:
    return headers[ENDPOINT].data.decode() if ENDPOINT in headers else ""


async def _marked(work: Awaitable[Any], endpoint: str, converter: Any) -> Any:
    if not endpoint:
        return await work
    try:
        (payload,) = converter().to_payloads([await work])
    except BaseException as error:
        setattr(error, ATTRIBUTE, endpoint)
        raise
    payload.metadata[ENDPOINT] = endpoint.encode()
    return RawValue(payload)
