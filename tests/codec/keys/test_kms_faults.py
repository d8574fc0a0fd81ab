"""Every fault of AWS KMS, with the promises that rings keep (rules K4, K5, K8)."""

import logging
import traceback
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from temporal_codec import KeyringNotFound, KeyringUnavailable, PayloadError, Reason
from temporal_codec.allowance import Allowance
from temporal_codec.keys.kms import KmsSource
from temporal_codec.pipeline import decode
from tests.codec.clock import FakeClock
from tests.codec.rings import Content, content, plain, reason, sealed
from tests.rigs.secrets_manager import Gate, client

HOUR = 3600


def text(size: int) -> str:
    return b64encode(bytes(size)).decode()


@pytest.fixture(scope="module")
def arn(moto: int) -> str:
    return str(client(moto, "kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture(autouse=True)
def aws(secrets: Gate) -> Gate:
    return secrets


@pytest.fixture
def writer(arn: str, clock: FakeClock) -> KmsSource:
    return KmsSource(arn, clock)


@pytest.fixture
def reader(arn: str, clock: FakeClock) -> KmsSource:
    return KmsSource(arn, clock)


def seal(source: KmsSource) -> Content:
    return sealed(plain(), source.keys("orders").sealing())


PASSING: dict[str, str | dict[str, Any]] = {
    "throttling": "ThrottlingException",
    "internal error": "KMSInternalException",
    "a dependency's timeout": "DependencyTimeoutException",
    "the key store is away": "KeyUnavailableException",
    "credentials": "UnrecognizedClientException",
    "an unheard-of fault": "canary<&>\r\n",
    "reset": "reset",
    "HTML": "html",
    "empty": {},
    "not base64": {"Plaintext": "canary!", "KeyId": "canary", "CiphertextBlob": "AA=="},
    "no key": {"KeyId": "canary", "CiphertextBlob": "AA=="},
}
# Throttled, a question takes two seconds.
QUICK = [name for name in PASSING if name != "throttling"]
LASTING = {
    "access denied": "AccessDeniedException",
    "disabled": "DisabledException",
    "marked for deletion": "KMSInvalidStateException",
    "not in this region": "NotFoundException",
    "not what this key wrapped": "IncorrectKeyException",
    "changed": "InvalidCiphertextException",
    "for signatures": "InvalidKeyUsageException",
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_may_pass_makes_cold_processes_unavailable(
    name: str, writer: KmsSource, reader: KmsSource, secrets: Gate, clock: FakeClock
) -> None:
    """K5: an error that names the key and the fault, never a value; healed by a later try."""
    payload, cold = seal(writer), reader.keys("orders")
    secrets.fault, secrets.calls = PASSING[name], []
    for ask in (cold.sealing, lambda: decode([payload], cold)):
        with pytest.raises(KeyringUnavailable) as caught:
            ask()
        assert ":key/" in str(caught.value)
        assert "canary" not in str(caught.value)
    # Throttled, it is asked again while there is time, with growing pauses.
    assert 2 <= len(secrets.calls) <= (80 if name == "throttling" else 4)
    secrets.fault = None
    clock.advance(30)
    assert content(*decode([payload], cold)) == plain()
    assert cold.sealing().brought


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_that_may_pass_leaves_warm_processes_working(
    name: str, writer: KmsSource, secrets: Gate, clock: FakeClock
) -> None:
    """K4 and K5: what was unwrapped serves for 24 hours, and what seals for 24 after its day."""
    payload, warm = seal(writer), writer.keys("orders")
    start = clock.wall
    assert content(*decode([payload], warm)) == plain()
    secrets.fault = PASSING[name]
    for hours in (1, 12, 23.9):
        clock.advance(start + hours * HOUR - clock.wall)
        assert content(*decode([payload], warm)) == plain()
        assert warm.sealing().brought
        assert not warm.is_stale
    clock.advance(HOUR)
    with pytest.raises(KeyringUnavailable):
        decode([payload], warm)
    assert warm.sealing().brought
    assert warm.is_stale
    clock.advance(24 * HOUR)
    with pytest.raises(KeyringUnavailable):
        warm.sealing()


@pytest.mark.parametrize("name", LASTING)
def test_a_denial_leaves_payloads_encrypted_and_says_so(
    name: str, writer: KmsSource, reader: KmsSource, secrets: Gate, clock: FakeClock
) -> None:
    """No 5xx, one call in 30 seconds, and nobody else's payload is affected."""
    denied, known = seal(KmsSource(writer_name(writer), clock)), seal(writer)
    cold = reader.keys("orders")
    assert content(*decode([known], cold)) == plain()
    secrets.fault, secrets.calls = LASTING[name], []
    for _ in range(3):
        outcomes = decode([denied, known], cold)
        assert reason(outcomes[0]) is Reason.KEY_REFUSED
        assert content(outcomes[1]) == plain()
    assert secrets.calls == ["Decrypt"]
    secrets.fault = None
    clock.advance(30)
    assert content(*decode([denied], cold)) == plain()


def writer_name(source: KmsSource) -> str:
    """The ARN of a source's key."""
    return source.keys("orders").sealing().id


@pytest.mark.parametrize("name", LASTING)
def test_a_denial_reaches_a_warm_reader_within_an_hour(
    name: str, writer: KmsSource, secrets: Gate, clock: FakeClock
) -> None:
    """Revoked is revoked: no last good key serves on. It heals as soon as it is granted again."""
    payload, keys = seal(writer), writer.keys("orders")
    assert content(*decode([payload], keys)) == plain()
    secrets.fault = LASTING[name]
    clock.advance(HOUR)
    assert [reason(each) for each in decode([payload], keys)] == [Reason.KEY_REFUSED]
    secrets.fault = None
    clock.advance(30)
    assert content(*decode([payload], keys)) == plain()


@pytest.mark.parametrize("name", LASTING)
def test_nothing_is_sealed_without_a_data_key(
    name: str, reader: KmsSource, secrets: Gate, arn: str
) -> None:
    """A key that does not exist is an absent ring, a refusal of the caller's request."""
    secrets.fault = LASTING[name]
    absent = LASTING[name] == "NotFoundException"
    with pytest.raises(KeyringNotFound if absent else KeyringUnavailable, match=arn):
        reader.keys("orders").sealing()
    assert secrets.calls == ["GenerateDataKey"]


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
def test_a_data_key_of_another_length_is_never_used(
    size: int, reader: KmsSource, writer: KmsSource, secrets: Gate, arn: str
) -> None:
    payload = seal(writer)
    secrets.fault = {"Plaintext": text(size), "KeyId": arn, "CiphertextBlob": text(184)}
    with pytest.raises(KeyringUnavailable, match="no data key of it"):
        reader.keys("orders").sealing()
    (outcome,) = decode([payload], reader.keys("orders"))
    assert reason(outcome) is Reason.KEY_REFUSED


def test_a_record_never_names_a_key_that_did_not_unwrap(
    writer: KmsSource, reader: KmsSource, secrets: Gate, arn: str
) -> None:
    """What answers must be the key that the payload names, or nothing is opened."""
    payload = seal(writer)
    secrets.fault = {"Plaintext": text(32), "KeyId": f"{arn}0"}
    (outcome,) = decode([payload], reader.keys("orders"))
    assert reason(outcome) is Reason.KEY_REFUSED


@pytest.mark.parametrize("answer", [{"KeyId": "{}0"}, {"CiphertextBlob": text(6145)}])
def test_an_answer_of_another_key_or_size_is_never_used(
    answer: dict[str, str], reader: KmsSource, secrets: Gate, arn: str
) -> None:
    good = {"Plaintext": text(32), "KeyId": arn, "CiphertextBlob": text(184)}
    secrets.fault = {**good, **{name: value.format(arn) for name, value in answer.items()}}
    with pytest.raises(KeyringUnavailable, match="no data key of it"):
        reader.keys("orders").sealing()


def test_a_slow_answer_is_given_up(reader: KmsSource, secrets: Gate) -> None:
    """K5: read 2 s, and no second attempt after that: 5 s in all."""
    secrets.fault = "hang"
    with pytest.raises(KeyringUnavailable, match="ReadTimeoutError"):
        reader.keys("orders").sealing()
    assert len(secrets.calls) == 1


def test_an_outage_costs_one_question_in_thirty_seconds(
    writer: KmsSource, secrets: Gate, clock: FakeClock
) -> None:
    payload, keys = seal(writer), writer.keys("orders")
    decode([payload], keys)
    secrets.fault = "KMSInternalException"
    clock.advance(HOUR)
    secrets.calls = []
    for _ in range(120):
        for _ in range(10):
            assert content(*decode([payload], keys)) == plain()
        clock.advance(1)
    assert len(secrets.calls) == 4 * 2  # each of two attempts


def test_a_hundred_threads_on_a_cold_start_ask_once(
    writer: KmsSource, reader: KmsSource, secrets: Gate
) -> None:
    payload = seal(writer)
    secrets.calls = []
    secrets.open.clear()
    keys = reader.keys("orders")
    with ThreadPoolExecutor(200) as pool:
        opening = [pool.submit(decode, [payload], keys) for _ in range(100)]
        sealing = [pool.submit(keys.sealing) for _ in range(100)]
        secrets.open.set()
        assert {content(*each.result(20)) for each in opening} == {plain()}
        assert len({each.result(20).secret for each in sealing}) == 1
    assert sorted(secrets.calls) == ["Decrypt", "GenerateDataKey"]


def test_the_questions_of_one_request_are_bounded(
    writer: KmsSource, reader: KmsSource, secrets: Gate
) -> None:
    """A caller can make up any number of data keys for a namespace that is granted to them."""
    payload = seal(writer)
    wrapped = b64decode(payload.metadata["encryption-dek"])
    forged = [
        Content({**payload.metadata, "encryption-dek": b64encode(wrapped + bytes([n]))})
        for n in range(40)
    ]
    secrets.calls = []
    allowance = Allowance()
    reasons = [reason(each) for each in decode(forged, reader.keys("orders"), allowance)]
    assert reasons == [Reason.KEY_REFUSED] * 32 + [Reason.TOO_MANY_KEYS] * 8
    assert secrets.calls == ["Decrypt"] * 32


@pytest.mark.parametrize("fault", [None, *QUICK, *LASTING])
def test_no_fault_shows_a_key(
    fault: str | None, caplog: pytest.LogCaptureFixture, writer: KmsSource, arn: str, secrets: Gate
) -> None:
    """K8: at DEBUG, in three spellings: logs, messages, reprs and tracebacks."""
    caplog.set_level(logging.DEBUG)
    key = writer.keys("orders").sealing()
    payload = sealed(plain(), key)
    secrets.fault = {**PASSING, **LASTING}[fault] if fault else None
    keys = KmsSource(arn).keys("orders")
    texts = [repr(keys), repr(key)]
    for ask in (keys.sealing, lambda: decode([payload], keys)):
        try:
            texts.append(repr(ask()))
        except (KeyringUnavailable, KeyringNotFound, PayloadError) as error:
            texts += [str(error), repr(error), *traceback.format_exception(error)]
    texts += [record.getMessage() + repr(vars(record)) for record in caplog.records]
    shown = [key.secret.hex(), b64encode(key.secret).decode(), repr(key.secret)[2:-1], "canary"]
    assert not [each for each in shown for text in texts if each in text]
    assert caplog.records, "something was logged, or this would prove nothing"
