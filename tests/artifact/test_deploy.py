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

from artifact.deploy import NEED_AN_ISSUER, QUESTIONS, ask, check
from artifact.parameters import ConfigError, defaults, overrides, save, settings
from artifact.release import release
from artifact.stack import Stack
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
    (tmp_path / "template.yaml").write_text((ROOT / "template.yaml").read_text())
    return tmp_path


def test_the_parameters_are_those_of_the_environment(project: Path) -> None:
    config = project / "samconfig.toml"
    assert overrides("default", config) == {
        "Readers": "*@example.com,b@c.io",
        "Origins": "https://a.example",
    }
    assert overrides("prod", config) == {"Gradual": "true", "Origins": "https://b.example"}
    assert overrides("default", ROOT / "samconfig.toml") == {}
    with pytest.raises(ConfigError, match="no environment other"):
        settings("other", config)


@pytest.mark.parametrize("environment", ["default", "prod"])
def test_what_is_saved_is_what_is_read(project: Path, environment: str) -> None:
    """Values with blanks and commas too; other environments and comments stay."""
    config = project / "samconfig.toml"
    config.write_text((ROOT / "samconfig.toml").read_text())
    wanted = {"Readers": "*@example.com,b@c.io", "Origins": "https://a.io, https://b.io"}
    save(environment, {**wanted, "Issuer": ""}, config)
    save(environment, {**wanted, "Issuer": ""}, config)
    assert overrides(environment, config) == wanted
    lines = (ROOT / "samconfig.toml").read_text().splitlines()
    left = set(config.read_text().splitlines())
    assert {each for each in lines if "overrides" not in each} <= left
    other = "prod" if environment == "default" else "default"
    assert overrides(other, config) == overrides(other, ROOT / "samconfig.toml")


def test_a_first_deployment_asks_for_at_most_eight_things() -> None:
    """The region is the eighth, if no tool of AWS knows it; the rest has a default."""
    asked: list[str] = []
    issuer = "https://issuer.example/"

    def read(question: str) -> str:
        asked.append(question)
        return issuer if "Issuer" in question else ""

    answers = ask(defaults(ROOT / "template.yaml"), read)
    assert len(asked) == len(QUESTIONS) < 8
    assert answers["Issuer"] == "https://issuer.example/"
    assert answers["Origins"] == "https://cloud.temporal.io", "an empty line takes the default"
    asked.clear()
    issuer = ""
    ask(defaults(ROOT / "template.yaml"), read)
    assert len(asked) == len(QUESTIONS) - len(NEED_AN_ISSUER)


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
            "Parameters": {
                "Gradual": {"Type": "String"},
                "RingName": {"Type": "String", "Default": ""},
                "ExistingRing": {"Type": "String", "Default": ""},
            },
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
    monkeypatch.chdir(ROOT)
    yield account
    account.client("cloudformation").delete_stack(StackName="codec")


def test_it_deploys_with_a_release_and_the_environment_s_parameters(
    project: Path, account: Account
) -> None:
    account.stack("true")
    done = run(project, "prod", account.environment)
    assert done.returncode == 0, done.stderr
    asked = (project / "asked").read_text().splitlines()
    assert asked[:-1] == [
        *("deploy", "--config-env", "prod"),
        *("--no-confirm-changeset", "--parameter-overrides"),
    ]
    given = json.loads(Path(asked[-1].removeprefix("file://")).read_text())
    every = {**defaults(), "Gradual": "true", "Origins": "https://b.example"}
    assert given == every | {"Release": release(project / ".aws-sam" / "build", every)}


def test_a_change_that_would_lose_the_keys_is_refused(project: Path, account: Account) -> None:
    """The stack has no such ring; the message names the parameter and no value."""
    account.stack("true")
    config = project / "samconfig.toml"
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:temporal-codec/default-AbCdEf"
    config.write_text(CONFIG.replace('"Gradual=true"', f'"Gradual=true", "ExistingRing={arn}"'))
    done = run(project, "prod", account.environment)
    assert done.returncode == 1
    assert "changes ExistingRing of a stack that is deployed" in done.stderr
    assert arn not in done.stderr
    assert not (project / "asked").exists()
    run(project, "prod", {**account.environment, "FORCE": "1"})
    assert (project / "asked").exists()


def test_a_parameter_that_the_template_has_not_is_named(project: Path, account: Account) -> None:
    """The SAM CLI would ignore a misspelled one."""
    config = project / "samconfig.toml"
    config.write_text(CONFIG.replace('"Gradual=true"', '"Gradul=true"'))
    done = run(project, "prod", account.environment)
    assert done.returncode == 1
    assert "sets Gradul, which template.yaml does not have" in done.stderr


def test_a_version_that_serves_old_settings_is_told(project: Path, account: Account) -> None:
    """A removed origin would go on being allowed."""
    account.stack("true")
    assert check(Stack({"stack_name": "codec"}), {}) is None
    account.change_an_origin()
    done = run(project, "prod", account.environment)
    assert done.returncode == 1
    assert "codec-decode: the settings of the serving version differ" in done.stderr


def test_without_versions_there_is_nothing_to_compare(account: Account) -> None:
    account.stack("false")
    account.change_an_origin()
    assert check(Stack({"stack_name": "codec"}), {}) is None


def test_a_deployment_that_did_not_take_effect_is_reported(account: Account) -> None:
    """The SAM CLI ends well too if another parameter was deployed in the meantime."""
    account.stack("false")
    fault = check(Stack({"stack_name": "codec"}), {"Gradual": "true"})
    assert fault
    assert "Gradual differ from what was deployed" in fault


def test_a_deployment_that_fails_is_a_failure(project: Path, account: Account) -> None:
    assert run(project, "default", {**account.environment, "STATUS": "3"}).returncode == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "No AWS region is set."),
        ({"AWS_REGION": "us-east-1"}, "No AWS credentials were found."),
    ],
)
def test_what_the_aws_command_would_need_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    """A sentence and no traceback; AWS_REGION counts."""
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    none = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    given = {**none, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **given}
    (project / "samconfig.toml").write_text(CONFIG.replace('region = "us-east-1"\n', ""))
    done = run(project, "default", given)
    assert (done.returncode, done.stderr.startswith(words)) == (1, True), done.stderr
