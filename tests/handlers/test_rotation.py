"""Rotation in the four steps of Secrets Manager's contract, over HTTP (rule K6)."""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from handlers import rotation
from handlers.rotation import RotationError, check_addition
from handlers.settings.rotation import RotationSettings
from temporal_codec import Keyring
from temporal_codec.keys.key import ROTATION_WAIT
from tests.codec.rings import key
from tests.rigs.processes import ROOT
from tests.rigs.secrets_manager import Gate, client, new_secret, request_rotation

NOW = datetime(2026, 11, 29, tzinfo=UTC)
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


class Context:
    """What Powertools asks of a Lambda context."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "test"


@pytest.fixture
def aws(moto: int) -> Any:
    return client(moto)


@pytest.fixture(autouse=True)
def fresh_client(secrets: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a gate of its own, so the function must not keep an earlier one's client."""
    monkeypatch.setattr(rotation, "_client", None)
    assert secrets.calls == []


def run(secret: str, version: str, *steps: str, **extra: str) -> None:
    for step in steps:
        event = {"SecretId": secret, "ClientRequestToken": version, "Step": step, **extra}
        rotation.handler(event, Context())


def rotate(aws: Any, secret: str) -> str:
    version = request_rotation(aws, secret)
    run(secret, version, *STEPS)
    return version


def text(aws: Any, secret: str, stage: str = "AWSCURRENT") -> str:
    answer = aws.get_secret_value(SecretId=secret, VersionStage=stage)
    return str(answer["SecretString"])


def ring(aws: Any, secret: str) -> list[Any]:
    return list(Keyring.from_json(text(aws, secret).encode()))


def test_an_empty_ring_gets_its_first_key_active_at_once(aws: Any) -> None:
    """Decision 11: nobody has ever seen it."""
    secret = new_secret(aws)
    rotate(aws, secret)
    (first,) = ring(aws, secret)
    assert first.activation_date <= datetime.now(UTC)
    assert len(first.secret) == 32


def test_a_later_key_seals_after_25_hours(aws: Any) -> None:
    """Decision 4: above the 24 hours for which a reader may live on its last good ring."""
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    rotate(aws, secret)
    old, new = ring(aws, secret)
    assert old == key(1)
    assert timedelta(hours=24.9) < new.activation_date - datetime.now(UTC) <= ROTATION_WAIT
    assert Keyring([old, new]).sealing(datetime.now(UTC)) == old


@pytest.mark.parametrize("derives", [True, False])
def test_a_new_ring_s_first_key_is_of_the_kind_that_is_set_and_later_ones_of_the_newest_s(
    aws: Any, monkeypatch: pytest.MonkeyPatch, derives: bool
) -> None:
    """CODEC_DERIVE_KEYS changes no ring that has keys: its readers may not derive."""
    secret = new_secret(aws)
    for setting in (derives, not derives):
        monkeypatch.setattr(rotation, "_settings", RotationSettings(setting))
        rotate(aws, secret)
        assert {each.derives for each in ring(aws, secret)} == {derives}


def test_old_keys_stay_byte_for_byte_with_all_that_is_in_the_ring(aws: Any) -> None:
    """K6; members that this version does not know survive."""
    written = json.loads(Keyring([key(1), key(2)]).to_json())
    written["comment"] = "ours"
    written["keys"][0]["owner"] = {"team": ["a", 1]}
    secret = new_secret(aws, json.dumps(written))
    for count in range(3):
        rotate(aws, secret)
        now = json.loads(text(aws, secret))
        assert now["keys"][:2] == written["keys"]
        assert now["comment"] == "ours"
        assert len(now["keys"]) == 3 + count


def test_a_ring_that_an_editor_marked_is_rotated(aws: Any) -> None:
    """A byte order mark is read by servers, so that it must not stop each rotation for ever."""
    secret = new_secret(aws, "\ufeff" + Keyring([key(1)]).to_json().decode())
    for count in (2, 3):
        rotate(aws, secret)
        assert len(ring(aws, secret)) == count


def test_a_ring_with_what_cannot_be_kept_is_not_rotated(aws: Any) -> None:
    """It fails before a version is made, and says why."""
    written = Keyring([key(1)]).to_json().decode().rstrip().removesuffix("}") + ',"n":1e400}'
    secret = new_secret(aws, written)
    version = request_rotation(aws, secret)
    with pytest.raises(RotationError, match="a number that cannot be kept"):
        run(secret, version, "createSecret")
    assert text(aws, secret) == written


