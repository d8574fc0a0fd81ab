"""Parameters that change which resources there are, in the regions of four partitions.

cfn-lint holds the resources against AWS's own schemas, which differ from region to region. CI tries
all parameters together in a region of each partition; `make deploy-scenarios` tries the rest.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.template.test_parameters import ISSUER, accepted, types_by_region
from tests.template.test_stack import SUPPRESSED, lint
from tests.template.test_template import templates

ACCOUNT = "111122223333"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BUDGET = {"AlarmEmail": "a@example.com", "BudgetDollars": "20"}
COMBINATIONS = {
    "default": {},
    "gradual": {"Gradual": "true", "Release": "a1"},
    "per-namespace": {"Rings": "per-namespace", "MaxRings": "100"},
    "replica": {
        "ExistingRing": f"{SECRET}temporal-codec/default-AbCdEf",
        "ExistingRingKey": KEY,
        "RotationDays": "0",
    },
    "adopted": {
        "ExistingRing": f"{SECRET}temporal-codec/default-AbCdEf",
        "ExistingRingKey": "1234abcd-12ab-34cd-56ef-1234567890ab",
        "ExistingLogsKey": KEY,
    },
    "storage": {"StorageBucket": "payloads,more-payloads", "StorageKey": KEY},
    "domain": {
        "DomainName": "codec.example.com",
        "CertificateArn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1234",
    },
    "cloud": {
        "Authorizer": "temporal-cloud",
        "CloudApiKey": f"{SECRET}temporal-cloud-AbCdEf",
        "CloudApiKeyEncryption": KEY,
    },
    "organization": {
        "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "RolePath": "/codec/",
        "SubnetIds": "subnet-0a,subnet-0b",
        "SecurityGroupIds": "sg-0a",
        "WorkerAccounts": "222222222222,333333333333",
    },
    "keys": {
        "SharedRings": "secretsmanager:temporal-codec/nexus=orders,billing",
        "SharedRingArns": f"{SECRET}temporal-codec/nexus-AbCdEf",
        "KmsKeys": f"orders={KEY}",
        "KmsKeyArns": KEY,
    },
    "own policy": {"PolicyParameter": "/codec/policy", "TrustParameter": "/codec/trust"},
    "issuer": {**ISSUER, "EmailClaim": "email"},
    "budget": BUDGET,
    "concurrency": {"Concurrency": "10", "LogDays": "30", "AlarmEmail": "a@example.com"},
}
TOGETHER: dict[str, str] = {}
for _name, _given in COMBINATIONS.items():
    if _name not in {"adopted", "replica", "budget"}:
        TOGETHER |= _given
SAMPLE = ["us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"]


def regions(parameters: dict[str, str]) -> list[str]:
    """Where a stack with these parameters can be."""
    there = [r for r in types_by_region() if not r.startswith(("us-iso", "eu-isoe"))]
    assert set(SAMPLE) <= set(there)
    if parameters is BUDGET:
        return [r for r in there if "AWS::Budgets::Budget" in types_by_region()[r]]
    return there


def findings(parameters: dict[str, str], where: list[str], folder: Path) -> list[Any]:
    """What cfn-lint says of a stack in these regions."""
    expanded = json.loads(json.dumps(templates(json.dumps(parameters))["made"]))
    if "BudgetDollars" not in parameters:
        del expanded["Resources"]["Budget"], expanded["Conditions"]["HasBudget"]
    given = []
    for name, value in parameters.items():
        if expanded["Parameters"][name]["Type"] == "CommaDelimitedList":
            expanded["Parameters"][name]["Default"] = value  # cfn-lint takes no list as an option
        else:
            given.append(f"{name}={value}")
    file = folder / "template.json"
    file.write_text(json.dumps(expanded))
    options = ["--parameters", *given] if given else []
    told = lint("cfn-lint", *options, "--regions", *where, "--format", "json", "--", file)
    return [
        (each["Rule"]["Id"], each["Message"])
        for each in json.loads(told)
        if each["Rule"]["Id"] not in SUPPRESSED
    ]


def test_all_parameters_together_are_valid_in_a_region_of_each_partition(tmp_path: Path) -> None:
    assert accepted(TOGETHER)
    assert findings(TOGETHER, SAMPLE, tmp_path) == []


@pytest.mark.timeout(900)  # cfn-lint reads the schemas of some forty regions
@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_combination_is_valid_in_every_region(name: str, tmp_path: Path) -> None:
    parameters = COMBINATIONS[name]
    assert accepted(parameters)
    assert findings(parameters, regions(parameters), tmp_path) == []


def test_a_value_that_no_schema_allows_is_found(tmp_path: Path) -> None:
    """The linter sees what parameters make of the template."""
    assert findings({"LogDays": "31"}, ["us-east-1"], tmp_path)
