"""The templates of examples/: valid, and the deploy role fits what the stack holds."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rigs.processes import ROOT
from tests.template.test_stack import GRADUAL, lint
from tests.template.test_template import templates

FILES = [*sorted((ROOT / "examples/aws").glob("*.yaml")), ROOT / "examples/github/deploy-role.yaml"]
Json = dict[str, Any]

# What CloudFormation calls for each type of resource: to create, to change and to delete it.
CALLS = {
    "AWS::ApiGatewayV2::": "apigateway:POST apigateway:PATCH apigateway:DELETE",
    "AWS::Budgets::Budget": "budgets:ModifyBudget",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms",
    "AWS::CloudWatch::Dashboard": "cloudwatch:PutDashboard cloudwatch:DeleteDashboards",
    "AWS::CodeDeploy::Application": "codedeploy:CreateApplication codedeploy:DeleteApplication",
    "AWS::CodeDeploy::DeploymentGroup": "codedeploy:CreateDeploymentGroup "
    "codedeploy:UpdateDeploymentGroup codedeploy:DeleteDeploymentGroup codedeploy:CreateDeployment",
    "AWS::Events::Rule": "events:PutRule events:PutTargets events:RemoveTargets events:DeleteRule",
    "AWS::IAM::ManagedPolicy": "iam:CreatePolicy iam:CreatePolicyVersion iam:DeletePolicy",
    "AWS::IAM::Role": "iam:CreateRole iam:AttachRolePolicy iam:PutRolePolicy iam:DetachRolePolicy "
    "iam:DeleteRolePolicy iam:DeleteRole iam:PassRole",
    "AWS::KMS::Key": "kms:CreateKey kms:PutKeyPolicy kms:EnableKeyRotation kms:ScheduleKeyDeletion",
    "AWS::Lambda::Alias": "lambda:CreateAlias lambda:UpdateAlias lambda:DeleteAlias",
    "AWS::Lambda::Function": "lambda:CreateFunction lambda:UpdateFunctionCode "
    "lambda:UpdateFunctionConfiguration lambda:DeleteFunction lambda:PutFunctionConcurrency",
    "AWS::Lambda::Permission": "lambda:AddPermission lambda:RemovePermission",
    "AWS::Lambda::Version": "lambda:PublishVersion",
    "AWS::Logs::LogGroup": "logs:CreateLogGroup logs:PutRetentionPolicy logs:AssociateKmsKey "
    "logs:DeleteLogGroup",
    "AWS::Logs::MetricFilter": "logs:PutMetricFilter logs:DeleteMetricFilter",
    "AWS::Logs::SubscriptionFilter": "logs:PutSubscriptionFilter logs:DeleteSubscriptionFilter",
    "AWS::SNS::Subscription": "sns:Subscribe sns:Unsubscribe",
    "AWS::SNS::Topic": "sns:CreateTopic sns:SetTopicAttributes sns:DeleteTopic",
    "AWS::SNS::TopicPolicy": "sns:SetTopicAttributes",
    "AWS::SecretsManager::ResourcePolicy": "secretsmanager:PutResourcePolicy "
    "secretsmanager:DeleteResourcePolicy",
    "AWS::SecretsManager::RotationSchedule": "secretsmanager:RotateSecret "
    "secretsmanager:CancelRotateSecret",
    "AWS::SecretsManager::Secret": "secretsmanager:CreateSecret secretsmanager:UpdateSecret "
    "secretsmanager:DeleteSecret kms:GenerateDataKey kms:Decrypt",
    "Custom::": "lambda:InvokeFunction",
}
SERVICES_OF_THE_COMMAND = {"cloudformation", "s3", "ec2"}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions."""


Loader.add_multi_constructor(
    "!", lambda loader, _, node: getattr(loader, f"construct_{node.id}")(node)
)


def role() -> Json:
    """The deploy role's template."""
    found: Json = yaml.load(FILES[-1].read_text(), Loader)
    return found["Resources"]  # type: ignore[no-any-return]


def statements() -> list[Json]:
    """Every statement of the deploy role's policies."""
    return [
        statement
        for resource in role().values()
        for statement in resource["Properties"].get("PolicyDocument", {}).get("Statement", [])
    ]


def actions(statement: Json) -> list[str]:
    given = statement["Action"]
    return [given] if isinstance(given, str) else given


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_template_is_valid(file: Path) -> None:
    """No finding of cfn-lint, and no anchor, which the `aws` CLI would hand on as it is."""
    assert json.loads(lint("cfn-lint", "--format", "json", "--", file)) == []
    assert not re.search(r": [&*]\w", file.read_text())


def test_the_deploy_role_may_do_what_the_stack_s_resources_need_and_nothing_else() -> None:
    """Each type of resource has its calls; no service is named that the stack does not use."""
    kinds = {
        resource["Type"]
        for parameters in ({}, GRADUAL)
        for resource in templates(json.dumps(parameters))["made"]["Resources"].values()
    }
    may = {action for statement in statements() for action in actions(statement)}
    calls = {kind: value.split() for kind, value in CALLS.items()}
    needed = {
        call
        for kind in kinds
        for call in next(value for prefix, value in calls.items() if kind.startswith(prefix))
    }
    assert needed <= may
    services = {call.partition(":")[0] for call in needed} | SERVICES_OF_THE_COMMAND
    assert {action.partition(":")[0] for action in may} == services


def test_the_deploy_role_can_neither_read_a_ring_nor_become_more() -> None:
    """No wildcard action; its roles are the stack's, passed to two services alone."""
    may = {action for statement in statements() for action in actions(statement)}
    assert not [action for action in may if "*" in action]
    assert not may & {
        "secretsmanager:GetSecretValue",
        "secretsmanager:BatchGetSecretValue",
        "secretsmanager:PutSecretValue",
        "logs:GetLogEvents",
        "logs:FilterLogEvents",
    }
    for statement in statements():
        if any(action.startswith("iam:") for action in actions(statement)):
            resources = statement["Resource"]
            named = [resources] if isinstance(resources, str) else resources
            assert all("${Stack}-*" in each for each in named)
    (passed,) = [s for s in statements() if "iam:PassRole" in actions(s)]
    services = passed["Condition"]["StringEquals"]["iam:PassedToService"]
    assert services == ["lambda.amazonaws.com", "codedeploy.amazonaws.com"]


def test_the_deploy_role_is_for_one_repository_s_environment() -> None:
    (statement,) = role()["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    conditions = statement["Condition"]["StringEquals"]
    assert conditions["token.actions.githubusercontent.com:sub"] == (
        "repo:${Repository}:environment:prod"
    )
    workflow = yaml.safe_load((ROOT / "examples/github/deploy.yaml").read_text())
    assert workflow["jobs"]["prod"]["environment"] == "prod"


def test_each_policy_of_the_deploy_role_has_a_size_that_iam_takes() -> None:
    """6,144 characters without white space, for a stack's name of 40 and a long region."""
    for name, resource in role().items():
        document = json.dumps(resource["Properties"].get("PolicyDocument", {}))
        long = {"Stack": "s" * 40, "AWS::Region": "ap-southeast-1", "AWS::AccountId": "1" * 12}
        for parameter, value in {**long, "AWS::Partition": "aws-us-gov"}.items():
            document = document.replace(f"${{{parameter}}}", value)
        assert len("".join(document.split())) <= 6144, name
