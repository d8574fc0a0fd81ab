"""`make deploy`: a name for each set of code and parameters, and a look at what is served."""

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from artifact.deploy import check
from artifact.release import overrides, release
from tests.rigs.processes import ROOT, clean_environment

CONFIG = """
version = 0.1
[default.global.parameters]
stack_name = "codec"
region = "us-east-1"
[default.deploy.parameters]
parameter_overrides = 'Readers="*@example.com,b@c.io" Origins=https://a.example'
[prod.global.parameters]
stack_name = "codec"
region = "us-east-1"
[prod.deploy.parameters]
parameter_overrides = ["Gradual=true", 'Origins="https://b.example"']
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a build and a configuration."""
    (tmp_path / "samconfig.toml").write_text(CONFIG)
    built = tmp_path / ".aws-sam" / "build" / "DecodeFunction"
    built.mkdir(parents=True)
    (built / "handler.py").write_text("1")
    return tmp_path


def test_the_parameters_are_those_of_the_environment(project: Path) -> None:
    config = project / "samconfig.toml"
    assert overrides(config, "default") == {
        "Readers": "*@example.com,b@c.io",
        "Origins": "https://a.example",
    }
    assert overrides(config, "prod") == {"Gradual": "true", "Origins": "https://b.example"}
    assert overrides(config, "other") == {}
    assert overrides(ROOT / "samconfig.toml", "default") == {}


def test_code_and_parameters_make_the_release(project: Path) -> None:
    """The template takes letters and digits alone; the last release is no part of the next."""
    built = project / ".aws-sam" / "build"
    first = release(built, {"Origins": "a"})
    assert first == release(built, {"Origins": "a", "Release": "x"})
    assert first.isalnum()
    assert first != release(built, {"Origins": "b"})
    (built / "DecodeFunction" / "handler.py").write_text("2")
    assert first != release(built, {"Origins": "a"})


def run(project: Path, environment: str, aws: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`make deploy`'s program, with a `sam` that only notes what it is asked."""
    sam = project / "sam"
    sam.write_text(
        '#!/bin/sh\nfor each in "$@"; do echo "$each"; done > asked\nexit ${STATUS:-0}\n'
    )
    sam.chmod(sam.stat().st_mode | stat.S_IEXEC)
    return subprocess.run(
        [sys.executable, "-m", "artifact.deploy", str(sam), environment],
        cwd=project,
        env=clean_environment(aws),
        capture_output=True,
        text=True,
        check=False,
    )


def zipped(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("handler.py", text)
    return file.getvalue()


class Account:
    """A stack of the right shape in an account that moto plays."""

    def __init__(self, moto: int) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{moto}",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self.session = botocore.session.Session()
        self.session.set_config_variable("region", "us-east-1")

    def client(self, service: str) -> Any:
        return self.session.create_client(service)

    def stack(self, gradual: str) -> None:
        role = {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        }
        function = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "codec-decode",
                "Handler": "handler.handler",
                "Runtime": "python3.13",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": "1"},
                "Environment": {"Variables": {"CODEC_ORIGINS": "https://a.example"}},
            },
        }
        other = {**function["Properties"], "FunctionName": "codec-rotation"}  # type: ignore[dict-item]
        template = {
            "Parameters": {"Gradual": {"Type": "String"}},
            "Resources": {
                "Role": role,
                "DecodeFunction": function,
                "RotationFunction": {**function, "Properties": other},
            },
        }
        self.client("cloudformation").create_stack(
            StackName="codec",
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": "Gradual", "ParameterValue": gradual}],
        )
        functions = self.client("lambda")
        published = functions.publish_version(FunctionName="codec-decode")["Version"]
        functions.create_alias(FunctionName="codec-decode", Name="live", FunctionVersion=published)

    def change_an_origin(self) -> None:
        """The function alone, as a deployment without a release would."""
        self.client("lambda").update_function_configuration(
            FunctionName="codec-decode",
            Environment={"Variables": {"CODEC_ORIGINS": "https://b.example"}},
        )


@pytest.fixture
def account(moto: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    account = Account(moto)
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    yield account
    account.client("cloudformation").delete_stack(StackName="codec")


def test_it_deploys_with_a_release_and_the_environment_s_parameters(
    project: Path, account: Account
) -> None:
    account.stack("true")
    done = run(project, "prod", account.environment)
    assert done.returncode == 0, done.stderr
    asked = (project / "asked").read_text().splitlines()
    assert asked[:4] == ["deploy", "--config-env", "prod", "--parameter-overrides"]
    parameters = {"Gradual": "true", "Origins": "https://b.example"}
    named = release(project / ".aws-sam" / "build", parameters)
    assert asked[4:] == ["Gradual=true", "Origins=https://b.example", f"Release={named}"]


def test_a_version_that_serves_old_settings_is_told(project: Path, account: Account) -> None:
    """A removed origin would go on being allowed."""
    account.stack("true")
    assert check("codec", account.session) is None
    account.change_an_origin()
    done = run(project, "default", account.environment)
    assert done.returncode == 1
    assert "codec-decode: the version that serves has other settings" in done.stderr


def test_without_versions_there_is_nothing_to_compare(account: Account) -> None:
    account.stack("false")
    account.change_an_origin()
    assert check("codec", account.session) is None


def test_a_deployment_that_fails_is_a_failure(project: Path) -> None:
    assert run(project, "default", {"STATUS": "3", "PATH": os.environ["PATH"]}).returncode == 3
