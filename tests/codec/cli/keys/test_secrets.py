"""`temporal-codec keys` on rings in Secrets Manager, over HTTP."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import typer
from botocore.exceptions import ReadTimeoutError

from temporal_codec import Keyring
from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys.secret import SecretStore
from tests.codec.cli.conftest import SAMPLE_KEY, Operator, aged
from tests.codec.cli.terminal import at_the_same_time, temporal_codec
from tests.codec.rings import key
from tests.rigs.secrets_manager import Gate, client, environment, new_secret

EMPTY = b'{"keys":[]}'


@pytest.fixture
def aws(moto: int) -> Any:
    return client(moto)


@pytest.fixture
def far(aws: Any, secrets: Gate) -> Operator:
    """An operator of a ring in Secrets Manager, which is not there yet."""
    assert secrets.fault is None
    return of(aws, f"temporal-codec/{uuid4()}")


def of(aws: Any, name: str) -> Operator:
    def read() -> bytes | None:
        try:
            answer = aws.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        except aws.exceptions.ResourceNotFoundException:
            return None
        return str(answer["SecretString"]).encode()

    return Operator(f"secretsmanager:{name}", read)


def existing(aws: Any, *keys: Any) -> Operator:
    return of(aws, new_secret(aws, Keyring(keys).to_json()))


def secret(operator: Operator) -> str:
    return operator.name.partition(":")[2]


def stages(aws: Any, operator: Operator) -> list[list[str]]:
    versions = aws.describe_secret(SecretId=secret(operator))["VersionIdsToStages"]
    return sorted(sorted(labels) for labels in versions.values() if labels)


def test_a_ring_from_its_making_to_the_end_of_its_first_key(far: Operator) -> None:
    done = far.keys("new")
    assert done.code == 0, done.said
    assert f"CODEC_KEYRING={far.name}" in done.said
    assert far.roles() == ["seals"]
    assert far.keys("check").code == 0
    assert far.keys("rotate", "--now").code == 0
    assert far.keys("import", "--id", "test-key-id", typed=SAMPLE_KEY).code == 0
    assert far.roles() == ["opens", "seals", "opens"]
    first = next(iter(far.ring)).id
    assert far.keys("retire", first, typed=f"{first}\n").code == 0
    assert far.roles() == ["seals", "opens"]


def test_new_never_overwrites(far: Operator) -> None:
    far.keys("new")
    before = far.read()
    done = far.keys("new")
    assert done.code == 1
    assert "A secret with this name exists already" in done.said
    assert far.read() == before


def test_import_makes_the_ring_where_there_is_none(far: Operator) -> None:
    assert far.keys("import", "--id", "test-key-id", typed=SAMPLE_KEY).code == 0
    assert [each.id for each in far.ring] == ["test-key-id"]


def test_the_versions_end_as_secrets_manager_wants_them(aws: Any, secrets: Gate) -> None:
    """The old ring is the previous version, and no label is left over."""
    operator = existing(aws, key(1))
    assert operator.keys("rotate").code == 0
    assert stages(aws, operator) == [["AWSCURRENT"], ["AWSPREVIOUS"]]
    previous = aws.get_secret_value(SecretId=secret(operator), VersionStage="AWSPREVIOUS")
    assert previous["SecretString"].encode() == Keyring([key(1)]).to_json()
    assert secrets.calls == [
        "GetSecretValue",
        "PutSecretValue",
        "UpdateSecretVersionStage",
        "UpdateSecretVersionStage",
    ]


def test_a_change_in_the_meantime_is_not_lost(
    aws: Any, secrets: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody rotates while an operator is asked for an id: who comes second begins anew."""
    operator = existing(aws, key(1), aged(2, timedelta(days=2)))
    theirs = Keyring([*operator.ring, key(3)]).to_json().decode()

    def meanwhile(*_: Any, **__: Any) -> str:
        aws.put_secret_value(SecretId=secret(operator), SecretString=theirs)
        return "key-1"

    monkeypatch.setattr(typer, "prompt", meanwhile)
    done = operator.keys("retire", "key-1")
    assert done.code == 1
    assert "Somebody else changed" in done.said
    assert "Run the command again" in done.said
    assert (operator.read() or b"").decode() == theirs
    assert stages(aws, operator) == [["AWSCURRENT"], ["AWSPREVIOUS"]]
    assert secrets.calls[-1] == "UpdateSecretVersionStage"


def test_of_many_at_once_none_undoes_anothers_change(aws: Any, secrets: Gate) -> None:
    """Who said that it added a key did add it; who came second said so."""
    operator = existing(aws, key(1))
    runs = at_the_same_time(
        4, "keys", "rotate", "--now", operator.name, environment=environment(secrets)
    )
    added = [run for run in runs if run.returncode == 0]
    assert added
    assert all("Somebody else changed" in run.stderr for run in runs if run not in added)
    assert len(operator.ring) == 1 + len(added)


class Losing:
    """A client whose answers to one operation are lost."""

    def __init__(self, aws: Any, name: str) -> None:
        self._aws = aws
        self._name = name

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            answer = getattr(self._aws, name)(**arguments)
            if name == self._name:
                raise ReadTimeoutError(endpoint_url="https://aws")
            return answer

        return call


@pytest.mark.parametrize(
    ("lost", "doubtful"), [("update_secret_version_stage", True), ("put_secret_value", False)]
)
def test_an_answer_that_is_lost_leaves_doubt_only_where_there_is_some(
    aws: Any, lost: str, doubtful: bool
) -> None:
    name = new_secret(aws, EMPTY)
    store = SecretStore(name, Losing(aws, lost))
    read = store.read()
    assert read is not None
    with pytest.raises(CliError, match="AWS does not respond") as caught:
        store.replace(read, Keyring([key(1)]).to_json())
    assert ("unknown whether the change was made" in str(caught.value)) is doubtful
    assert (of(aws, name).read() != EMPTY) is doubtful


