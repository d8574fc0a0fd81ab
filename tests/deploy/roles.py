"""A stack whose functions' roles lose one permission at a time.

The emulator enforces IAM; the rig adds what KMS checks for Secrets Manager and for S3.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.rigs.cloudformation import Account
from tests.rigs.issuer import token

Json = dict[str, Any]


def allowed(document: Json, policy: str) -> dict[str, list[Any]]:
    """The resources of each permission of a policy document: by the policy's name and action."""
    found: dict[str, list[Any]] = {}
    for each in document["Statement"]:
        statement = each["Fn::If"][1] if "Fn::If" in each else each
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            more = resources if isinstance(resources, list) else [resources]
            found.setdefault(f"{policy} {action}", []).extend(more)
    return found


class Stack:
    """A stack in which somebody reads and writes in one namespace."""

    def __init__(self, cloud: Account, name: str, given: Mapping[str, str], namespace: str) -> None:
        self.cloud, self.name, self.namespace = cloud, name, namespace
        assert cloud.deploy(name, given) == "CREATE_COMPLETE", cloud.why(name)
        self.resources = cloud.resources(name)
        self.iam, self.functions = cloud.client("iam"), cloud.client("lambda")

    @contextmanager
    def without(self, role: str, permission: str) -> Iterator[None]:
        """One permission less, and new environments; then as before. The log begins here."""
        name = self.resources[f"{role}Role"]
        _, action = permission.split()
        resources = self.permissions(role)[permission]
        denied = {"Statement": [{"Effect": "Deny", "Action": action, "Resource": resources}]}
        self.iam.put_role_policy(
            RoleName=name, PolicyName="without", PolicyDocument=json.dumps(denied)
        )
        self.since = int(time.time() * 1000)
        try:
            self.restart(role)
            yield
        finally:
            self.iam.delete_role_policy(RoleName=name, PolicyName="without")
            self.restart(role)

    def restart(self, role: str, **environment: str) -> None:
        """Give a function new environments."""
        name = self.resources[f"{role}Function"]
        told = self.functions.get_function_configuration(FunctionName=name)
        variables = {**told.get("Environment", {}).get("Variables", {}), **environment}
        self.functions.update_function_configuration(
            FunctionName=name, MemorySize=1769, Environment={"Variables": variables}
        )

    def permissions(self, role: str) -> dict[str, list[str]]:
        """Everything that a role's policies allow: see `allowed`."""
        name, logical = self.resources[f"{role}Role"], {v: k for k, v in self.resources.items()}
        found: dict[str, list[str]] = {}
        for each in self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            arn = each["PolicyArn"]
            version = self.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            told = self.iam.get_policy_version(PolicyArn=arn, VersionId=version)
            found |= allowed(told["PolicyVersion"]["Document"], logical[arn])
        for inline in self.iam.list_role_policies(RoleName=name)["PolicyNames"]:
            told = self.iam.get_role_policy(RoleName=name, PolicyName=inline)
            found |= allowed(told["PolicyDocument"], inline)
        return found

    def log(self) -> str:
        """The stack's log group, from the last permission that was taken away."""
        pages = self.cloud.client("logs").get_paginator("filter_log_events")
        events = pages.paginate(
            logGroupName=f"/temporal-codec/{self.name}", startTime=getattr(self, "since", 0)
        )
        return "\n".join(each["message"] for page in events for each in page["events"])

    def call(self, operation: str, *payloads: Json) -> tuple[int, list[Json]]:
        """Status and payloads of an answer."""
        answer = self.cloud.call(
            self.name,
            f"/{operation}",
            {"payloads": payloads},
            Authorization=f"Bearer {token()}",
            X_Namespace=self.namespace,
        )
        return answer.status_code, answer.json().get("payloads") or []

    def works(self, operation: str, *payloads: Json) -> list[Json]:
        """The payloads of an answer, once a busy machine has started an environment in time."""
        for _ in range(5):
            status, answer = self.call(operation, *payloads)
            if status == 200:
                return answer
            self.restart(operation.capitalize())
        raise AssertionError(self.log()[-3000:])

    def seeds(self, request: str) -> Json:
        """The answer that CloudFormation gets when it creates the policy, or deletes it."""
        objects, place = self.cloud.client("s3"), {"Bucket": f"{self.name}-told", "Key": "answer"}
        objects.create_bucket(Bucket=place["Bucket"])
        name = f"/{self.name}/access-policy"
        policy = self.cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        event = {
            "RequestType": request,
            "ResponseURL": objects.generate_presigned_url("put_object", place),
            "ResourceProperties": {
                "Name": name,
                "Earlier": f"/{self.name}/policy",
                "Value": policy,
            },
            **dict.fromkeys(("StackId", "RequestId", "LogicalResourceId"), "a"),
        }
        self.functions.invoke(
            FunctionName=self.resources["PolicyFunction"], Payload=json.dumps(event).encode()
        )
        told: Json = json.loads(objects.get_object(**place)["Body"].read())
        if told["Status"] == "SUCCESS" and request == "Delete":
            self.cloud.client("ssm").put_parameter(Name=name, Value=policy, Type="String")
        return told
