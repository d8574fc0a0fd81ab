"""The plugin: one line encrypts what clients, workers and replayers send, and nothing is lost."""

import asyncio
import dataclasses
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic
import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, ClientConfig
from temporalio.common import HeaderCodecBehavior
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadCodec
from temporalio.plugin import SimplePlugin
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.worker import Replayer, WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from temporal_codec import (
    InvalidNamespace,
    Keyring,
    KeyringError,
    KeyringNotFound,
    NotEncrypted,
    PayloadError,
)
from temporal_codec.keys.keys import RingKeys
from temporal_codec.plugin import EncryptionPlugin
from temporal_codec.temporal import EncryptionCodec
from tests.codec.rings import key, source_of
from tests.rigs.secrets_manager import Gate, client, new_secret
from tests.rigs.workers.runners import Greet

RING = source_of(Keyring([key(1)]))


def connect(*plugins: Any, **options: Any) -> Client:
    """A client that connects when it is first used, which it never is here."""
    return asyncio.run(Client.connect("127.0.0.1:1", lazy=True, plugins=list(plugins), **options))


def configuration(client: Client) -> ClientConfig:
    """What the client works with."""
    return client.config(active_config=True)


def sealed(client: Client, value: Any = "hello") -> Payload:
    """A value as the client sends it."""
    return asyncio.run(client.data_converter.encode([value]))[0]


def opened(client: Client, payload: Payload, hint: Any = str) -> Any:
    """A value as the client receives it."""
    return asyncio.run(client.data_converter.decode([payload], [hint]))[0]


def test_one_line_encrypts_payloads_failures_and_headers() -> None:
    client = connect(EncryptionPlugin(RING))
    payload = sealed(client)
    assert payload.metadata["encoding"] == b"binary/encrypted"
    assert payload.metadata["encryption-key-id"] == b"key-1"
    assert opened(client, payload) == "hello"
    config = configuration(client)
    assert config["header_codec_behavior"] is HeaderCodecBehavior.CODEC
    failures = config["data_converter"].failure_converter
    assert isinstance(failures, DefaultFailureConverter)
    assert failures._encode_common_attributes


def test_the_sdk_s_metrics_count_what_each_key_sealed() -> None:
    """K2: workers seal most, so they count, too; without metrics of the SDK nothing happens."""
    buffer = MetricBuffer(100)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=buffer))
    for given in (Runtime(telemetry=TelemetryConfig()), runtime):
        client = connect(EncryptionPlugin(RING), runtime=given)
        sealed(client)
        sealed(client)
    updates = buffer.retrieve_updates()
    assert {each.metric.name for each in updates} == {"temporal_codec_sealed_payloads"}
    assert [(each.value, each.attributes["key"]) for each in updates] == [(1, "key-1")] * 2


def test_a_pydantic_converter_survives() -> None:
    model = pydantic.create_model("Order", customer=(str, ...))
    client = connect(EncryptionPlugin(RING), data_converter=pydantic_data_converter)
    assert configuration(client)["data_converter"].payload_converter_class is (
        PydanticPayloadConverter
    )
    payload = sealed(client, model(customer="Ada"))
    assert opened(client, payload, model) == model(customer="Ada")


class Plaintext(PayloadCodec):
    """A codec of the user's own."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


class OwnFailures(DefaultFailureConverter):
    """A failure converter of the user's own."""


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (DataConverter(payload_codec=Plaintext()), "payload codec already"),
        (DataConverter(payload_codec=EncryptionCodec(RingKeys(Keyring()))), "payload codec"),
        (DataConverter(failure_converter_class=OwnFailures), "its own failure converter"),
    ],
)
def test_the_users_own_codec_or_failure_converter_is_an_error(
    own: DataConverter, message: str
) -> None:
    """Silently replaced, it would lose data; silently kept, it would leak some."""
    with pytest.raises(ValueError, match=message):
        connect(EncryptionPlugin(RING), data_converter=own)
    with pytest.raises(ValueError, match=message):
        Replayer(workflows=[Nothing], plugins=[EncryptionPlugin(RING)], data_converter=own)


