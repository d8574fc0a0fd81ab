"""For workers and clients: the key ring as a payload codec of Temporal's Python SDK.

`temporal_codec.plugin` puts it where it belongs, in one line. Without the plugin:

    source = open_source("secretsmanager:temporal-codec/orders")
    client = await Client.connect(
        "localhost:7233",
        data_converter=encrypting_converter(EncryptionCodec(source.keys("orders"))),
        header_codec_behavior=HeaderCodecBehavior.CODEC,
    )
"""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence

from temporalio.api.common.v1 import Payload
from temporalio.common import MetricCounter, MetricMeter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

from temporal_codec import encryption, pipeline
from temporal_codec.errors import NotEncrypted, PayloadError
from temporal_codec.keys.key import Key
from temporal_codec.keys.keys import Keys, sealing_key
from temporal_codec.payload import ENCODING

# Compressing more than this takes longer than the event loop should be held.
_COMPRESS_ASIDE_BYTES = 65_536
SEALED = ("temporal_codec_sealed_payloads", "Payloads that a key encrypted.")

Payloads = Sequence[Payload]


class EncryptionCodec(PayloadCodec):
    """Seals every payload; opens what was sealed.

    Keys may have to be fetched, which takes seconds if the source is in trouble.
    That is done in a thread, and the event loop goes on meanwhile.
    Keys that are held, as they nearly always are, need no thread.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        compress: bool = False,
        strict: bool = False,
        meter: Callable[[], MetricMeter] | None = None,
    ) -> None:
        """Take one namespace's keys.

        Args:
            keys: those of a key source, for example.
            compress: use zlib first, if that makes a payload smaller.
            strict: refuse to decode what is not encrypted. Otherwise it is passed on, so that
                histories from before the encryption can be read.
            meter: gives the SDK's meter, to count there what each key seals. Nothing is counted
                without it.
        """
        self._keys = keys
        self._compress = compress
        self._strict = strict
        self._meter = meter
        self._counters: dict[str, MetricCounter] = {}

    async def encode(self, payloads: Payloads) -> list[Payload]:
        """Seal each payload; raises KeyringNotFound or KeyringUnavailable."""
        key = await sealing_key(self._keys, in_background=True)
        if self._meter is not None:
            self._count(key, len(payloads), self._meter)
        if self._compress and sum(map(Payload.ByteSize, payloads)) > _COMPRESS_ASIDE_BYTES:
            return await asyncio.to_thread(self._encode, payloads, key)
        return self._encode(payloads, key)

    async def decode(self, payloads: Payloads) -> list[Payload]:
        """Open each payload.

        Raises PayloadError if one can never be opened: a worker must not take ciphertext for
        a value. Raises KeyringUnavailable if the keys cannot be fetched now, and NotEncrypted if
        the codec is strict and a payload is plaintext.
        """
        if self._strict:
            _check_encrypted(payloads)
        outcomes = await pipeline.decode_held(
            payloads, pipeline.Session(self._keys, in_background=True)
        )
        return [_opened(payload, each) for payload, each in zip(payloads, outcomes, strict=True)]

    async def fetch_keys(self) -> None:
        """Fetch the keys; raises KeyringNotFound or KeyringUnavailable."""
        await asyncio.to_thread(self._keys.sealing)

    def _count(self, key: Key, number: int, meter: Callable[[], MetricMeter]) -> None:
        if key.label not in self._counters:
            made = meter().create_counter(*SEALED)
            self._counters[key.label] = made.with_additional_attributes({"key": key.label})
        self._counters[key.label].add(number)

    def _encode(self, payloads: Payloads, key: Key) -> list[Payload]:
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


def encrypting_converter(
    codec: PayloadCodec, converter: DataConverter = DataConverter.default
) -> DataConverter:
    """A data converter that encrypts, failures' messages and stack traces included.

    Args:
        codec: what encrypts.
        converter: one of the user's own, whose payload converter and external storage are kept.

    Raises:
        ValueError: it has a codec or a failure converter already, which would be lost.
    """
    if converter.payload_codec is not None:
        raise ValueError(f"the data converter has a payload codec already. {_CHAIN}")
    failures = converter.failure_converter_class
    if failures not in _REPLACEABLE:
        raise ValueError(
            f"the data converter has its own failure converter, {failures.__name__}, which may "
            f"write plaintext. Remove it. {_BY_HAND}"
        )
    return dataclasses.replace(
        converter,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


_REPLACEABLE = {DefaultFailureConverter, DefaultFailureConverterWithEncodedAttributes}
_BY_HAND = (
    "Or make the data converter yourself, with temporal_codec.temporal.EncryptionCodec as its "
    "payload codec, and pass it to Client.connect with "
    "header_codec_behavior=HeaderCodecBehavior.CODEC."
)
_CHAIN = (
    f"Remove it: this plugin encrypts, and compresses with compress=True. {_BY_HAND} Your "
    "own payload codec can call both."
)


def _check_encrypted(payloads: Payloads) -> None:
    for index, payload in enumerate(payloads):
        if payload.metadata.get(ENCODING) != encryption.ENCRYPTED:
            raise NotEncrypted(
                f"payload {index + 1} of {len(payloads)} is not encrypted, and strict=True takes "
                "no such payload. Find out who sent it; leave strict out as long as there are "
                "workflows, schedules or senders from before the encryption."
            )


def _opened(payload: Payload, outcome: pipeline.Outcome) -> Payload:
    if isinstance(outcome, PayloadError):
        raise outcome
    return payload if outcome is None else Payload.FromString(outcome.serialized)
