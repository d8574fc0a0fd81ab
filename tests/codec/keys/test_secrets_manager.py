"""Rings from Secrets Manager, over HTTP: what happens in every kind of outage (rules K4, K5)."""

import base64
import json
import logging
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from temporal_codec import (
    Keyring,
    KeyringError,
    KeyringNotFound,
    KeyringUnavailable,
    PayloadError,
    Reason,
    open_source,
)
from temporal_codec.aws import make_client
from temporal_codec.keys.keys import Keys
from temporal_codec.keys.secrets_manager import SecretsManagerLoader
from tests.codec.clock import FakeClock
from tests.codec.rings import key
from tests.rigs.secrets_manager import Gate, client, new_secret

RING = Keyring([key(1)]).to_json()
THROTTLED = "ThrottlingException"


@pytest.fixture
def aws(moto: int) -> Any:
    return client(moto)


@pytest.fixture
def secret(aws: Any) -> str:
    return new_secret(aws, RING)


@pytest.fixture
def keys(secrets: Gate, secret: str, clock: FakeClock) -> Keys:
    assert secrets.reads == 0
    return open_source(f"secretsmanager:{secret}", clock).keys("default")


def store(aws: Any, secret: str, ring: bytes) -> None:
    aws.put_secret_value(SecretId=secret, SecretString=ring.decode())


def test_reads_the_current_version_once(keys: Keys, secrets: Gate) -> None:
    assert keys.sealing() == keys.opening(b"key-1") == key(1)
    assert secrets.calls == ["GetSecretValue"]


class Named:
    """A Secrets Manager whose default stage is not the current one."""

    def get_secret_value(self, *, SecretId: str, VersionStage: str = "") -> dict[str, str]:  # noqa: N803 — botocore's names
        assert VersionStage == "AWSCURRENT"
        return {"Name": SecretId, "SecretString": RING.decode()}


def test_the_stage_is_asked_for_by_name() -> None:
    """K6: never by default."""
    assert SecretsManagerLoader("ring", Named())("default").get(b"key-1") == key(1)


def test_a_ring_for_each_namespace(aws: Any, secrets: Gate) -> None:
    """Decision 5 and K1: another namespace's key id answers exactly as an unknown one."""
    prefix = f"temporal-codec/{uuid4()}"
    for name, number in (("orders", 1), ("billing", 2)):
        ring = Keyring([key(number)]).to_json().decode()
        aws.create_secret(Name=f"{prefix}/{name}", SecretString=ring)
    source = open_source(f"secretsmanager:{prefix}/{{namespace}}")
    assert source.keys("orders").sealing() == key(1)
    assert source.keys("billing").sealing() == key(2)
    reasons = []
    for unknown in (b"key-2", b"nobody's"):
        with pytest.raises(PayloadError) as caught:
            source.keys("orders").opening(unknown)
        reasons.append(str(caught.value))
    assert reasons == ["unknown-key"] * 2
    assert secrets.reads == 2


def test_a_secret_that_does_not_exist_is_an_absent_ring(
    aws: Any, secrets: Gate, clock: FakeClock
) -> None:
    """Decision 6: remembered for 30 s; no 5xx."""
    name = f"temporal-codec/{uuid4()}"
    keys = open_source(f"secretsmanager:{name}", clock).keys("default")
    for _ in range(50):
        with pytest.raises(PayloadError) as caught:
            keys.opening(b"key-1")
        assert caught.value.reason is Reason.NO_KEYRING
        with pytest.raises(KeyringNotFound):
            keys.sealing()
    assert secrets.reads == 1
    aws.create_secret(Name=name, SecretString=RING.decode())
    clock.advance(30)
    assert keys.sealing() == key(1)


