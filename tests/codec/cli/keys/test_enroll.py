"""`temporal-codec keys enroll`, over HTTP: rings of many namespaces."""

import json
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from temporal_codec.cli.app import app
from tests.codec.cli.conftest import Done
from tests.rigs.secrets_manager import Gate, client, stand_in


@pytest.fixture
def aws(moto: int) -> Any:
    return client(moto)


class Stack:
    """A Codec Server's stack, as far as its outputs go."""

    def __init__(self, moto: int, uri: str | None = None) -> None:
        self.name = f"codec-{uuid4()}"
        self.key = client(moto, "kms").create_key()["KeyMetadata"]["Arn"]
        self.function = stand_in(moto)
        outputs = {
            "KeyRing": uri or f"secretsmanager:{self.name}/{{namespace}}",
            "RingKeyArn": self.key,
            "RotationFunctionArn": self.function,
        }
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        client(moto, "cloudformation").create_stack(
            StackName=self.name, TemplateBody=json.dumps(template)
        )

    def enroll(self, typed: str, *arguments: str) -> Done:
        """Run the command."""
        command = ["keys", "enroll", "--stack", self.name, *arguments]
        result = CliRunner().invoke(app, command, input=typed)
        assert isinstance(result.exception, SystemExit | None), repr(result.exception)
        return Done(result.exit_code, " ".join(result.output.split()))


@pytest.fixture
def stack(moto: int, secrets: Gate) -> Stack:
    assert secrets.fault is None
    return Stack(moto)


def test_many_rings_are_made_once_and_come_into_rotation(stack: Stack, aws: Any) -> None:
    """Each is empty, with the stack's key: the rotation function adds the first key."""
    done = stack.enroll("orders\r\nbilling\n\norders\n\u00fcber")
    assert (done.code, done.said) == (0, "3 made, in rotation.")
    for name in ("orders", "billing", "=C3=BCber"):
        found = aws.describe_secret(SecretId=f"{stack.name}/{name}")
        assert found["KmsKeyId"] == stack.key
        assert found["RotationEnabled"]
        assert found["RotationLambdaARN"] == stack.function
        assert found["RotationRules"] == {"AutomaticallyAfterDays": 90}
        told = aws.get_secret_value(SecretId=f"{stack.name}/{name}", VersionStage="AWSCURRENT")
        assert told["SecretString"] == '{"keys":[]}'


def test_a_second_run_changes_nothing(stack: Stack, secrets: Gate) -> None:
    stack.enroll("orders\nbilling")
    secrets.calls.clear()
    assert stack.enroll("orders\nbilling").said == "2 in rotation already."
    assert secrets.calls.count("DescribeSecret") == 2
    assert not {"CreateSecret", "RotateSecret"} & {*secrets.calls}


def test_a_run_that_was_interrupted_goes_on(stack: Stack, aws: Any, tmp_path: Any) -> None:
    """A ring that exists keeps its keys and comes into rotation; so does one of other days."""
    ring = '{"keys":[],"note":"as it was"}'
    aws.create_secret(Name=f"{stack.name}/billing", SecretString=ring, KmsKeyId=stack.key)
    stack.enroll("orders", "--days", "30")
    names = tmp_path / "names"
    names.write_text("orders\nbilling\nshipping\n")
    done = stack.enroll("", str(names))
    assert done.said == "1 made, in rotation. 2 existed, in rotation from now on."
    told = aws.get_secret_value(SecretId=f"{stack.name}/billing", VersionStage="AWSCURRENT")
    assert told["SecretString"] == ring
    rules = aws.describe_secret(SecretId=f"{stack.name}/orders")["RotationRules"]
    assert rules == {"AutomaticallyAfterDays": 90}


def test_a_ring_that_cannot_be_enrolled_is_named_and_the_rest_goes_on(
    stack: Stack, aws: Any
) -> None:
    aws.create_secret(Name=f"{stack.name}/billing", SecretString="{}")
    aws.create_secret(Name=f"{stack.name}/gone", SecretString="{}", KmsKeyId=stack.key)
    aws.delete_secret(SecretId=f"{stack.name}/gone")
    done = stack.enroll("billing\ngone\norders")
    assert done.code == 1
    assert f"{stack.name}/billing: It is encrypted with another KMS key" in done.said
    assert f"{stack.name}/gone: It is marked for deletion" in done.said
    assert "1 made, in rotation. 2 failed. Run the command again" in done.said


def test_what_always_fails_is_not_tried_a_thousand_times(stack: Stack, aws: Any) -> None:
    """A missing permission fails for every ring."""
    for number in range(6):
        aws.create_secret(Name=f"{stack.name}/n{number}", SecretString="{}")
    done = stack.enroll("\n".join(f"n{number}" for number in range(6)))
    assert done.code == 1
    assert "5 rings in a row failed, so the command stopped" in done.said
    assert "/n5" not in done.said


def test_a_wrong_name_stops_everything_at_its_line(stack: Stack, secrets: Gate) -> None:
    done = stack.enroll("orders\nbad\x07name")
    assert done.code == 2
    assert "Line 2: a namespace's name is" in done.said
    assert secrets.calls == []


def test_a_stack_with_one_ring_is_told_apart(moto: int, secrets: Gate) -> None:
    """Its rotation function may rotate no other ring."""
    done = Stack(moto, "secretsmanager:temporal-codec/default").enroll("orders")
    assert "Rings=per-namespace" in done.said
    missing = CliRunner().invoke(app, ["keys", "enroll", "--stack", "missing"], input="orders")
    assert "There is no stack missing" in " ".join(missing.output.split())
    assert "CreateSecret" not in secrets.calls
