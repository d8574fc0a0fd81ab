"""What an operator meets after the first deployment."""

import json
from typing import Any

import pytest

from tests.rigs.cloudformation import OTHER_REGION, REGION, Account

GRANT = {"identities": ["*@edited.example"], "namespaces": ["*"], "operations": ["decode"]}
Json = dict[str, Any]


def policy(cloud: Account, stack: str) -> Json:
    """A stack's policy document."""
    told = cloud.client("ssm").get_parameter(Name=f"/{stack}/access-policy")
    document: Json = json.loads(told["Parameter"]["Value"])
    return document


def edit(cloud: Account, name: str) -> Json:
    """Edit a policy as docs/deploy.md says."""
    document = {"grants": [GRANT]}
    cloud.client("ssm").put_parameter(Name=name, Value=json.dumps(document), Overwrite=True)
    return document


def test_the_first_deployment_serves(cloud: Account, stack: str) -> None:
    """A ring with one key, a policy with the readers' grant, and an endpoint that answers."""
    assert cloud.deploy(stack, {"Readers": "*@example.com"}) == "CREATE_COMPLETE", cloud.why(stack)
    (key,) = cloud.ring(f"temporal-codec/{stack}/default")
    assert key["derive"] == "namespace", "the default of new stacks"
    (grant,) = policy(cloud, stack)["grants"]
    assert grant["identities"] == ["*@example.com"]
    preflight = cloud.call(
        stack,
        "/decode",
        method="OPTIONS",
        Origin="https://cloud.temporal.io",
        Access_Control_Request_Method="POST",
    )
    assert preflight.status_code == 204
    assert cloud.call(stack, "/decode", {"payloads": []}, X_Namespace="orders").status_code == 401


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::Lambda::Function",
        "AWS::ApiGatewayV2::Api",
        "AWS::SecretsManager::RotationSchedule",
        "AWS::CloudWatch::Dashboard",
        "AWS::SNS::Topic",
    ],
)
def test_a_failed_first_deployment_can_be_tried_again(cloud: Account, kind: str) -> None:
    """Nothing that the failed one created stands in the way of the next."""
    stack = "retry-" + kind.replace("::", "").lower()
    cloud.forbid(kind)
    assert cloud.deploy(stack, {"Readers": "*@wrong.example"}) == "ROLLBACK_COMPLETE"
    cloud.forbid("")
    cloud.delete(stack)
    assert cloud.deploy(stack, {"Readers": "*@example.com"}) == "CREATE_COMPLETE", cloud.why(stack)
    assert len(cloud.ring(f"temporal-codec/{stack}/default")) == 1
    (grant,) = policy(cloud, stack)["grants"]
    assert grant["identities"] == ["*@example.com"], "the failed one's readers are forgotten"


def test_two_stacks_in_an_account_and_two_regions_do_not_meet(cloud: Account, stack: str) -> None:
    """Each has a ring, a log group and a dashboard; a dashboard's name is the account's."""
    other = f"{stack}-other"
    for name, region in ((stack, REGION), (other, REGION), (stack, OTHER_REGION)):
        status = cloud.deploy(name, region=region)
        assert status == "CREATE_COMPLETE", cloud.why(name, region)
    made = [cloud.resources(stack), cloud.resources(other), cloud.resources(stack, OTHER_REGION)]
    assert len({each["Dashboard"] for each in made}) == 3
    assert len({each["Ring"] for each in made}) == 3
    rings = [
        cloud.ring(f"temporal-codec/{stack}/default"),
        cloud.ring(f"temporal-codec/{other}/default"),
        cloud.ring(f"temporal-codec/{stack}/default", region=OTHER_REGION),
    ]
    assert len({each[0]["key"] for each in rings}) == 3


def test_what_people_edit_survives_every_deployment(cloud: Account, stack: str) -> None:
    """Tags, readers and code change; the policy that was edited stays, and so does the ring."""
    readers = {"Readers": "*@example.com"}
    assert cloud.deploy(stack, readers) == "CREATE_COMPLETE", cloud.why(stack)
    ring = cloud.ring(f"temporal-codec/{stack}/default")
    document = edit(cloud, f"/{stack}/access-policy")
    for parameters, tags in (
        (readers, {"team": "a"}),
        ({"Readers": "*@other.example"}, {"team": "a"}),
        ({"LogDays": "30"}, {"team": "b"}),
    ):
        assert cloud.deploy(stack, parameters, tags=tags) == "UPDATE_COMPLETE", cloud.why(stack)
        assert policy(cloud, stack) == document
        assert cloud.ring(f"temporal-codec/{stack}/default") == ring


def test_a_policy_that_was_edited_outlives_its_stack(cloud: Account, stack: str) -> None:
    """One that nobody edited goes with the stack."""
    assert cloud.deploy(stack) == "CREATE_COMPLETE", cloud.why(stack)
    document = edit(cloud, f"/{stack}/access-policy")
    cloud.delete(stack)
    assert policy(cloud, stack) == document


def test_a_policy_in_s3_is_read_by_the_functions_and_nothing_else(
    cloud: Account, stack: str
) -> None:
    """Their roles may get this one object, and no parameter of SSM."""
    uri = "s3:team-policies/codec/policy.json"
    assert cloud.deploy(stack, {"PolicyParameter": uri}) == "CREATE_COMPLETE", cloud.why(stack)
    made, iam = cloud.resources(stack), cloud.client("iam")
    told = cloud.client("lambda").get_function_configuration(FunctionName=made["DecodeFunction"])
    assert told["Environment"]["Variables"]["CODEC_POLICY"] == uri
    attached = iam.list_attached_role_policies(RoleName=made["DecodeRole"])["AttachedPolicies"]
    arns = {each["PolicyArn"] for each in attached}
    assert made["PolicyObjectReader"] in arns
    assert "PolicyReader" not in made
    version = iam.get_policy_version(PolicyArn=made["PolicyObjectReader"], VersionId="v1")
    (statement,) = version["PolicyVersion"]["Document"]["Statement"]
    assert statement["Action"] == "s3:GetObject"
    assert statement["Resource"] == "arn:aws:s3:::team-policies/codec/policy.json"
