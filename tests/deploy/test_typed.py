"""The documentation's commands, typed: `make deploy`, `make adopt`, `make rollback`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifact.parameters import overrides
from tests.codec.cli.terminal import PROGRAM
from tests.rigs.cloudformation import Account
from tests.rigs.processes import ROOT, clean_environment
from tests.rigs.sam import SAM_PYTHON

SAM = SAM_PYTHON.with_name("sam")
# Each command of the SAM CLI takes several seconds, and more on a busy machine.
pytestmark = pytest.mark.timeout(600)


class Checkout:
    """A checkout whose artifacts are built, with a stack of its own name."""

    def __init__(self, folder: Path, cloud: Account, stack: str) -> None:
        self.folder, self.cloud, self.stack = folder, cloud, stack
        self.config = folder / "samconfig.toml"
        self.template = folder / "template.yaml"
        self.config.write_text(
            (ROOT / "samconfig.toml").read_text().replace('= "temporal-codec"', f'= "{stack}"')
        )
        self.template.write_text((ROOT / "template.yaml").read_text())
        for name in ("LICENSE", "README.md"):  # `sam` uploads both
            (folder / name).write_text("")
        (folder / ".aws-sam").mkdir()
        (folder / ".aws-sam" / "build").symlink_to(ROOT / ".aws-sam" / "build")

    def make(
        self, module: str, *arguments: str, typed: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run what the Makefile's target runs; with `typed`, at a terminal."""
        there, here = os.openpty()
        if typed is not None:
            os.write(there, typed.encode())
        try:
            return subprocess.run(
                [sys.executable, "-m", f"artifact.{module}", *arguments],
                cwd=self.folder,
                env=clean_environment({**self.cloud.environment, **environment}),
                stdin=here if typed is not None else subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=280,
                check=False,
            )
        finally:
            os.close(there)
            os.close(here)

    def deploy(self, typed: str | None = None) -> None:
        """`make deploy`, which must end well."""
        done = self.make("deploy", str(SAM), "default", typed=typed)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path, cloud: Account, stack: str) -> Checkout:
    """See Checkout."""
    return Checkout(tmp_path, cloud, stack)


def live(checkout: Checkout) -> dict[str, str]:
    """The parameters of the stack."""
    told = checkout.cloud.client("cloudformation").describe_stacks(StackName=checkout.stack)
    return {p["ParameterKey"]: p["ParameterValue"] for p in told["Stacks"][0]["Parameters"]}


def test_asked_then_changed_then_gradual_then_back(checkout: Checkout) -> None:
    """One file says what is deployed: what leaves it takes its default again."""
    answers = ["*@example.com", "", "https://a.example", "", "", "y"]
    checkout.deploy(typed="\n".join([*answers, ""]))
    assert overrides("default", checkout.config) == {
        "Readers": "*@example.com",
        "Origins": "https://a.example",
    }
    assert live(checkout)["Origins"] == "https://a.example"
    written = checkout.config.read_text()
    checkout.config.write_text(written.replace('"Origins=https://a.example"', '"Gradual=true"'))
    checkout.deploy()
    assert live(checkout)["Origins"] == "https://cloud.temporal.io"
    assert live(checkout)["Gradual"] == "true"
    done = checkout.make("deploy", str(SAM), "default", "--rollback")
    assert done.returncode == 0, done.stdout + done.stderr
    assert live(checkout)["Origins"] == "https://a.example"


def test_deleted_adopted_and_deployed_again(checkout: Checkout) -> None:
    """The same keys, the same log group, the policy that was edited; then an ordinary stack."""
    cloud, name = checkout.cloud, f"temporal-codec/{checkout.stack}/default"
    checkout.deploy()
    ring = cloud.ring(name)
    edited = json.dumps({"grants": []}, indent=1)
    policy = f"/{checkout.stack}/access-policy"
    cloud.client("ssm").put_parameter(Name=policy, Value=edited, Overwrite=True)
    cloud.delete(checkout.stack)
    done = checkout.make("adopt", "default")
    assert done.returncode == 0, done.stderr
    for each in (f"key ring {name}", f"log group /temporal-codec/{checkout.stack}", policy):
        assert each in done.stdout
    checkout.deploy()
    assert cloud.ring(name, keys=2)[0] == ring[0], "it is rotated at once, and loses nothing"
    assert cloud.client("ssm").get_parameter(Name=policy)["Parameter"]["Value"] == edited
    assert "Logs" not in cloud.resources(checkout.stack)
    checkout.deploy()
    assert cloud.ring(name, keys=2)[0] == ring[0]


