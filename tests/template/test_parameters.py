"""Parameters accept what the settings accept: a bad value fails the deployment, not the service."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from handlers.settings.environ import SettingsError
from handlers.settings.server import server_settings
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT
from tests.template.test_template import settings, templates

DEPLOYED = {"AWS_LAMBDA_FUNCTION_NAME": "decode"}
ISSUER = {
    "Issuer": "https://issuer.example/",
    "JwksUrl": "https://issuer.example/jwks",
    "Audiences": "https://codec.example",
}
KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:temporal-cloud-AbCdEf"
Json = dict[str, Any]
VALUES: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    *(
        ({"Origins": value}, good)
        for value, good in (
            ("https://cloud.temporal.io", True),
            ("https://a.example,https://b.example:8443", True),
            ("https://a.example, https://b.example", True),
            ("http://localhost:8233", True),
            ("http://127.0.0.1,http://[::1]:8080", True),
            ("https://a.example/", False),
            ("https://a.example,https://b.example/path", False),
            ("https://A.example", False),
            ("https://a.example:443", False),
            ("https://b.example,https://a.example:443", False),
            ("http://localhost:80", False),
            ("http://a.example", False),
            ("*", False),
            ("null", False),
            ("", False),
        )
    ),
    (ISSUER, True),
    *(({**ISSUER, name: ""}, False) for name in ISSUER),
    *(({name: value}, False) for name, value in ISSUER.items()),
    ({**ISSUER, "JwksUrl": "http://issuer.example/jwks"}, False),
    ({"Authorizer": "temporal-cloud"}, False),
    ({"CloudApiKey": KEY}, False),
    ({"Authorizer": "temporal-cloud", "CloudApiKey": KEY}, True),
    ({"Auth": "none"}, False),
    ({"Keyring": "development"}, False),
    ({"Operations": "decode"}, True),
    ({"Operations": "delete"}, False),
    ({"Strict": "yes"}, False),
    ({"Compression": "gzip"}, False),
    ({"OnDeny": "accept"}, False),
    ({"PolicyParameter": "s3:team-policies/codec/policy.json"}, True),
    ({"StorageBucket": "payloads"}, True),
    ({"StorageBucket": "payloads,more-payloads"}, True),
    ({"StorageBucket": "Payloads"}, False),
    ({"StorageBucket": "payloads--x-s3"}, False),
    ({"StorageBucket": "arn:aws:s3:::payloads"}, False),
    ({"StorageDrivers": "a driver"}, False),
    ({"StorageDrivers": "a,b"}, True),
]


def accepted(parameters: Mapping[str, str]) -> bool:
    """Whether CloudFormation accepts parameters: their patterns, their choices and the rules."""
    read = templates()["read"]
    values = {name: str(each.get("Default", "")) for name, each in read["Parameters"].items()}
    values |= {**parameters, "AWS::Region": "eu-west-1"}
    for name, each in read["Parameters"].items():
        choices = [str(value) for value in each.get("AllowedValues", [values[name]])]
        pattern = each.get("AllowedPattern", ".*")
        listed = each["Type"] == "CommaDelimitedList"
        items = values[name].split(",") if listed else [values[name]]
        if values[name] not in choices or not all(re.fullmatch(pattern, item) for item in items):
            return False
    return all(
        true(assertion["Assert"], values)
        for rule in read["Rules"].values()
        if true(rule.get("RuleCondition", {"Fn::Equals": ["", ""]}), values)
        for assertion in rule["Assertions"]
    )


def true(expression: Json, values: Mapping[str, str]) -> bool:
    """Whether CloudFormation finds an expression of a rule true."""
    ((function, arguments),) = expression.items()
    if function == "Fn::Not":
        return not true(arguments[0], values)
    if function == "Fn::And":
        return all(true(each, values) for each in arguments)
    one, other = (values[a["Ref"]] if isinstance(a, dict) else a for a in arguments)
    if function == "Fn::Contains":
        return other in one
    assert function == "Fn::Equals", "CloudFormation's rules know few functions"
    return bool(one == other)


@pytest.mark.parametrize(("parameters", "good"), VALUES, ids=map(str, range(len(VALUES))))
def test_a_stack_is_accepted_if_its_functions_would_start(
    parameters: dict[str, str], good: bool
) -> None:
    """The patterns and the rules are the settings' own checks."""
    try:
        server_settings({**settings(**parameters), **DEPLOYED})
        starts = True
    except SettingsError:
        starts = False
    assert starts == good
    assert accepted(parameters) == good


@pytest.mark.parametrize(
    "value", ["s3:b/k", "s3:bucket", "s3:bucket/", "s3:bucket/*", "s3:bucket/${a}", "S3:bucket/k"]
)
def test_no_object_stands_for_others(value: str) -> None:
    """A role may read this one object: a star or a variable would be more."""
    assert not accepted({"PolicyParameter": value})


@cache
def types_by_region() -> dict[str, list[str]]:
    """The regions in which each type of resource exists, as cfn-lint's data say."""
    script = (
        "import json;from cfnlint.helpers import REGIONS;"
        "from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as m;"
        "print(json.dumps({r: sorted(m.get_resource_types(r)) for r in sorted(REGIONS)}))"
    )
    from tests.template.test_stack import lint  # noqa: PLC0415 — it imports this folder's templates

    found: dict[str, list[str]] = json.loads(lint("python", "-c", script))
    return found or lack("cfn-lint", "its data are empty")


def test_budgets_are_offered_where_they_exist() -> None:
    """Elsewhere the rule says so before anything is created."""
    rule = templates()["read"]["Rules"]["BudgetWhereThereAreBudgets"]
    offered, _ = rule["Assertions"][0]["Assert"]["Fn::Contains"]
    assert offered == [
        r for r, types in types_by_region().items() if "AWS::Budgets::Budget" in types
    ]
    assert templates()["read"]["Parameters"]["BudgetDollars"]["Default"] == 0


def test_every_other_type_exists_in_every_region_of_four_partitions() -> None:
    """aws, aws-cn, aws-us-gov and aws-eusc; SAM's own types are expanded first."""
    used = {each["Type"] for each in templates()["made"]["Resources"].values()}
    gradual = templates('{"Gradual": "true"}')["made"]["Resources"].values()
    used |= {each["Type"] for each in gradual}
    used -= {"AWS::Budgets::Budget", "Custom::PolicyDocument"}
    lacking = {
        region: sorted(used - set(types))
        for region, types in types_by_region().items()
        if not region.startswith(("us-iso", "eu-isoe"))
    }
    assert {region: types for region, types in lacking.items() if types} == {}


def test_the_repository_of_applications_gets_this_version() -> None:
    """`sam publish` reads the version from the template."""
    told = templates()["read"]["Metadata"]["AWS::ServerlessRepo::Application"]
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert told["SemanticVersion"] == version[1]
    assert {"Name", "Description", "Author", "SpdxLicenseId", "LicenseUrl", "ReadmeUrl"} <= set(
        told
    )
    for file in (told["LicenseUrl"], told["ReadmeUrl"]):
        assert (ROOT / file).exists()
