"""For workers and clients: the key ring as a payload codec of Temporal's Python SDK.

    source = open_source("secretsmanager:temporal-codec/orders")
    converter = dataclasses.replace(
        DataConverter.default, payload_codec=EncryptionCodec(source.keys("orders"))
    )

The only module that imports the SDK.
"""

import asyncio
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from codec import encryption, pipeline
from codec.errors import PayloadError


class EncryptionCodec(PayloadCodec):
    """Seals every payload; opens what it sealed, and passes on what was never sealed.

    Keys may have to be fetched, which takes seconds where the source is in trouble.
    So the work is done in a thread, and the event loop goes on meanwhile.
    """

    def __init__(self, keys: pipeline.Keys, *, compress: bool = False) -> None:
        """Take one namespace's keys; `compress` uses zlib first, where that makes it smaller."""
        self._keys = keys
        self._compress = compress

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seal each payload; raises KeyringNotFound or KeyringUnavailable."""
        return await asyncio.to_thread(self._encode, payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open each payload.

        Raises PayloadError where one can never be opened: a worker must not take ciphertext for
        a value. Raises KeyringUnavailable where the keys can't be had now.
        """
        return await asyncio.to_thread(self._decode, payloads)

    def _encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        key = self._keys.sealing()
        serialized = [payload.SerializeToString() for payload in payloads]
        return [
            Payload(
                metadata=encryption.sealed_metadata(key),
                data=data,
                external_payloads=payload.external_payloads,
            )
            for payload, data in zip(
                payloads, pipeline.encode(serialized, key, compress=self._compress), strict=True
            )
        ]

    def _decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        outcomes = pipeline.decode(payloads, self._keys)
        return [_opened(payload, each) for payload, each in zip(payloads, outcomes, strict=True)]


def _opened(payload: Payload, outcome: pipeline.Outcome) -> Payload:
    if isinstance(outcome, PayloadError):
        raise outcome
    return payload if outcome is None else Payload.FromString(outcome.serialized)
