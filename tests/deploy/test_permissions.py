"""Each permission of a function's role is needed, and its absence is answered or logged clearly.

The emulator enforces IAM; the rig adds what KMS checks for Secrets Manager.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest

from tests.codec.cli.terminal import PROGRAM
from tests.deploy.conftest import PER_NAMESPACE
from tests.rigs.cloudformation import Account
from tests.rigs.issuer import token

STACK, BUCKET = "permissions", "permissions-payloads"
RING = "temporal-codec/permissions-orders"
NAMESPACE = "permissions-orders"
PLAIN = {"metadata": {"encoding": b64encode(b"json/plain").decode()}, "data": "MQ=="}
GRANT = {
    "identities": ["*@example.com"],
    "namespaces": ["*"],
    "operations": ["decode", "encode", "download"],
}
Json = dict[str, Any]

# What a caller, or the log, says of each missing permission: roles, actions and words.
ANSWERED = {
    "Decode": {
        "ssm:GetParameter": "AccessDeniedException",
        "secretsmanager:GetSecretValue": "this role may not read it, or not use its KMS key",
        "kms:Decrypt": "this role may not read it, or not use its KMS key",
        "s3:GetObject": "object-denied",
    },
    "Encode": {
        "ssm:GetParameter": "AccessDeniedException",
        "secretsmanager:GetSecretValue": "this role may not read it, or not use its KMS key",
        "kms:Decrypt": "this role may not read it, or not use its KMS key",
    },
    "Rotation": {
        "secretsmanager:DescribeSecret": "DescribeSecret: AccessDeniedException",
        "secretsmanager:GetSecretValue": "GetSecretValue: AccessDeniedException",
        "secretsmanager:PutSecretValue": "PutSecretValue: AccessDeniedException",
        "secretsmanager:UpdateSecretVersionStage": "UpdateSecretVersionStage: AccessDenied",
        "secretsmanager:ListSecrets": "ListSecrets: AccessDeniedException",
        "kms:Decrypt": "GetSecretValue: AccessDeniedException",
        "kms:GenerateDataKey": "PutSecretValue: AccessDeniedException",
    },
    "Preflight": {},
}
# No emulator shows these: Lambda itself uses them, for each function.
OF_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
# Without it rings are read one by one: tests/codec/keys/test_together.py.
ELSEWHERE = {"secretsmanager:BatchGetSecretValue"}


class Stack:
    """A stack with a ring for each namespace and payloads in S3."""

    def __init__(self, cloud: Account) -> None:
        self.cloud = cloud
        given = {**cloud.trust, **PER_NAMESPACE, "StorageBucket": BUCKET}
        assert cloud.deploy(STACK, given) == "CREATE_COMPLETE", cloud.why(STACK)
        done = cloud.run(PROGRAM, "keys", "enroll", "--stack", STACK, typed=NAMESPACE)
        assert done.returncode == 0, done.stderr
        cloud.rotated([RING])
        policy = json.dumps({"grants": [GRANT]})
        cloud.client("ssm").put_parameter(
            Name=f"/{STACK}/access-policy", Value=policy, Overwrite=True
        )
        self.resources = cloud.resources(STACK)
        self.iam, self.functions = cloud.client("iam"), cloud.client("lambda")

    @contextmanager
    def without(self, role: str, action: str) -> Iterator[None]:
        """One permission less, and new environments; then as before."""
        name = self.resources[f"{role}Role"]
        denied = {"Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
        self.iam.put_role_policy(
            RoleName=name, PolicyName="without", PolicyDocument=json.dumps(denied)
        )
        try:
            self.restart(role)
            yield
        finally:
            self.iam.delete_role_policy(RoleName=name, PolicyName="without")
            self.restart(role)

    def restart(self, role: str) -> None:
        """Give a function new environments."""
        self.functions.update_function_configuration(
            FunctionName=self.resources[f"{role}Function"], MemorySize=1769
        )

    def actions(self, role: str) -> set[str]:
        """Every action that a role's policies allow."""
        name = self.resources[f"{role}Role"]
        documents = []
        for each in self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            version = self.iam.get_policy(PolicyArn=each["PolicyArn"])["Policy"]["DefaultVersionId"]
            told = self.iam.get_policy_version(PolicyArn=each["PolicyArn"], VersionId=version)
            documents.append(told["PolicyVersion"]["Document"])
        for inline in self.iam.list_role_policies(RoleName=name)["PolicyNames"]:
            told = self.iam.get_role_policy(RoleName=name, PolicyName=inline)
            documents.append(told["PolicyDocument"])
        found: set[str] = set()
        for document in documents:
            for statement in document["Statement"]:
                given = statement["Action"]
                found |= {given} if isinstance(given, str) else {*given}
        return found

    def log(self) -> str:
        """Everything in the stack's log group."""
        pages = self.cloud.client("logs").get_paginator("filter_log_events")
        events = pages.paginate(logGroupName=f"/temporal-codec/{STACK}")
        return "\n".join(each["message"] for page in events for each in page["events"])

    def call(self, operation: str, payload: Json) -> tuple[int, Json]:
        """Status and payload of an answer."""
        answer = self.cloud.call(
            STACK,
            f"/{operation}",
            {"payloads": [payload]},
            Authorization=f"Bearer {token()}",
            X_Namespace=NAMESPACE,
        )
        return answer.status_code, (answer.json().get("payloads") or [{}])[0]

    def works(self, operation: str, payload: Json) -> Json:
        """The payload that is answered, once a busy machine has started an environment in time."""
        for _ in range(5):
            status, answer = self.call(operation, payload)
            if status == 200:
                return answer
            self.restart(operation.capitalize())
        raise AssertionError(self.log()[-3000:])

    def rotate(self) -> bool:
        """Whether a rotation ends well."""
        before = len(self.cloud.ring(RING))
        self.cloud.rotate(RING)
        return len(self.cloud.ring(RING)) == before + 1

    def checks(self) -> bool:
        """Whether the daily check ends well."""
        told = self.functions.invoke(
            FunctionName=self.resources["RotationFunction"],
            Payload=json.dumps({"Step": "checkRotation", "Secret": ""}).encode(),
        )
        return "FunctionError" not in told

    def stored(self) -> Json:
        """A reference to a payload in S3."""
        body = b"\n\x16\n\x08encoding\x12\njson/plain\x12\x011"
        digest = sha256(body).hexdigest()
        key = f"v0/ns/{NAMESPACE}/{digest}"
        objects = self.cloud.client("s3")
        objects.create_bucket(Bucket=BUCKET)
        objects.put_object(Bucket=BUCKET, Key=key, Body=body)
        claim = {"bucket": BUCKET, "key": key, "hash_algorithm": "sha256", "hash_value": digest}
        data = json.dumps({"driverName": "aws.s3driver", "claimData": claim}).encode()
        kind = "temporal.api.sdk.v1.ExternalStorageReference"
        metadata = {"encoding": "json/protobuf", "messageType": kind}
        return {
            "metadata": {k: b64encode(v.encode()).decode() for k, v in metadata.items()},
            "data": b64encode(data).decode(),
        }


