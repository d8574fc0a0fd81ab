"""For workers, clients and replayers: everything is encrypted, in one line.

    client = await Client.connect(
        "localhost:7233", plugins=[EncryptionPlugin("secretsmanager:temporal-codec/{namespace}")]
    )

The SDK hands a client's plugins on to its workers; a replayer is given its own.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from functools import partial

from temporalio.client import ClientConfig
from temporalio.common import HeaderCodecBehavior, MetricMeter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime
from temporalio.worker import (
    ReplayerConfig,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerConfig,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from temporal_codec.errors import CodecError
from temporal_codec.keys.keys import Keys
from temporal_codec.keys.shared import SHARED, SharedKeys
from temporal_codec.keys.sources import KeySource, open_source
from temporal_codec.namespace import PLACEHOLDER
from temporal_codec.nexus import NexusCodec, only_endpoint, sharing_converter
from temporal_codec.nexus_interceptor import NexusInterceptor
from temporal_codec.temporal import EncryptionCodec, encrypting_converter

# The namespace of a replayer for which none is set.
_NO_NAMESPACE = "ReplayNamespace"
# The sandbox would load these again for each workflow, and cryptography cannot be loaded twice.
PASSTHROUGH_MODULES = ("temporal_codec", "cryptography")
_logger = logging.getLogger("temporal_codec")


class EncryptionPlugin(SimplePlugin):
    """Encrypts payloads, headers, and the messages and stack traces of failures.

    The data converter that the client was given stays, but for its payload codec and its failure
    converter. Where it has either already, the client is refused with a ValueError.
    """

    def __init__(
        self,
        ring: str | KeySource,
        *,
        compress: bool = False,
        strict: bool = False,
        nexus: Mapping[str, str | KeySource] | None = None,
    ) -> None:
        """Take a key ring.

        Args:
            ring: ``secretsmanager:NAME``, ``file:PATH`` or ``kms:ALIAS``, where ``{namespace}``
                stands for the client's namespace, ``development``, or a source of one's own.
            compress: use zlib before sealing, if that makes a payload smaller.
            strict: refuse to read what is not encrypted. Otherwise histories from before the
                encryption can be read.
            nexus: for each Nexus endpoint between namespaces, the ring that its callers and its
                handlers share. What belongs to its operations is sealed with that ring.

        Raises:
            KeyringError: a URI names no source.
            ValueError: a shared ring is the namespace's own.
        """
        super().__init__("temporal-codec", workflow_runner=_passing_through)
        self._source = open_source(ring) if isinstance(ring, str) else ring
        self._by_namespace = isinstance(ring, str) and (PLACEHOLDER in ring or "kms:" in ring)
        self._compress = compress
        self._strict = strict
        self._shared = _shared_keys(ring, nexus or {})
        self._runtime: Runtime | None = None
        self._codecs: dict[str, EncryptionCodec | NexusCodec] = {}
        if self._shared:
            self.interceptors = [NexusInterceptor(only_endpoint(self._shared))]

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        """See `temporalio.client.Plugin`."""
        if config["plugins"][-1] is not self:
            raise ValueError(
                "EncryptionPlugin must be the last of the client's plugins: one that comes later "
                "could put another data converter in its place."
            )
        config = super().configure_client(config)
        self._runtime = config["service_client"].config.runtime
        config["data_converter"] = self._encrypting(config["data_converter"], config["namespace"])
        config["header_codec_behavior"] = HeaderCodecBehavior.CODEC
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """See `temporalio.worker.Plugin`."""
        converter = config["client"].config(active_config=True)["data_converter"]
        if converter.payload_codec not in self._codecs.values():
            raise ValueError(
                "This worker's client does not encrypt: give the EncryptionPlugin to "
                "Client.connect, which hands it on to its workers."
            )
        return super().configure_worker(config)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """See `temporalio.worker.Plugin`."""
        config = super().configure_replayer(config)
        namespace = config.get("namespace", _NO_NAMESPACE)
        if self._by_namespace and namespace == _NO_NAMESPACE:
            raise ValueError(
                "Each namespace has its own keys here: set Replayer(namespace=...) to the "
                "namespace of the histories."
            )
        converter = config.get("data_converter") or DataConverter.default
        config["data_converter"] = self._encrypting(converter, namespace)
        config["header_codec_behavior"] = HeaderCodecBehavior.CODEC
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:  # noqa: A002 — the SDK's name
        """See `temporalio.worker.Plugin`. The keys are fetched before the first task comes.

        Raises KeyringNotFound or KeyringUnavailable: a worker without keys would only fail tasks.
        """
        try:
            await self._codec(worker.client.namespace).fetch_keys()
        except CodecError:
            # Shutting down a worker that never ran waits forever, so it runs, and ends at once.
            stopped = asyncio.create_task(worker.shutdown())
            await super().run_worker(worker, next)
            await stopped
            raise
        await super().run_worker(worker, next)

    def _encrypting(self, converter: DataConverter, namespace: str) -> DataConverter:
        # A client that is made from another one's configuration brings a codec of ours.
        codec = self._codec(namespace)
        if converter.payload_codec in self._codecs.values():
            return dataclasses.replace(converter, payload_codec=codec)
        encrypting = encrypting_converter(codec, converter)
        return sharing_converter(encrypting) if self._shared else encrypting

    def _meter(self) -> MetricMeter:
        # Asked when something is sealed: until then the user may set another default runtime.
        return (self._runtime or Runtime.default()).metric_meter

    def _codec(self, namespace: str) -> EncryptionCodec | NexusCodec:
        if namespace not in self._codecs:
            make = partial(
                EncryptionCodec, compress=self._compress, strict=self._strict, meter=self._meter
            )
            keys = self._source.keys(namespace)
            self._codecs[namespace] = (
                NexusCodec(
                    make(SharedKeys(keys, self._shared.values())),
                    {endpoint: make(shared) for endpoint, shared in self._shared.items()},
                )
                if self._shared
                else make(keys)
            )
        return self._codecs[namespace]


def _shared_keys(ring: str | KeySource, nexus: Mapping[str, str | KeySource]) -> dict[str, Keys]:
    for endpoint, shared in nexus.items():
        if shared == ring or (isinstance(shared, str) and PLACEHOLDER in shared):
            raise ValueError(
                f"nexus: the ring of the endpoint {endpoint} must be one that its callers and "
                "handlers share, and not the ring of a namespace. Create one for it."
            )
    return {
        endpoint: (open_source(shared) if isinstance(shared, str) else shared).keys(SHARED)
        for endpoint, shared in nexus.items()
    }


def _passing_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    # A copy, since a subclass of the user's may have a constructor of its own.
    runner = copy(runner) if runner else SandboxedWorkflowRunner()
    if isinstance(runner, SandboxedWorkflowRunner):
        restrictions = runner.restrictions.with_passthrough_modules(*PASSTHROUGH_MODULES)
        object.__setattr__(runner, "restrictions", restrictions)
    elif not isinstance(runner, UnsandboxedWorkflowRunner):
        _logger.warning(
            "EncryptionPlugin cannot configure the workflow runner %s. If it runs workflows in "
            "the SDK's sandbox, give that sandbox SandboxRestrictions.default."
            "with_passthrough_modules(*temporal_codec.plugin.PASSTHROUGH_MODULES).",
            type(runner).__name__,
        )
    return runner
