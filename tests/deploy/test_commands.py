"""What the pages tell an operator to type on a bad night, typed."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.codec.cli.terminal import PROGRAM
from tests.deploy.roles import Stack
from tests.rigs.aws_cli import aws
from tests.rigs.cloudformation import Account
from tests.rigs.processes import ROOT

NAMESPACE = "orders"
PLAIN = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}
GRANT = {"identities": ["*@example.com"], "namespaces": ["*"], "operations": ["decode", "encode"]}
# The emulator has no traces, no deployments of functions, no budget of this stack, no time to wait.
NOT_HERE = ("aws xray", "aws deploy", "aws budgets", "aws logs get-query-results")


def blocks(page: str, heading: str) -> list[str]:
    """The commands in the blocks of a page's section, in order."""
    text = (ROOT / "docs" / page).read_text()
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^ *```sh\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in found for line in block.splitlines()]
    return [line for line in lines if line.startswith(("aws ", "temporal-codec "))]


def row(start: str) -> list[str]:
    """The `aws` commands in the row of the runbook that starts so, in order."""
    page = (ROOT / "docs" / "runbook.md").read_text()
    (found,) = [line for line in page.splitlines() if line.startswith(f"| {start}")]
    return re.findall(r"`(aws [^`]+)`", found)


class Night:
    """A stack at work, and what is typed about it."""

    def __init__(self, cloud: Account, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.stack = Stack(cloud, "bad-night", cloud.trust, NAMESPACE)
        self.ring = "temporal-codec/bad-night/default"
        cloud.ring(self.ring)
        cloud.rotated([self.ring])
        self.policy({"grants": [GRANT]})
        self.stack.restart("Decode")
        self.names = {"STACK": "bad-night", "RING": self.ring, "temporal-codec/orders": self.ring}

    def policy(self, document: Any) -> None:
        """Store a policy."""
        self.cloud.client("ssm").put_parameter(
            Name="/bad-night/access-policy", Value=json.dumps(document), Overwrite=True
        )

    def type(self, line: str, **names: str) -> Any:
        """Type a line with the names that it stands for."""
        for name, value in {**self.names, **names}.items():
            line = re.sub(rf"(?<![\w-])\$?{name}(?![\w])", value, line)
        if line.startswith("aws "):
            return aws(line, self.cloud.client, self.folder)
        return self.program(*shlex.split(line)[1:])

    def program(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `temporal-codec` in the folder."""
        self.cloud.folder, before = self.folder, self.cloud.folder
        try:
            return self.cloud.run(PROGRAM, *words)
        finally:
            self.cloud.folder = before


@pytest.fixture(scope="module")
def night(cloud: Account, tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night(cloud, tmp_path_factory.mktemp("night"))


@pytest.mark.timeout(300)
def test_a_policy_that_cannot_be_read_is_found_and_replaced(night: Night) -> None:
    """From the first line of the runbook to the last one that mends it."""
    sealed = night.stack.works("encode", PLAIN)
    assert night.stack.works("decode", *sealed) == [PLAIN]
    night.policy({"grants": [{"namespaces": 1}]})
    night.stack.restart("Decode")
    assert night.stack.call("decode", *sealed) == (503, [])
    outputs, alarms, doctor, failures, request = blocks("runbook.md", "The first five minutes")
    assert doctor == "temporal-codec doctor $URL"
    told = dict(night.type(outputs))
    assert told["Endpoint"].startswith("https://")
    assert night.program("keys", "check", told["KeyRing"]).returncode == 0
    assert isinstance(night.type(alarms), list)
    lines = [json.loads(each["message"]) for each in night.type(failures)["events"]]
    assert {each["reason"] for each in lines} == {"policy-unavailable"}
    (cause,) = {each["cause"] for each in lines if "cause" in each}
    assert "grants[0].namespaces" in cause
    same = night.type(request, ID=lines[0]["request_id"])["events"]
    assert len(same) == 2, "the record, and the cause"
    history, fetch, check, store = blocks("runbook.md", "A policy is wrong")
    versions = [str(version) for version, *_ in night.type(history)]
    for version in reversed(versions):
        night.type(fetch, VERSION=version)
        if night.type(check).returncode == 0:
            break
    assert version == versions[-2]
    night.type(store)
    night.stack.restart("Decode")
    assert night.stack.works("decode", *sealed) == [PLAIN]


def test_every_look_at_the_log_runs_and_finds_what_its_row_is_about(night: Night) -> None:
    """The patterns of the runbook's rows, on the log of a stack that refused and failed."""
    body = {"payloads": [PLAIN]}
    refused = night.cloud.call("bad-night", "/decode", body, X_Namespace=NAMESPACE)
    assert refused.status_code == 401
    page = (ROOT / "docs" / "runbook.md").read_text()
    lines = set(re.findall(r"`(aws logs tail [^`]+)`", page))
    lines = {line for line in lines if " > " not in line}  # the emulator compares no numbers
    assert len(lines) >= 10
    found = {line for line in lines if night.type(line, REASON="token")["events"]}
    assert {line.split("'")[1] for line in found} >= {
        '{ $.outcome = "refused" }',
        '{ $.reason = "token" }',
        '{ $.reason = "REASON" }',
    }


def test_a_broken_ring_is_restored(night: Night) -> None:
    """The version before is made current, and the program says that it can be used."""
    secrets = night.cloud.client("secretsmanager")
    secrets.put_secret_value(SecretId=night.ring, SecretString="{")
    assert night.program("keys", "check", f"secretsmanager:{night.ring}").returncode != 0
    versions, restore = blocks("operations.md", "A ring is broken")
    stages = {
        stage: each["VersionId"]
        for each in night.type(versions)["Versions"]
        for stage in each.get("VersionStages", [])
    }
    night.type(restore, GOOD=stages["AWSPREVIOUS"], BAD=stages["AWSCURRENT"])
    assert night.program("keys", "check", f"secretsmanager:{night.ring}").returncode == 0


def test_each_situation_is_seen_and_mended_as_its_row_says(night: Night) -> None:
    """A deleted secret, a key that waits for its deletion, a rotation that hangs, no policy."""
    secrets, keys = night.cloud.client("secretsmanager"), night.cloud.client("kms")
    deleted, restore = row("The ring's secret was deleted")
    secrets.delete_secret(SecretId=night.ring)
    assert night.type(deleted) is not None
    assert "restore" in night.program("keys", "check", f"secretsmanager:{night.ring}").stderr
    night.type(restore)
    assert night.type(deleted) is None
    of_secret, state, cancel, enable = row("The ring's KMS key is disabled")
    key = night.type(of_secret)
    keys.schedule_key_deletion(KeyId=key)
    assert night.type(state, KEY=key)[0] == "PendingDeletion"
    night.type(cancel, KEY=key)
    night.type(enable, KEY=key)
    assert night.type(state, KEY=key)[0] == "Enabled"
    pending, unmark, rotate = row("A rotation hangs")
    held = secrets.get_secret_value(SecretId=night.ring)["SecretString"]
    made = secrets.put_secret_value(
        SecretId=night.ring, SecretString=held, VersionStages=["AWSPENDING"]
    )
    assert [made["VersionId"], ["AWSPENDING"]] in night.type(pending)
    night.type(unmark, VERSION=made["VersionId"])
    assert not any("AWSPENDING" in (stages or []) for _, stages in night.type(pending))
    before = len(json.loads(held)["keys"])
    night.type(rotate)
    assert len(night.cloud.ring(night.ring, keys=before + 1)) == before + 1
    look, store = row("The policy's parameter was deleted")
    night.cloud.client("ssm").delete_parameter(Name="/bad-night/access-policy")
    with pytest.raises(ClientError, match="ParameterNotFound"):
        night.type(look)
    (night.folder / "policy.json").write_text(json.dumps({"grants": [GRANT]}))
    night.type(store)
    assert night.type(look) is not None


def test_a_deleted_ring_and_a_deleted_key_come_back(night: Night) -> None:
    secrets, keys = night.cloud.client("secretsmanager"), night.cloud.client("kms")
    secret, key, cancel, enable = blocks("operations.md", "A secret was deleted")
    secrets.delete_secret(SecretId=night.ring)
    night.type(secret)
    arn = night.type(key)
    keys.schedule_key_deletion(KeyId=arn)
    night.type(cancel, KEY=arn)
    night.type(enable, KEY=arn)
    assert keys.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"
    assert night.program("keys", "check", f"secretsmanager:{night.ring}").returncode == 0


def test_what_was_not_tried_on_aws_has_commands_that_run(night: Night) -> None:
    """Each row has one, and what the emulator can answer, it answers."""
    page = (
        (ROOT / "docs" / "deploy.md").read_text().split("\n## What has been tested, and where")[1]
    )
    rows = [row.split(" | ") for row in page.splitlines() if row.startswith("| ")][1:]
    assert all(len(row) == 3 and ("`" in row[1] or "](#" in row[1]) for row in rows)
    made = night.stack.resources
    names = {
        "NAME": made["FailedAlarm"],
        "RULE": made["RotationCheck"],
        "FUNCTION": made["DecodeFunction"],
        "FROM": "2026-01-01T00:00:00Z",
        "TO": "2026-01-02T00:00:00Z",
        "SINCE": "1700000000",
        "UNTIL": "1800000000",
    }
    typed = [each for row in rows for each in re.findall(r"`(aws [^`]+)`", " ".join(row))]
    for line in [*blocks("deploy.md", "What has been tested, and where"), *typed]:
        if not line.startswith(NOT_HERE):
            night.type(line, **names)
    assert len(typed) > 12
    answer = night.cloud.call("bad-night", "//decode")
    assert "title" in answer.json()
