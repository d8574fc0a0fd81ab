"""Nexus across namespaces: each endpoint may have a ring that its callers and handlers share.

The SDK tells a codec the endpoint of an operation's input and of a synchronous result or failure.
It does not for an asynchronous one: that is the result of a workflow, an update or an activity,
which the Service hands on as it is. So whatever backs an operation is started with a header that
names the endpoint, and its result and failure carry a mark, which the codec takes off again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    NexusSerializationContext,
    PayloadCodec,
    PayloadConverter,
    SerializationContext,
    WithSerializationContext,
)

from temporal_codec.temporal import EncryptionCodec, Payloads

# The name of the header, and of the metadata that marks a payload until it is sealed.
ENDPOINT = "temporal-codec-endpoint"
# What an exception carries that becomes such a failure.
ATTRIBUTE = "__temporal_codec_endpoint__"


class NexusCodec(PayloadCodec, WithSerializationContext):
    """Seals with an endpoint's ring what belongs to its operations, and all else with another."""

    def __init__(
        self,
        own: EncryptionCodec,
        shared: Mapping[str, EncryptionCodec],
        sealing: EncryptionCodec | None = None,
    ) -> None:
        """Take the namespace's codec, which opens what the shared ones seal, and these by endpoint.

        `sealing` seals what no mark gives to an endpoint.
        """
        self._own = own
        self._shared = shared
        self._sealing = sealing or own

    def with_context(self, context: SerializationContext) -> "NexusCodec":
        """See `WithSerializationContext`."""
        if not isinstance(context, NexusSerializationContext):
            return NexusCodec(self._own, self._shared)
        endpoint = context.endpoint or only_endpoint(self._shared)
        return NexusCodec(self._own, self._shared, self._shared.get(endpoint))

    async def encode(self, payloads: Payloads) -> list[Payload]:
        """See `EncryptionCodec`."""
        sealed: list[Payload] = []
        for endpoint, group in groupby(payloads, _mark):
            codec = self._shared.get(endpoint, self._sealing)
            sealed += await codec.encode([_unmarked(each) for each in group])
        return sealed

    async def decode(self, payloads: Payloads) -> list[Payload]:
        """See `EncryptionCodec`; the key's id says which ring opens a payload."""
        return await self._own.decode(payloads)

    async def fetch_keys(self) -> None:
        """See `EncryptionCodec`."""
        for codec in (self._own, *self._shared.values()):
            await codec.fetch_keys()


class NexusFailureConverter(DefaultFailureConverterWithEncodedAttributes):
    """Marks the failures of what backs an operation."""

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """See `temporalio.converter.FailureConverter`."""
        super().to_failure(exception, payload_converter, failure)
        endpoint = getattr(exception, ATTRIBUTE, "")
        if endpoint:
            for payload in payloads_of(failure):
                payload.metadata[ENDPOINT] = endpoint.encode()


def only_endpoint(shared: Iterable[str]) -> str:
    """The endpoint, if there is one: a Service before 1.30 does not tell it to handlers."""
    first, *others = shared
    return "" if others else first


def sharing_converter(converter: DataConverter) -> DataConverter:
    """A data converter with the codec above, and with failures that carry the mark."""
    if not issubclass(converter.payload_converter_class, CompositePayloadConverter):
        raise ValueError(
            "nexus: the payload converter must be a CompositePayloadConverter, as the SDK's are: "
            "results of operations are handed to it as RawValue."
        )
    return replace(converter, failure_converter_class=NexusFailureConverter)


def _mark(payload: Payload) -> str:
    return payload.metadata.get(ENDPOINT, b"").decode()


def _unmarked(payload: Payload) -> Payload:
    if ENDPOINT in payload.metadata:
        payload = Payload.FromString(payload.SerializeToString())
        del payload.metadata[ENDPOINT]
    return payload


def payloads_of(message: Message) -> Iterator[Payload]:
    """Every payload in a message; each may be changed in place."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            several = value.values() if hasattr(value, "values") else value
            for each in [value] if isinstance(value, Message) else several:
                if isinstance(each, Message):  # a map's values may be texts
                    yield from payloads_of(each)