def test_a_later_plugin_cannot_take_it_away() -> None:
    """The one that comes last is sure of the data converter."""
    other = SimplePlugin("other", data_converter=DataConverter())
    with pytest.raises(ValueError, match="must be the last"):
        connect(EncryptionPlugin(RING), other)
    payload = sealed(connect(other, EncryptionPlugin(RING)))
    assert payload.metadata["encoding"] == b"binary/encrypted"


def worker(client: Client) -> WorkerConfig:
    """As much of a worker's configuration as a plugin sees here."""
    return WorkerConfig(client=client, task_queue="orders")


def test_a_worker_whose_client_does_not_encrypt_is_refused() -> None:
    """The plugin belongs to the client; given to a worker alone it would do nothing."""
    plugin = EncryptionPlugin(RING)
    plugin.configure_worker(worker(connect(plugin)))
    with pytest.raises(ValueError, match=r"give the EncryptionPlugin to Client\.connect"):
        plugin.configure_worker(worker(connect()))


def test_a_client_made_from_anothers_configuration_encrypts_for_its_own_namespace(
    tmp_path: Path,
) -> None:
    """`Client(**client.config())` is how one gets a client for another namespace."""
    for number, name in enumerate(["orders", "billing"], 1):
        (tmp_path / f"{name}.json").write_bytes(Keyring([key(number)]).to_json())
    plugin = EncryptionPlugin(f"file:{tmp_path}/{{namespace}}.json")
    orders = connect(plugin, namespace="orders")
    for active in (False, True):
        config = orders.config(active_config=active)
        config["namespace"] = "billing"
        billing = Client(**config)
        assert sealed(billing).metadata["encryption-key-id"] == b"key-2"
    with pytest.raises(PayloadError, match="unknown-key"):
        opened(orders, sealed(billing))


def test_each_namespace_has_its_ring_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "orders.a1b2c.json").write_bytes(Keyring([key(1)]).to_json())
    plugin = EncryptionPlugin(f"file:{tmp_path}/{{namespace}}.json")
    payload = sealed(connect(plugin, namespace="orders.a1b2c"))
    assert payload.metadata["encryption-key-id"] == b"key-1"
    with pytest.raises(KeyringNotFound):
        sealed(connect(plugin, namespace="other"))
    with pytest.raises(InvalidNamespace):
        connect(plugin, namespace="a\0")


def test_a_ring_from_secrets_manager(moto: int, secrets: Gate) -> None:
    """One fetch serves all that follows."""
    name = new_secret(client(moto), Keyring([key(3)]).to_json())
    plugin = EncryptionPlugin(f"secretsmanager:{name}")
    orders = connect(plugin)
    assert secrets.reads == 0
    assert sealed(orders).metadata["encryption-key-id"] == b"key-3"
    assert [opened(orders, sealed(orders, number), int) for number in range(5)] == [*range(5)]
    assert secrets.reads == 1


def test_a_uri_that_names_no_ring_is_an_error() -> None:
    with pytest.raises(KeyringError, match="URI must be"):
        EncryptionPlugin("ring.json")


PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"')


def test_what_was_there_before_the_encryption_is_read() -> None:
    assert opened(connect(EncryptionPlugin(RING)), PLAIN) == "hello"


def test_strict_refuses_it() -> None:
    client = connect(EncryptionPlugin(RING, strict=True))
    assert opened(client, sealed(client)) == "hello"
    with pytest.raises(NotEncrypted, match="strict=True takes no such payload"):
        opened(client, PLAIN)


def test_compression_is_asked_for() -> None:
    value = "x" * 10_000
    plain, small = (
        sealed(connect(EncryptionPlugin(RING, compress=compress)), value)
        for compress in (False, True)
    )
    assert len(small.data) < len(plain.data) / 10


@workflow.defn
class Nothing:
    """A workflow for a replayer to know."""

    @workflow.run
    async def run(self) -> None:
        """Do nothing."""


def test_a_replayer_reads_what_a_worker_wrote() -> None:
    replayer = Replayer(
        workflows=[Nothing],
        plugins=[EncryptionPlugin(RING)],
        data_converter=pydantic_data_converter,
    )
    config = replayer.config(active_config=True)
    assert config.get("header_codec_behavior") is HeaderCodecBehavior.CODEC
    converter = config.get("data_converter")
    assert converter is not None
    assert converter.payload_converter_class is PydanticPayloadConverter
    payload = sealed(connect(EncryptionPlugin(RING)))
    assert asyncio.run(converter.decode([payload])) == ["hello"]