def test_an_empty_ring_over_one_with_keys_is_not_extended(aws: Any, secrets: Gate) -> None:
    """K6: somebody's template overwrote a live ring; a first key would bury the old ones."""
    operator = existing(aws, key(1))
    aws.put_secret_value(SecretId=secret(operator), SecretString=EMPTY.decode())
    for command in (["rotate"], ["rotate", "--now"], ["import", "--id", "x"]):
        done = operator.keys(*command, typed=SAMPLE_KEY)
        assert done.code == 1
        assert "was it overwritten?" in done.said
        assert operator.read() == EMPTY
    assert "PutSecretValue" not in secrets.calls


def test_an_empty_ring_gets_a_key_that_seals(aws: Any, secrets: Gate) -> None:
    """As the rotation function does with the ring that a stack creates."""
    operator = existing(aws)
    assert operator.keys("rotate").code == 0
    assert operator.roles() == ["seals"]
    assert secrets.calls.count("GetSecretValue") == 3


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("AccessDeniedException", "secretsmanager:GetSecretValue"),
        ("DecryptionFailure", "KMS key"),
        ("ExpiredTokenException", "expired. Log in again"),
        ("InternalServiceError", "AWS failed. Run the command again in a moment."),
        ("InvalidRequestException", "aws secretsmanager restore-secret"),
        ("ThrottlingException", "throttles the request. Run the command again in a moment."),
        ("UnrecognizedClientException", "Log in again"),
        ("SomethingNew", "AWS rejects GetSecretValue (SomethingNew)"),
        ("ResourceNotFoundException", "`temporal-codec keys new` makes it"),
        ("reset", "AWS"),
        ("hang", "AWS does not respond"),
        ("html", "is broken"),
        ({"SecretBinary": "AAAA", "VersionId": "v"}, "binary, not a string"),
        ({"SecretString": "canary", "VersionId": "v"}, "is broken: not a key ring"),
    ],
    ids=str,
)
def test_a_fault_of_aws_is_a_sentence(aws: Any, secrets: Gate, fault: Any, words: str) -> None:
    """It says what to do next, and quotes nothing."""
    operator = existing(aws, key(1))
    secrets.fault = fault
    done = operator.keys("rotate")
    assert done.code == 1
    assert words in done.said
    assert operator.name in done.said
    assert "canary" not in done.said
    assert "message" not in done.said


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (("AWS_REGION", "AWS_DEFAULT_REGION"), "No AWS region is set. Set AWS_REGION"),
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "No AWS credentials were found"),
        (("AWS_SECRET_ACCESS_KEY",), "AWS credentials are incomplete"),
    ],
)
def test_what_aws_needs_is_named(
    far: Operator, monkeypatch: pytest.MonkeyPatch, lacking: tuple[str, ...], words: str
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    for name in lacking:
        monkeypatch.delenv(name)
    done = far.keys("new")
    assert done.code == 1
    assert words in done.said


def test_a_profile_that_is_not_there_is_a_sentence(
    far: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    done = far.keys("new")
    assert (done.code, "AWS profile does not exist" in done.said) == (1, True)


def test_the_region_is_that_of_the_aws_command_line(
    far: Operator, secrets: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes by AWS_REGION first; botocore alone does not know that name."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    known = {k: v for k, v in environment(secrets).items() if k != "AWS_DEFAULT_REGION"}
    done = temporal_codec("keys", "new", far.name, environment=known)
    assert done.returncode == 0, done.stderr
    assert len(far.ring) == 1


def test_check_adds_up_what_the_functions_counted(
    aws: Any, moto: int, secrets: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K2: the days of a key, of all stacks, and what workers counted; other keys do not matter."""
    assert secrets.fault is None
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", f"http://127.0.0.1:{moto}")
    operator = existing(aws, aged(1, timedelta(days=20)), aged(2, timedelta(days=9)))
    now = datetime.now(UTC)
    cloudwatch = client(moto, "cloudwatch")
    for service, name, count, days in [
        ("one", "key-2", 2**28, 9),
        ("one", "key-2", 2**28, 0),
        ("two", "key-2", 2**28, 3),
        ("two", "another-ring-s", 2**40, 3),
    ]:
        dimensions = {"service": service, "key": name}
        datum = {
            "MetricName": "Sealed",
            "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions.items()],
            "Timestamp": now - timedelta(days=days),
            "Value": count,
        }
        cloudwatch.put_metric_data(Namespace="CodecServer", MetricData=[datum])
    done = operator.keys("check", "--json", "--sealed", "key-2=100")
    document = json.loads(done.said)
    assert document["sealed"] == {"key-1": 0, "key-2": 3 * 2**28 + 100}
    assert "has encrypted" not in done.said
    done = operator.keys("check", "--sealed", f"key-2={2**28}", "--fail-on-warning")
    assert f"key-2 has encrypted {2**30} payloads" in done.said
    assert done.code == 1


def test_check_says_how_to_count_if_cloudwatch_may_not_be_read(
    aws: Any, secrets: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note and no warning: a daily `keys check` may run without this permission."""
    assert secrets.fault is None
    operator = existing(aws, aged(1, timedelta(days=1)))
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
    done = operator.keys("check", "--fail-on-warning", "--sealed", "key-1=5")
    assert "Note: what servers encrypted is not counted here. CloudWatch: " in done.said
    assert "cloudwatch:GetMetricStatistics" in done.said
    assert done.code == 0
