"""Rings of AWS KMS: data keys that are bound to a namespace, made and unwrapped over HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from temporal_codec import (
    Keyring,
    KeyringError,
    KeyringNotFound,
    Reason,
    open_source,
)
from temporal_codec.cli.app import app
from temporal_codec.encryption import sealed_metadata
from temporal_codec.keys.kms import MOST_LISTS, KmsSource
from temporal_codec.namespace import alias_name
from temporal_codec.pipeline import Opened, Outcome, Session, decode, decode_held
from tests.codec.cli.history.test_history import STARTED, event, many, payload, put
from tests.codec.clock import FakeClock
from tests.codec.rings import Content, content, key, plain, reason, sealed
from tests.rigs.secrets_manager import REGION, Gate, client

OPTIONS = {"import": ("--id", "a")}
Outcomes = list[Outcome]


@pytest.fixture(scope="module")
def kms(moto: int) -> Any:
    return client(moto, "kms")


@pytest.fixture
def arn(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture(autouse=True)
def aws(secrets: Gate) -> Gate:
    """This process's AWS is a gate in front of the same KMS, which counts calls."""
    return secrets


@pytest.fixture
def source(arn: str, clock: FakeClock) -> KmsSource:
    found = open_source(f"kms:{arn}", clock)
    assert isinstance(found, KmsSource)
    return found


def seal(source: KmsSource, namespace: str = "orders") -> Content:
    return sealed(plain(), source.keys(namespace).sealing())


def opened(source: KmsSource, *payloads: Content, namespace: str = "orders") -> Outcomes:
    return decode(payloads, source.keys(namespace))


def alias_of(kms: Any, arn: str, name: str) -> str:
    kms.create_alias(AliasName=name, TargetKeyId=arn)
    return name


def test_another_process_opens_and_nobody_has_a_secret(
    source: KmsSource, arn: str, secrets: Gate
) -> None:
    """One call makes the key that seals, one for each reader unwraps it, and then there is none."""
    payloads = [seal(source) for _ in range(3)]
    assert payloads[0].metadata.keys() == {"encoding", "encryption-key-id", "encryption-dek"}
    uri = f"awskms:///{arn}?context_namespace=orders&region={REGION}"
    assert payloads[0].metadata["encryption-key-id"] == uri.encode()
    reader = KmsSource(arn)
    for _ in range(3):
        assert [content(each) for each in opened(reader, *payloads)] == [plain()] * 3
    assert secrets.calls == ["GenerateDataKey", "Decrypt"]


def test_the_event_loop_opens_what_is_held(source: KmsSource, secrets: Gate) -> None:
    """Warm there is neither a thread nor a call."""
    payload, keys = seal(source), source.keys("orders")
    for _ in range(2):
        (outcome,) = asyncio.run(decode_held([payload], Session(keys)))
        assert isinstance(outcome, Opened)
    before = len(secrets.calls)

    async def refuse(*_: object) -> Any:
        raise AssertionError("no thread is needed")

    (outcome,) = asyncio.run(decode_held([payload], Session(keys, refuse)))
    assert content(outcome) == plain()
    assert len(secrets.calls) == before


def test_another_namespaces_payload_is_as_an_unknown_key(source: KmsSource, secrets: Gate) -> None:
    """K1: the namespace is the encryption context, and KMS is not even asked."""
    payload = seal(source, "billing")
    assert [reason(each) for each in opened(source, payload)] == [Reason.UNKNOWN_KEY]
    assert "Decrypt" not in secrets.calls


def test_a_forged_context_is_refused_by_kms(source: KmsSource) -> None:
    """Who renames the context of another namespace's payload has a data key that nobody unwraps."""
    foreign, own = seal(source, "billing"), seal(source)
    forged = {**foreign.metadata, "encryption-key-id": own.metadata["encryption-key-id"]}
    assert [reason(each) for each in opened(source, Content(forged, foreign.data))] == [
        Reason.KEY_REFUSED
    ]


def test_a_key_that_a_payload_names_is_never_asked(
    source: KmsSource, kms: Any, secrets: Gate
) -> None:
    other = KmsSource(kms.create_key()["KeyMetadata"]["Arn"])
    assert [reason(each) for each in opened(source, seal(other))] == [Reason.FOREIGN_FORMAT]
    assert "Decrypt" not in secrets.calls


@pytest.mark.parametrize(
    "context", ["", "context_namespace=orders&context_team=a&"], ids=["less", "more"]
)
def test_a_ring_takes_the_context_of_its_namespace_alone(
    source: KmsSource, arn: str, secrets: Gate, context: str
) -> None:
    """Less or more is the proxy's own, for which a key must be listed; KMS is not asked."""
    payload = seal(source)
    uri = f"awskms:///{arn}?{context}region={REGION}".encode()
    changed = Content({**payload.metadata, "encryption-key-id": uri}, payload.data)
    assert [reason(each) for each in opened(source, changed)] == [Reason.FOREIGN_FORMAT]
    assert "Decrypt" not in secrets.calls


def test_an_alias_names_its_key_alone(kms: Any, arn: str, secrets: Gate) -> None:
    """What the alias's former key wrapped, the alias does not open: its ARN must be listed."""
    alias = alias_of(kms, arn, f"alias/codec-{uuid4()}")
    source = KmsSource(alias)
    assert content(*opened(source, seal(source))) == plain()
    former = seal(source)
    kms.update_alias(AliasName=alias, TargetKeyId=kms.create_key()["KeyMetadata"]["Arn"])
    assert [reason(each) for each in opened(KmsSource(alias), former)] == [Reason.KEY_REFUSED]
    assert content(*opened(KmsSource(arn), former)) == plain()
    assert secrets.calls