def test_a_replayer_must_know_which_ring(tmp_path: Path) -> None:
    """The SDK's own default for its namespace names no ring."""
    plugin = EncryptionPlugin(f"file:{tmp_path}/{{namespace}}.json")
    with pytest.raises(ValueError, match=r"Replayer\(namespace=...\)"):
        Replayer(workflows=[Nothing], plugins=[plugin])
    Replayer(workflows=[Nothing], plugins=[plugin], namespace="orders")


@dataclasses.dataclass
class SlowSource:
    """A source of the user's own, whose keys take their time."""

    gate: threading.Event = dataclasses.field(default_factory=threading.Event)
    is_stale = False

    def warm(self) -> None:
        """See `KeySource`."""

    def keys(self, _namespace: str) -> "SlowSource":
        """See `KeySource`."""
        return self

    def opening(self, key_id: bytes) -> Any:
        """See `Keys`."""
        assert self.gate.wait(20)
        return RING.keys("default").opening(key_id)

    def sealing(self) -> Any:
        """See `Keys`."""
        assert self.gate.wait(20)
        return key(1)


def test_a_slow_source_of_ones_own_does_not_hold_the_event_loop() -> None:
    """It need not have `held`: then each call has a thread."""
    source = SlowSource()
    converter = connect(EncryptionPlugin(source)).data_converter

    async def run() -> Any:
        work = asyncio.ensure_future(converter.encode(["hello"]))
        for _ in range(100):
            await asyncio.sleep(0.001)
            assert not work.done()
        source.gate.set()
        return await converter.decode(await work)

    assert asyncio.run(run()) == ["hello"]


class ForeignRunner(WorkflowRunner):
    """A workflow runner that nobody knows."""

    def prepare_workflow(self, defn: Any) -> None:
        """See `WorkflowRunner`."""

    def create_instance(self, det: Any) -> Any:
        """See `WorkflowRunner`."""

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        """See `WorkflowRunner`."""


def test_a_runner_that_it_cannot_configure_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The warning says what to do."""
    Replayer(workflows=[Nothing], plugins=[EncryptionPlugin(RING)], workflow_runner=ForeignRunner())
    assert "cannot configure the workflow runner ForeignRunner" in caplog.text
    assert "with_passthrough_modules(*temporal_codec.plugin.PASSTHROUGH_MODULES)" in caplog.text


def test_a_sandbox_without_the_modules_says_what_to_do() -> None:
    """A plugin that comes later may set another runner: that is no riddle of cryptography's."""
    definition = workflow._Definition.must_from_class(Greet)
    with pytest.raises(ImportError, match="set no other workflow runner after it"):
        SandboxedWorkflowRunner().prepare_workflow(definition)


def test_a_missing_ring_names_uri_and_path(tmp_path: Path, monkeypatch: Any) -> None:
    """The message shows where a relative path leads."""
    monkeypatch.chdir(tmp_path)
    plugin = EncryptionPlugin("file:rings/{namespace}.json")
    place = f"there is no key ring file:{tmp_path}/rings/orders.json"
    with pytest.raises(KeyringNotFound, match=re.escape(place)):
        sealed(connect(plugin, namespace="orders"))


def test_with_kms_there_is_no_secret_and_a_replayer_says_its_namespace(
    moto: int, secrets: Gate
) -> None:
    """The namespace is the encryption context, so the client's decides, and a replayer has none."""
    arn = client(moto, "kms").create_key()["KeyMetadata"]["Arn"]
    plugin = EncryptionPlugin(f"kms:{arn}")
    orders = connect(plugin, namespace="orders")
    payload = sealed(orders)
    assert b"context_namespace=orders" in payload.metadata["encryption-key-id"]
    assert opened(orders, payload) == "hello"
    other = connect(EncryptionPlugin(f"kms:{arn}"), namespace="billing")
    with pytest.raises(PayloadError, match="unknown-key"):
        opened(other, payload)
    with pytest.raises(ValueError, match="set Replayer"):
        Replayer(workflows=[Greet], plugins=[plugin])
    assert secrets.calls == ["GenerateDataKey", "Decrypt"]