def test_a_ring_that_was_made_by_hand_is_adopted(checkout: Checkout) -> None:
    """The account's default key encrypts it: its ARN is written, because no parameter is an alias.

    A key that waits for its deletion is named with the command that keeps it.
    """
    cloud, name = checkout.cloud, f"temporal-codec/{checkout.stack}/default"
    keys = cloud.client("kms")
    arn = keys.create_key()["KeyMetadata"]["Arn"]
    keys.create_alias(AliasName="alias/aws/secretsmanager", TargetKeyId=arn)
    done = cloud.run(PROGRAM, "keys", "new", f"secretsmanager:{name}")
    assert done.returncode == 0, done.stderr
    keys.schedule_key_deletion(KeyId=arn)
    done = checkout.make("adopt", "default")
    assert f"is PendingDeletion: run aws kms cancel-key-deletion --key-id {arn}" in done.stdout
    keys.cancel_key_deletion(KeyId=arn)
    keys.enable_key(KeyId=arn)
    assert checkout.make("adopt", "default").returncode == 0
    assert overrides("default", checkout.config)["ExistingRingKey"] == arn
    ring = cloud.ring(name)
    checkout.deploy()
    assert cloud.ring(name, keys=2)[0] == ring[0]


def test_a_failed_first_deployment_is_tried_again(checkout: Checkout) -> None:
    """`make deploy` deletes what CloudFormation cannot update."""
    checkout.cloud.forbid("AWS::CloudWatch::Dashboard")
    assert checkout.make("deploy", str(SAM), "default").returncode != 0
    checkout.cloud.forbid("")
    checkout.deploy()


# As it was before rings had their stack's name.
BEFORE = Path(__file__).with_name("template-of-0.1.0.yaml")


@pytest.fixture
def ring(cloud: Account) -> Iterator[str]:
    """The one name that all rings had; it is free again after the test."""
    yield "temporal-codec/default"
    secrets = cloud.client("secretsmanager")
    secrets.delete_secret(SecretId="temporal-codec/default", ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize("name", ["temporal-codec", "another"])
def test_an_upgrade_from_the_fixed_names_loses_nothing(
    tmp_path: Path, cloud: Account, ring: str, name: str
) -> None:
    """Three keys, an edited policy and the workers' managed policy stay as they are."""
    checkout = Checkout(tmp_path, cloud, name)
    code = ROOT / ".aws-sam" / "build" / "DecodeFunction"
    checkout.template.write_text(BEFORE.read_text().replace("CodeUri: .\n", f"CodeUri: {code}\n"))
    old = cloud.package(checkout.template)
    assert cloud.deploy(name, template=old) == "CREATE_COMPLETE", cloud.why(name)
    for keys in (2, 3):
        cloud.ring(ring, keys - 1)
        cloud.client("secretsmanager").rotate_secret(SecretId=ring)
        cloud.ring(ring, keys)
    before, keys_before = cloud.resources(name), cloud.ring(ring, 3)
    edited = json.dumps({"grants": []}, indent=1)
    cloud.client("ssm").put_parameter(Name=f"/{name}/policy", Value=edited, Overwrite=True)
    checkout.template.write_text((ROOT / "template.yaml").read_text())
    checkout.deploy()
    after = cloud.resources(name)
    for each in ("Ring", "RingKey", "Logs", "LogsKey", "KeyRingReader", "Api", "DecodeFunction"):
        assert after[each] == before[each], each
    assert cloud.ring(ring, 3)[:3] == keys_before
    policy = cloud.client("ssm").get_parameter(Name=f"/{name}/access-policy")
    assert policy["Parameter"]["Value"] == edited
    assert live(checkout)["RingName"] == ("" if name == "temporal-codec" else ring)