@pytest.fixture(scope="module")
def stack(cloud: Account) -> Stack:
    return Stack(cloud)


@pytest.mark.timeout(300)
def test_every_permission_is_looked_at(stack: Stack) -> None:
    """A new one comes with what its absence looks like."""
    for role, answered in ANSWERED.items():
        assert stack.actions(role) - OF_LAMBDA - ELSEWHERE == answered.keys(), role


@pytest.mark.parametrize("action", ANSWERED["Decode"])
def test_decoding_needs(stack: Stack, action: str) -> None:
    """A 503 whose cause is in the record, or a payload that stays as it is with its reason."""
    payload = stack.stored() if action.startswith("s3:") else stack.works("encode", PLAIN)
    assert stack.works("decode", payload) == PLAIN
    with stack.without("Decode", action):
        status, answer = stack.call("decode", payload)
        assert (status, answer) == ((200, payload) if action.startswith("s3:") else (503, {}))
        assert ANSWERED["Decode"][action] in stack.log()
    assert stack.works("decode", payload) == PLAIN


@pytest.mark.parametrize("action", ANSWERED["Encode"])
def test_encoding_needs(stack: Stack, action: str) -> None:
    """Nothing is returned as plaintext instead."""
    with stack.without("Encode", action):
        assert stack.call("encode", PLAIN) == (503, {})
        assert ANSWERED["Encode"][action] in stack.log()
    assert stack.works("encode", PLAIN) != PLAIN


@pytest.mark.parametrize("action", ANSWERED["Rotation"])
def test_rotating_needs(stack: Stack, action: str) -> None:
    """The ring stays as it is, and the log names the ring and the call."""
    works = stack.checks if action.endswith("ListSecrets") else stack.rotate
    with stack.without("Rotation", action):
        assert not works()
    lines = [each for each in stack.log().splitlines() if '"rotation failed"' in each]
    said = json.loads(lines[-1])
    assert ANSWERED["Rotation"][action] in said["cause"]
    assert works == stack.checks or RING in said["secret"]
    assert works()