@pytest.mark.parametrize(
    "namespace",
    ["orders", "orders.a1b2c", "a b/ü", "x" * 1000, "ü" * 500],
    ids=["plain", "of Temporal Cloud", "odd", "longest", "longest of two bytes"],
)
def test_a_key_for_each_namespace(kms: Any, namespace: str) -> None:
    """Whatever its name: the alias has a form of its own for it, and the context the name."""
    prefix = f"alias/{uuid4()}"
    for name in (namespace, "other"):
        alias_of(kms, kms.create_key()["KeyMetadata"]["Arn"], f"{prefix}/{alias_name(name)}")
    source = KmsSource(f"{prefix}/{{namespace}}")
    payload = seal(source, namespace)
    assert content(*opened(source, payload, namespace=namespace)) == plain()
    assert [reason(each) for each in opened(source, payload, namespace="other")] == [
        Reason.UNKNOWN_KEY
    ]


def test_no_two_namespaces_share_an_alias() -> None:
    names = ["a.b", "a_2Eb", "a_b", "a-b", "a/b", "ä", "é" * 300, "é" * 301, "_sha256_", "A.B"]
    assert len({alias_name(name) for name in names}) == len(names)
    assert alias_name("orders-prod.a1b2c") == "orders-prod_2Ea1b2c"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "orders",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias/",
        "alias/a b",
        "alias/a?x",
        "alias/a\n",
        "arn:aws:kms:eu-west-1:111122223333:key/{namespace}",
        "arn:aws:kms:eu-west-1:1:key/a",
        "arn:aws:iam::111122223333:role/a",
    ],
    ids=range(10),
)
def test_what_names_no_key_is_a_wrong_setting(name: str) -> None:
    with pytest.raises(KeyringError, match="alias/NAME"):
        open_source(f"kms:{name}")


def test_a_data_key_seals_for_a_day(source: KmsSource, clock: FakeClock, secrets: Gate) -> None:
    before = seal(source)
    clock.advance(24 * 3600 - 1)
    assert sealed_metadata(source.keys("orders").sealing()) == before.metadata
    clock.advance(1)
    after = seal(source)
    assert after.metadata != before.metadata
    assert [content(each) for each in opened(source, before, after)] == [plain()] * 2
    assert secrets.calls.count("GenerateDataKey") == 2


def test_a_data_key_seals_so_many_lists(source: KmsSource) -> None:
    """Random nonces repeat with 2^32 payloads of one key, which so many lists do not hold."""
    keys = source.keys("orders")
    first = keys.sealing()
    assert {keys.sealing() is first for _ in range(MOST_LISTS - 1)} == {True}
    assert keys.sealing() is not first


def test_a_key_that_does_not_exist_is_an_absent_ring(kms: Any, arn: str, clock: FakeClock) -> None:
    """Decision 6: remembered for 30 s; no 5xx."""
    alias = f"alias/{uuid4()}"
    source = KmsSource(alias, clock)
    for _ in range(3):
        with pytest.raises(KeyringNotFound, match=alias):
            source.keys("orders").sealing()
    alias_of(kms, arn, alias)
    with pytest.raises(KeyringNotFound):
        source.keys("orders").sealing()
    clock.advance(30)
    assert source.keys("orders").sealing().brought


def test_a_move_to_kms_keeps_what_a_ring_sealed(arn: str, tmp_path: Path) -> None:
    """In either order: workers that still seal with the ring open what others seal with KMS."""
    (tmp_path / "ring.json").write_bytes(Keyring([key(1)]).to_json())
    uris = (f"kms:{arn}", f"file:{tmp_path}/ring.json")
    before, after = (open_source(",".join(each)).keys("orders") for each in (uris[::-1], uris))
    sealings = [before.sealing(), after.sealing()]
    assert [bool(each.brought) for each in sealings] == [False, True]
    payloads = [sealed(plain(), each) for each in sealings]
    for keys in (before, after):
        for _ in range(2):
            found = asyncio.run(decode_held(payloads, Session(keys)))
            assert [content(each) for each in found] == [plain()] * 2


@pytest.mark.parametrize("command", ["new", "list", "check", "rotate", "import"])
def test_the_commands_for_rings_say_that_there_is_nothing_to_keep(command: str) -> None:
    done = CliRunner().invoke(app, ["keys", command, "kms:alias/codec", *OPTIONS.get(command, ())])
    assert done.exit_code == 2
    assert "With kms: there is no ring" in done.output


def test_a_history_is_decoded_and_scanned_without_a_server(
    source: KmsSource, arn: str, tmp_path: Path
) -> None:
    events = event(STARTED, input=many(*map(payload, (seal(source), seal(source)))))
    history = str(put(tmp_path / "history.json", events))
    options = ["--ring", f"kms:{arn}", "--namespace", "orders"]
    decoded = CliRunner().invoke(app, ["history", "decode", history, *options])
    assert decoded.exit_code == 0, decoded.output
    assert "binary/encrypted" not in decoded.output
    scanned = CliRunner().invoke(app, ["history", "scan", history, *options])
    assert scanned.exit_code == 0, scanned.output


def test_who_read_what_is_found(source: KmsSource, arn: str, tmp_path: Path) -> None:
    """`audit match` unwraps the data keys, which only their namespace's readers can."""
    read = seal(source)
    put(tmp_path / "history.json", event(STARTED, input=many(payload(read))))
    mark = source.keys("orders").sealing().digest(read.data)
    (tmp_path / "log").write_text(json.dumps({"event": "codec.request", "read": [mark]}))
    words = ["audit", "match", "--history", f"{tmp_path}/history.json", "--log", f"{tmp_path}/log"]
    done = CliRunner().invoke(app, [*words, "--ring", f"kms:{arn}", "--namespace", "orders"])
    assert "1 request of 1 read payloads" in done.output