def b64(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


def entry(**changes: Any) -> dict[str, Any]:
    return {"id": "a", "key": b64(32), "activation_date": "2026-01-01T00:00:00Z", **changes}


def value(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"SecretString": json.dumps({"keys": entries})}


FAULTS: dict[str, str | dict[str, Any]] = {
    "throttling": THROTTLED,
    "access denied": "AccessDeniedException",
    "KMS failure": "DecryptionFailure",
    "internal error": "InternalServiceError",
    "marked for deletion": "InvalidRequestException",
    "an unheard-of fault": "canary<&>\r\n",
    "reset": "reset",
    "HTML": "html",
    "binary": {"SecretBinary": base64.b64encode(RING).decode()},
    "neither": {},
    "empty": {"SecretString": ""},
    "not JSON": {"SecretString": "canary"},
    "an array": {"SecretString": "[]"},
    "too large": {"SecretString": RING.decode().ljust(65_537)},
    "duplicate ids": value(entry(), entry()),
    "not base64": value(entry(key="canary")),
    "a date that does not parse": value(entry(activation_date="canary")),
    "no key": value(),
    "no key active yet": value(entry(activation_date="2099-01-01T00:00:00Z")),
    **{f"{size} bytes": value(entry(key=b64(size))) for size in (16, 24, 31, 33)},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_cold_readers_unavailable(
    name: str, keys: Keys, secrets: Gate, secret: str, clock: FakeClock
) -> None:
    """K5: an error that names the secret and the fault, never a value; healed by a later try."""
    secrets.fault = FAULTS[name]
    for ask in (keys.sealing, lambda: keys.opening(b"key-1")):
        with pytest.raises(KeyringUnavailable) as caught:
            ask()
        assert secret in str(caught.value)
        assert "canary" not in str(caught.value)
    # Throttled, it is asked again while there is time, with growing pauses.
    most = 40 if FAULTS[name] == THROTTLED else 2
    assert 1 <= secrets.reads <= most, "one look, of two attempts at most"
    secrets.fault = None
    clock.advance(30)
    assert keys.sealing() == key(1)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_warm_readers_working(
    name: str, keys: Keys, secrets: Gate, clock: FakeClock
) -> None:
    """K4 and K5: the last good ring serves for 24 hours."""
    keys.sealing()
    secrets.fault = FAULTS[name]
    for hours in (1, 12, 23.9):
        clock.advance(hours * 3600 - (clock.running - 1000))
        assert keys.sealing() == keys.opening(b"key-1") == key(1)
        with pytest.raises(KeyringUnavailable):
            keys.opening(b"unknown while the last refresh failed")
    clock.advance(3600)
    with pytest.raises(KeyringUnavailable):
        keys.sealing()


def test_an_outage_costs_one_look_in_thirty_seconds(
    keys: Keys, secrets: Gate, clock: FakeClock
) -> None:
    """It begins after the ring went stale: all other requests are served from what is held."""
    keys.sealing()
    secrets.fault = "AccessDeniedException"
    clock.advance(300)
    before = secrets.reads
    for _ in range(120):
        for _ in range(10):
            assert keys.opening(b"key-1") == key(1)
        clock.advance(1)
    assert secrets.reads - before == 4


def test_a_slow_answer_is_given_up(keys: Keys, secrets: Gate) -> None:
    """K5: read 2 s, and no second attempt after that: 5 s in all."""
    secrets.fault = "hang"
    with pytest.raises(KeyringUnavailable, match="ReadTimeoutError"):
        keys.sealing()
    assert secrets.reads == 1


def test_a_quick_fault_is_tried_twice(keys: Keys, secrets: Gate) -> None:
    secrets.fault = "InternalServiceError"
    with pytest.raises(KeyringUnavailable, match="InternalServiceError"):
        keys.sealing()
    assert secrets.reads == 2


def test_a_throttled_read_is_tried_again_while_there_is_time(
    keys: Keys, secrets: Gate, clock: FakeClock
) -> None:
    """Thirty functions that start together read one secret; a refusal is not kept for long."""
    secrets.fault = THROTTLED
    with pytest.raises(KeyringUnavailable, match=THROTTLED):
        keys.sealing()
    assert secrets.reads > 2
    secrets.fault = None
    with pytest.raises(KeyringUnavailable):
        keys.sealing()
    clock.advance(1.1)
    assert keys.sealing().id


@pytest.mark.parametrize(
    "uri",
    [
        "secretsmanager:arn:aws:secretsmanager",
        "secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:x",
        "secretsmanager:arn:aws:ssm:eu-west-1:111122223333:parameter/x",
        "secretsmanager:arn:aws:secretsmanager:eu-west-1:111122223333:secret:x-AbCdEf:json::",
        "secretsmanager:arn:aws:secretsmanager:eu-west-1:111122223333:secret:codec/{namespace}",
    ],
)
def test_an_arn_that_cannot_name_a_ring_is_a_wrong_setting(uri: str) -> None:
    """With a placeholder, a namespace's name could end in another secret's suffix."""
    with pytest.raises(KeyringError, match="ARN"):
        open_source(uri)


def test_another_secret_is_never_taken(keys: Keys, secrets: Gate) -> None:
    """What answers must have the name that was asked for."""
    ring = Keyring([key(9)]).to_json().decode()
    secrets.fault = {"Name": "orders-YcuvIk", "SecretString": ring}
    with pytest.raises(KeyringUnavailable, match="another secret"):
        keys.sealing()


def test_a_hundred_threads_on_a_cold_start_call_once(keys: Keys, secrets: Gate) -> None:
    secrets.open.clear()
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(keys.opening, b"key-1") for _ in range(100)]
        secrets.open.set()
        assert {each.result(20) for each in asked} == {key(1)}
    assert secrets.reads == 1


def test_ten_thousand_unknown_ids_in_a_minute_call_three_times(
    keys: Keys, secrets: Gate, clock: FakeClock
) -> None:
    """K4; known keys go on being served between them."""
    for number in range(10_000):
        with pytest.raises(PayloadError):
            keys.opening(b"unknown-%d" % number)
        assert keys.opening(b"key-1") == key(1)
        clock.advance(60 / 10_000)
    assert secrets.reads <= 3


def test_a_rotated_key_is_found_when_it_is_met(
    keys: Keys, aws: Any, secret: str, clock: FakeClock
) -> None:
    keys.sealing()
    store(aws, secret, Keyring([key(1), key(2)]).to_json())
    clock.advance(30)
    assert keys.opening(b"key-2") == key(2)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_name_of_the_region_counts(
    name: str, secrets: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers are given AWS_REGION, which botocore alone does not read."""
    assert secrets.reads == 0
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv(name, "eu-north-1")
    assert make_client("secretsmanager").meta.region_name == "eu-north-1"


SPELLINGS = [
    key(1).secret.decode("latin-1"),
    key(1).secret.hex(),
    base64.b64encode(key(1).secret).decode(),
    base64.urlsafe_b64encode(key(1).secret).decode(),
    ", ".join(["1"] * 32),
]


@pytest.fixture
def debug_logging(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that anybody logs, as somebody would switch it on who looks for a fault."""
    botocore = logging.getLogger("botocore")
    before = botocore.level
    caplog.set_level(logging.DEBUG)
    botocore.setLevel(logging.DEBUG)
    yield caplog
    botocore.setLevel(before)


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_no_fault_shows_a_key(
    fault: str | None, debug_logging: pytest.LogCaptureFixture, keys: Keys, secrets: Gate
) -> None:
    """K8: at DEBUG, in five spellings: logs, messages, reprs and tracebacks."""
    texts = [repr(keys)]
    secrets.fault = FAULTS[fault] if fault else None
    for ask in (keys.sealing, lambda: keys.opening(b"unknown")):
        try:
            texts.append(repr(ask()))
        except (KeyringUnavailable, PayloadError) as error:
            texts += [str(error), repr(error), *traceback.format_exception(error)]
    texts += [record.getMessage() + repr(vars(record)) for record in debug_logging.records]
    assert not [s for s in (*SPELLINGS, "canary") for text in texts if s in text]
    assert debug_logging.records, "something was logged, or this would prove nothing"