def stages(aws: Any, secret: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = aws.describe_secret(SecretId=secret)["VersionIdsToStages"]
    return found


def test_the_versions_end_as_secrets_manager_wants_them(aws: Any) -> None:
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    version = rotate(aws, secret)
    assert stages(aws, secret)[version] == ["AWSCURRENT"]
    assert text(aws, secret, "AWSPREVIOUS") == Keyring([key(1)]).to_json().decode()
    rotate(aws, secret)
    assert len(ring(aws, secret)) == 3


class Killed(BaseException):
    """The function's process ends here."""


def killed_after(calls: int, aws: Any) -> Any:
    """A client whose process ends right after so many calls."""

    class Dying:
        left = calls

        def __getattr__(self, name: str) -> Callable[..., Any]:
            def call(**arguments: Any) -> Any:
                answer = getattr(aws, name)(**arguments)
                self.left -= 1
                if self.left == 0:
                    raise Killed
                return answer

            return call

    return Dying()


@pytest.mark.parametrize(("step", "calls"), list(product(STEPS, range(1, 6))))
def test_a_step_that_is_killed_after_any_call_can_be_run_again(
    aws: Any, monkeypatch: pytest.MonkeyPatch, step: str, calls: int
) -> None:
    """K6: the crash matrix; it ends in the same state."""
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    version = request_rotation(aws, secret)
    run(secret, version, *STEPS[: STEPS.index(step)])
    monkeypatch.setattr(rotation, "_client", killed_after(calls, aws))
    with suppress(Killed):
        run(secret, version, step)
    monkeypatch.setattr(rotation, "_client", aws)
    run(secret, version, *STEPS[STEPS.index(step) :])
    assert len(ring(aws, secret)) == 2
    assert ring(aws, secret)[0] == key(1)
    assert stages(aws, secret)[version] == ["AWSCURRENT"]


def test_steps_run_twice_change_nothing(aws: Any) -> None:
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    version = request_rotation(aws, secret)
    run(secret, version, *(step for step in STEPS for _ in range(2)))
    once = text(aws, secret)
    run(secret, version, *STEPS)
    assert text(aws, secret) == once
    assert len(ring(aws, secret)) == 2


def test_refuses_an_empty_ring_over_one_that_had_keys(aws: Any) -> None:
    """K6: somebody's template overwrote a live ring; a first key would bury the old ones."""
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    aws.put_secret_value(SecretId=secret, SecretString='{"keys":[]}')
    version = request_rotation(aws, secret)
    with pytest.raises(RotationError, match="empty while the previous one holds keys"):
        run(secret, version, "createSecret")
    assert text(aws, secret) == '{"keys":[]}'


def test_refuses_a_ring_that_is_full(aws: Any) -> None:
    """K6: before Secrets Manager's own limit of 65,536 bytes does."""
    written = json.loads(Keyring([key(1)]).to_json())
    written["comment"] = "x" * (65_536 - len(json.dumps(written)) - 60)
    secret = new_secret(aws, json.dumps(written))
    version = request_rotation(aws, secret)
    with pytest.raises(RotationError, match="over 65536 bytes"):
        run(secret, version, "createSecret")
    assert len(ring(aws, secret)) == 1


@pytest.mark.parametrize("broken", ["", "canary", '{"keys":[{"id":"a"}]}'])
def test_refuses_a_ring_that_is_broken(aws: Any, broken: str) -> None:
    secret = new_secret(aws, broken or " ")
    version = request_rotation(aws, secret)
    with pytest.raises(RotationError, match="not a key ring") as caught:
        run(secret, version, "createSecret")
    assert "canary" not in str(caught.value)


def test_the_test_step_refuses_another_ring(aws: Any) -> None:
    """The new version must be the current one plus one key; another is pending no more."""
    for wrong in ([key(2), key(3)], [key(1)], [key(1), key(2), key(3)], []):
        secret = new_secret(aws, Keyring([key(1)]).to_json())
        version = request_rotation(aws, secret)
        aws.put_secret_value(
            SecretId=secret,
            ClientRequestToken=version,
            SecretString=Keyring(wrong).to_json().decode(),
            VersionStages=["AWSPENDING"],
        )
        with pytest.raises(RotationError):
            run(secret, version, "testSecret")
        assert "AWSPENDING" not in stages(aws, secret).get(version, [])


def test_refuses_a_version_that_secrets_manager_did_not_ask_for(aws: Any) -> None:
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    request_rotation(aws, secret)
    with pytest.raises(RotationError, match="no such version"):
        run(secret, "0" * 36, "createSecret")


def test_refuses_a_secret_without_rotation(aws: Any) -> None:
    secret = new_secret(aws)
    with pytest.raises(RotationError, match="not switched on"):
        run(secret, "0" * 36, "createSecret")


def test_refuses_an_unknown_step() -> None:
    for step in ("", "deleteSecret", None):
        with pytest.raises(RotationError, match="not a step"):
            rotation.handler({"SecretId": "s", "ClientRequestToken": "t", "Step": step}, Context())


def test_the_rotation_token_is_passed_on(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """K6: across accounts Secrets Manager sends one, and wants it back."""
    secret = new_secret(aws)
    version = request_rotation(aws, secret)
    puts: list[dict[str, Any]] = []

    class Noting:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def call(**arguments: Any) -> Any:
                if name == "put_secret_value":
                    puts.append(dict(arguments))
                    arguments.pop("RotationToken", None)
                return getattr(aws, name)(**arguments)

            return call

    monkeypatch.setattr(rotation, "_client", Noting())
    run(secret, version, "createSecret", RotationToken="proof")
    assert [put.get("RotationToken") for put in puts] == ["proof"]


def test_a_rotation_that_fails_names_its_ring_in_the_log(
    aws: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Thousands of rings share one function and one alarm."""
    broken = new_secret(aws, "no ring")
    version = request_rotation(aws, broken)
    with pytest.raises(RotationError):
        run(broken, version, "createSecret")
    (line,) = [vars(each) for each in caplog.records if each.name == "codec-rotation"]
    assert (line["levelname"], line["msg"]) == ("ERROR", "rotation failed")
    assert (line["secret"], line["step"]) == (broken, "createSecret")
    assert "not a key ring" in line["cause"]


NO_VALUE: dict[str, tuple[str | dict[str, Any], str]] = {
    "AWS refuses": ("AccessDeniedException", "GetSecretValue: AccessDeniedException"),
    "AWS does not answer": ("reset", "AWS: ConnectionClosedError"),
    "it is binary": ({"SecretBinary": "eA=="}, "it is binary, not a string, or empty"),
    "it is not there": ("ResourceNotFoundException", "the secret has no current version"),
    "it has no such stage": ("InvalidRequestException", "the secret has no current version"),
    "it has no value": ({}, "the secret has no current version"),
}


@pytest.mark.parametrize("name", NO_VALUE)
def test_a_ring_that_cannot_be_read_stops_the_rotation_with_the_cause(
    aws: Any, secrets: Gate, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The line in the log is the alarm's: what failed, and how."""
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    version = request_rotation(aws, secret)
    secrets.fault, cause = NO_VALUE[name]
    with pytest.raises(RotationError) as caught:
        run(secret, version, "createSecret")
    (line,) = [vars(each) for each in caplog.records if each.name == "codec-rotation"]
    assert line["cause"] == str(caught.value)
    assert cause in str(caught.value)
    assert "PutSecretValue" not in secrets.calls


def test_the_new_key_waits_a_day_from_the_check_at_least() -> None:
    """As long as a reader may live on its last good ring; a ring's first key need not."""
    before = Keyring([key(1)])
    waiting = replace(key(2), activation_date=NOW + timedelta(hours=24))
    ring = Keyring([key(1), waiting])
    check_addition(before.to_json(), ring.to_json(), NOW)
    with pytest.raises(RotationError, match="took too long"):
        check_addition(before.to_json(), ring.to_json(), NOW + timedelta(seconds=1))
    check_addition(b'{"keys":[]}', Keyring([key(2)]).to_json(), NOW)


def test_a_rotation_that_never_ran_is_logged_with_its_ring(
    aws: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The stack's schedule asks; the template's metric filter looks for this line."""
    secret = new_secret(aws)
    rotation.handler({"Step": "checkRotation", "Secret": secret}, Context())
    (line,) = [vars(each) for each in caplog.records if each.name == "codec-rotation"]
    assert (line["levelname"], line["msg"]) == ("ERROR", "rotation overdue")
    assert (line["secret"], line["cause"]) == (secret, "rotation is switched off")
    assert '$.message = "rotation overdue"' in (ROOT / "template.yaml").read_text()


def test_the_function_logs_no_value(aws: Any, caplog: pytest.LogCaptureFixture) -> None:
    """K8: at DEBUG, where botocore would print the request that stores the ring."""
    caplog.set_level(logging.DEBUG)
    secret = new_secret(aws, Keyring([key(1)]).to_json())
    rotate(aws, secret)
    logged = "".join(record.getMessage() + repr(vars(record)) for record in caplog.records)
    done = [vars(each) for each in caplog.records if each.name == "codec-rotation"]
    assert [(line["levelname"], line["msg"], line["secret"], line["step"]) for line in done] == [
        ("INFO", "rotation", secret, step) for step in STEPS
    ]
    for entry in json.loads(text(aws, secret))["keys"]:
        assert entry["key"] not in logged
