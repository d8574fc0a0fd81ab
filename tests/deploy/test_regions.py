"""A second region, failover and back, as docs/deploy.md types it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.aws_cli import aws
from tests.rigs.cloudformation import OTHER_REGION, REGION, Account
from tests.rigs.issuer import token
from tests.rigs.processes import ROOT

PAYLOAD = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}
GRANT = {"identities": ["*@example.com"], "namespaces": ["*"], "operations": ["decode", "encode"]}
POLICY = json.dumps({"grants": [GRANT]})


def lines() -> Iterator[str]:
    """Every command about AWS of the section, in order."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    section = page.split("\n## Several regions\n")[1].split("\n## ")[0]
    for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
        yield from (line.strip() for line in block.splitlines() if "aws " in line)


class Regions:
    """A stack of one name in two regions."""

    def __init__(self, cloud: Account, stack: str, folder: Path) -> None:
        self.cloud, self.stack, self.folder = cloud, stack, folder
        self.ring = f"temporal-codec/{stack}/default"
        self.commands = lines()
        self.names = {"RING": self.ring, "STACK": stack}

    def type(self, number: int = 1) -> Any:
        """The next commands of the page; gives the last one's answer."""
        for _ in range(number):
            line = next(self.commands)
            for name, value in sorted(self.names.items(), reverse=True):
                line = re.sub(rf"\b{name}\b", value, line)
            answer = aws(line, self.cloud.client, self.folder)
        return answer

    def deploy(self, region: str, **parameters: str) -> None:
        """`make deploy`, with the parameters that differ from before."""
        status = self.cloud.deploy(self.stack, parameters, region=region)
        assert status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, self.cloud.why(self.stack, region)

    def keys(self, region: str, number: int) -> list[str]:
        """The ids of a region's ring, once it has so many."""
        found = self.cloud.ring(self.ring, number, region)
        assert len(found) == number
        return [str(each["id"]) for each in found]

    def rotate(self, region: str) -> None:
        """What the schedule does."""
        self.cloud.client("secretsmanager", region).rotate_secret(SecretId=self.ring)

    def call(self, region: str, operation: str, payload: Any) -> Any:
        """The payload that a region's endpoint gives for one."""
        answer = self.cloud.call(
            self.stack,
            f"/{operation}",
            {"payloads": [payload]},
            region=region,
            Authorization=f"Bearer {token()}",
            X_Namespace="orders",
        )
        assert answer.status_code == 200, answer.text + self.cloud.server.log()[-4000:]
        return answer.json()["payloads"][0]


@pytest.mark.timeout(600)
def test_a_second_region_takes_over_and_gives_back(
    cloud: Account, stack: str, tmp_path: Path
) -> None:
    """No key is lost on the way, one region rotates at a time, and each decodes throughout."""
    both = Regions(cloud, stack, tmp_path)
    both.deploy(REGION, **cloud.trust)
    both.keys(REGION, 1)
    cloud.rotated([both.ring])
    policy = f"/{stack}/access-policy"
    cloud.client("ssm").put_parameter(Name=policy, Value=POLICY, Overwrite=True)

    key = both.type()["KeyMetadata"]["Arn"]
    both.names |= {"KEY": key, "KEY1": cloud.outputs(stack)["RingKeyArn"]}
    both.type(4)
    replica = cloud.client("secretsmanager", OTHER_REGION).describe_secret(SecretId=both.ring)
    assert replica["KmsKeyId"] == key
    given = {"ExistingRing": replica["ARN"], "ExistingRingKey": key, "RotationDays": "0"}
    both.deploy(OTHER_REGION, **cloud.trust, **given)
    carried = cloud.client("ssm", OTHER_REGION).get_parameter(Name=policy)
    assert carried["Parameter"]["Value"] == POLICY
    sealed = both.call(REGION, "encode", PAYLOAD)
    assert sealed != PAYLOAD
    assert both.call(OTHER_REGION, "decode", sealed) == PAYLOAD
    both.rotate(REGION)
    assert both.keys(OTHER_REGION, 2) == both.keys(REGION, 2)

    both.type()
    both.deploy(OTHER_REGION, RotationDays="90")
    own = both.keys(OTHER_REGION, 3)
    both.deploy(REGION, RotationDays="0")
    assert own[:2] == both.keys(REGION, 2)
    later = both.call(OTHER_REGION, "encode", PAYLOAD)

    both.type()
    assert both.keys(REGION, 3) == own
    both.deploy(OTHER_REGION, RotationDays="0")
    both.type()
    both.deploy(REGION, RotationDays="90")
    rotated = both.keys(REGION, 4)
    assert rotated[:3] == own
    both.type()
    assert both.keys(OTHER_REGION, 4) == rotated
    assert (
        both.call(REGION, "decode", later) == both.call(OTHER_REGION, "decode", sealed) == PAYLOAD
    )
    assert next(both.commands, None) is None
