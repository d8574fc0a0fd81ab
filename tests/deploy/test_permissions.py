"""Each permission of a function's role is needed, and its absence is answered or logged clearly."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import pytest

from temporal_codec import Key, Keyring
from temporal_codec.keys.envelope import NAMESPACE, Wrapped, written
from tests.codec.cli.terminal import PROGRAM
from tests.codec.rings import JSON, SINCE, plain, sealed
from tests.deploy.conftest import PER_NAMESPACE
from tests.deploy.roles import Stack, allowed
from tests.rigs.cloud_ops import KEY, cloud_ops, user
from tests.rigs.cloudformation import Account
from tests.rigs.intercepting_proxy import intercepting_proxy
from tests.rigs.issuer import AUDIENCE, EMAIL_CLAIM, ISSUER
from tests.template.test_template import templates

ORDERS = "permissions-orders"
RING = f"temporal-codec/{ORDERS}"
SHARED = ("temporal-codec/permissions-nexus", "temporal-codec/permissions-nexus-2")
GRANT = {
    "identities": ["*@example.com"],
    "namespaces": ["*"],
    "operations": ["decode", "encode", "download"],
}
POLICY = json.dumps({"grants": [GRANT]})
Json = dict[str, Any]

# What a caller, or the log, says of each missing permission: by stack, role, policy and action.
NO_SECRET = "this role may not read it, or not use its KMS key"
ANSWERED: dict[str, dict[str, dict[str, str]]] = {
    "rings": {
        "Decode": {
            "PolicyReader ssm:GetParameter": "AccessDeniedException",
            "KeyRingReader secretsmanager:GetSecretValue": NO_SECRET,
            "KeyRingReader kms:Decrypt": NO_SECRET,
            "ObjectReader s3:GetObject": "object-denied",
        },
        "Encode": {
            "PolicyReader ssm:GetParameter": "AccessDeniedException",
            "KeyRingReader secretsmanager:GetSecretValue": NO_SECRET,
            "KeyRingReader kms:Decrypt": NO_SECRET,
        },
        "Rotation": {
            "RotatesRings secretsmanager:DescribeSecret": "DescribeSecret: AccessDeniedException",
            "RotatesRings secretsmanager:GetSecretValue": "GetSecretValue: AccessDeniedException",
            "RotatesRings secretsmanager:PutSecretValue": "PutSecretValue: AccessDeniedException",
            "RotatesRings secretsmanager:UpdateSecretVersionStage": (
                "UpdateSecretVersionStage: AccessDenied"
            ),
            "RotatesRings secretsmanager:ListSecrets": "ListSecrets: AccessDeniedException",
            "RotatesRings kms:Decrypt": "GetSecretValue: AccessDeniedException",
            "RotatesRings kms:GenerateDataKey": "PutSecretValue: AccessDeniedException",
        },
        "Policy": {
            "CreatesThePolicy ssm:GetParameter": "calling the GetParameter operation",
            "CreatesThePolicy ssm:PutParameter": "calling the PutParameter operation",
            "CreatesThePolicy ssm:DeleteParameter": "calling the DeleteParameter operation",
        },
    },
    # Keys of KMS, rings of several namespaces, a policy in S3, a trust document, encrypted buckets.
    "sources": {
        "Decode": {
            "PolicyReader ssm:GetParameter": "ssm:/permissions-sources/trust: AccessDenied",
            "PolicyObjectReader s3:GetObject": "s3:permissions-policy/policy.json: AccessDenied",
            "SharedRingReader secretsmanager:GetSecretValue": NO_SECRET,
            "DataKeyUser kms:Decrypt": "key-refused",
            "ObjectKeyUser kms:Decrypt": "object-denied",
        },
        "Encode": {
            "PolicyReader ssm:GetParameter": "ssm:/permissions-sources/trust: AccessDenied",
            "PolicyObjectReader s3:GetObject": "s3:permissions-policy/policy.json: AccessDenied",
            "DataKeyMaker kms:GenerateDataKey": "this role may not use the key",
        },
    },
    "cloud": {
        role: {
            "CloudApiKeyReader secretsmanager:GetSecretValue": NO_SECRET,
            "CloudApiKeyUser kms:Decrypt": NO_SECRET,
        }
        for role in ("Decode", "Encode")
    },
}
# No emulator takes these away, and why nobody misses them here.
_LAMBDA = "Lambda itself uses it, and docs/deploy.md says how to see that it may"
NOT_TAKEN = {
    "LogWriter logs:CreateLogStream": _LAMBDA,
    "LogWriter logs:PutLogEvents": _LAMBDA,
    "LogWriter xray:PutTelemetryRecords": _LAMBDA,
    "LogWriter xray:PutTraceSegments": _LAMBDA,
    "NetworkUser ec2:AssignPrivateIpAddresses": _LAMBDA,
    "NetworkUser ec2:CreateNetworkInterface": _LAMBDA,
    "NetworkUser ec2:DeleteNetworkInterface": _LAMBDA,
    "NetworkUser ec2:DescribeNetworkInterfaces": _LAMBDA,
    "NetworkUser ec2:DescribeSubnets": _LAMBDA,
    "NetworkUser ec2:UnassignPrivateIpAddresses": _LAMBDA,
    "KeyRingReader secretsmanager:BatchGetSecretValue": (
        "rings are then read one by one: tests/codec/keys/test_together.py"
    ),
}


def of_template() -> dict[str, set[str]]:
    """Every permission of each function's role, whatever the parameters."""
    made = templates()["made"]["Resources"]
    found: dict[str, set[str]] = {}
    for name, each in made.items():
        if each["Type"] != "AWS::IAM::Role" or name == "GradualRole":  # CodeDeploy's, and AWS's own
            continue
        permissions = found[name.removesuffix("Role")] = set[str]()
        for managed in each["Properties"]["ManagedPolicyArns"]:
            policy = (managed["Fn::If"][1] if "Fn::If" in managed else managed)["Ref"]
            permissions.update(allowed(made[policy]["Properties"]["PolicyDocument"], policy))
        for inline in each["Properties"].get("Policies", []):
            permissions.update(allowed(inline["PolicyDocument"], inline["PolicyName"]))
    return found


def test_every_permission_is_looked_at() -> None:
    """A new one comes with what its absence looks like, or why nothing shows it."""
    looked_at: dict[str, set[str]] = {role: set() for role in of_template()}
    for roles in ANSWERED.values():
        for role, answered in roles.items():
            looked_at[role] |= answered.keys()
    left = {role: each - NOT_TAKEN.keys() for role, each in of_template().items()}
    assert left == looked_at
    assert set().union(*of_template().values()) >= NOT_TAKEN.keys()


def rows(role: str) -> list[tuple[str, str]]:
    """A stack and a permission, for each that a role has."""
    return [(stack, each) for stack, roles in ANSWERED.items() for each in roles.get(role, {})]


def shown(metadata: Mapping[str, bytes], data: bytes) -> Json:
    """A payload in JSON."""
    named = {name: b64encode(value).decode() for name, value in metadata.items()}
    return {"metadata": named, "data": b64encode(data).decode()}


PLAIN = shown(JSON, b"1")


def by(key: Key) -> Json:
    """A payload that a worker sealed with a key."""
    content = sealed(plain(b"1"), key)
    return shown(content.metadata, content.data)


def stored(stack: Stack, **options: str) -> Json:
    """A reference to a payload in S3."""
    body, bucket = plain(b"1"), f"{stack.name}-payloads"
    digest = sha256(body).hexdigest()
    key = f"v0/ns/{stack.namespace}/{digest}"
    objects = stack.cloud.client("s3")
    objects.create_bucket(Bucket=bucket)
    objects.put_object(Bucket=bucket, Key=key, Body=body, **options)
    claim = {"bucket": bucket, "key": key, "hash_algorithm": "sha256", "hash_value": digest}
    kind = "temporal.api.sdk.v1.ExternalStorageReference"
    metadata = {"encoding": "json/protobuf", "messageType": kind}
    data = json.dumps({"driverName": "aws.s3driver", "claimData": claim})
    return shown({k: v.encode() for k, v in metadata.items()}, data.encode())


def stored_with_a_key(stack: Stack) -> list[Json]:
    """A reference to a payload that S3 encrypts with a KMS key."""
    key = stack.permissions("Decode")["ObjectKeyUser kms:Decrypt"][0]
    return [stored(stack, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)]


def key_of(stack: Stack, ring: str) -> Key:
    """The only key of a ring."""
    told = stack.cloud.client("secretsmanager").get_secret_value(SecretId=ring)
    (key,) = Keyring.from_json(told["SecretString"].encode())
    return key


def of_shared_rings(stack: Stack) -> list[Json]:
    """A payload of each of the rings that the namespace shares."""
    return [by(key_of(stack, each)) for each in SHARED]


def of_kms(stack: Stack) -> list[Json]:
    """A payload of the stack's own KMS key, and one of the key that a proxy uses."""
    _, proxy = stack.permissions("Decode")["DataKeyUser kms:Decrypt"]
    context = ((NAMESPACE, stack.namespace),)
    made = stack.cloud.client("kms").generate_data_key(
        KeyId=proxy, KeySpec="AES_256", EncryptionContext=dict(context)
    )
    brought = written(Wrapped(proxy, context, made["CiphertextBlob"]))
    return [
        *stack.works("encode", PLAIN),
        by(Key(proxy, made["Plaintext"], SINCE, brought=brought)),
    ]


# What to decode for a permission, if not what the stack itself has encoded.
PAYLOADS: dict[str, Callable[[Stack], list[Json]]] = {
    "ObjectReader s3:GetObject": lambda stack: [stored(stack)],
    "ObjectKeyUser kms:Decrypt": stored_with_a_key,
    "SharedRingReader secretsmanager:GetSecretValue": of_shared_rings,
    "DataKeyUser kms:Decrypt": of_kms,
}
# Such a payload stays as it is, with its reason in the record; all others are answered 503.
KEPT = {"object-denied", "key-refused"}


@pytest.fixture(scope="module")
def rings(cloud: Account) -> Stack:
    """A ring for each namespace, and payloads in S3."""
    given = {**cloud.trust, **PER_NAMESPACE, "StorageBucket": "permissions-payloads"}
    stack = Stack(cloud, "permissions", given, ORDERS)
    done = cloud.run(PROGRAM, "keys", "enroll", "--stack", stack.name, typed=ORDERS)
    assert done.returncode == 0, done.stderr
    cloud.rotated([RING])
    cloud.client("ssm").put_parameter(
        Name=f"/{stack.name}/access-policy", Value=POLICY, Overwrite=True
    )
    return stack


@pytest.fixture(scope="module")
def sources(cloud: Account) -> Stack:
    """Everything that is read from elsewhere than the stack's own ring and parameter."""
    name = "permissions-sources"
    keys, secrets = cloud.client("kms"), cloud.client("secretsmanager")
    own, proxy, bucket = (keys.create_key()["KeyMetadata"]["Arn"] for _ in range(3))
    keys.create_alias(AliasName="alias/permissions", TargetKeyId=own)
    for each in SHARED:
        done = cloud.run(PROGRAM, "keys", "new", f"secretsmanager:{each}")
        assert done.returncode == 0, done.stderr
    secrets.update_secret(SecretId=SHARED[1], KmsKeyId=own)
    trusted = {
        "name": "ours",
        "issuer": ISSUER,
        "jwks": cloud.trust["JwksUrl"],
        "audiences": [AUDIENCE],
        "email_claim": EMAIL_CLAIM,
    }
    cloud.client("ssm").put_parameter(
        Name=f"/{name}/trust", Value=json.dumps({"issuers": [trusted]}), Type="String"
    )
    cloud.client("s3").create_bucket(Bucket="permissions-policy")
    cloud.client("s3").put_object(
        Bucket="permissions-policy", Key="policy.json", Body=POLICY.encode()
    )
    given = {
        "TrustParameter": f"/{name}/trust",
        "PolicyParameter": "s3:permissions-policy/policy.json",
        "Keyring": f"kms:alias/permissions,secretsmanager:temporal-codec/{name}/default",
        "KmsKeys": f"{ORDERS}={proxy}",
        "KmsKeyArns": f"{own},{proxy}",
        "SharedRings": ";".join(f"secretsmanager:{each}={ORDERS},billing" for each in SHARED),
        "SharedRingArns": ",".join(secrets.describe_secret(SecretId=s)["ARN"] for s in SHARED),
        "StorageBucket": f"{name}-payloads",
        "StorageKey": bucket,
    }
    return Stack(cloud, name, given, ORDERS)


@pytest.fixture(scope="module")
def cloud_decides(cloud: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Temporal Cloud decides; a proxy leads to what stands in for its API."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    secret = cloud.client("secretsmanager").create_secret(
        Name="permissions-cloud-key", SecretString=KEY, KmsKeyId=key
    )
    given = {
        **{name: value for name, value in cloud.trust.items() if name != "Readers"},
        "Authorizer": "temporal-cloud",
        "CloudApiKey": secret["ARN"],
        "CloudApiKeyEncryption": key,
    }
    stack = Stack(cloud, "permissions-cloud", given, "orders.a1b2c")
    cloud.ring("temporal-codec/permissions-cloud/default")
    folder = tmp_path_factory.mktemp("cloud")
    host = "saas-api.tmprl.cloud"
    with cloud_ops(folder, host) as ops:
        ops.reset()
        ops.users = [user("ana@example.com", orders="WRITE")]
        port = int(ops.url.rpartition(":")[2])
        with intercepting_proxy({host: (port, ops.certificate)}) as (proxy, pem, hosts):
            assert cloud.issuer
            both = folder / "both.pem"
            both.write_text(cloud.issuer.certificate.read_text() + pem)
            for role in ("Decode", "Encode"):
                outside = {"HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1,localhost"}
                stack.restart(role, SSL_CERT_FILE=str(both), **outside)
            yield stack
            assert hosts == {host}


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    """The stack that a row of the table is about."""
    name = request.node.callspec.params.get("kind", "rings")
    made: Stack = request.getfixturevalue({"cloud": "cloud_decides"}.get(name, name))
    return made


@pytest.mark.parametrize(("kind", "permission"), rows("Decode"))
def test_decoding_needs(stack: Stack, kind: str, permission: str) -> None:
    """A 503 whose cause is in the record, or a payload that stays as it is with its reason."""
    own = permission not in PAYLOADS
    payloads = stack.works("encode", PLAIN) if own else PAYLOADS[permission](stack)
    opened = [PLAIN] * len(payloads)
    assert stack.works("decode", *payloads) == opened
    words = ANSWERED[kind]["Decode"][permission]
    with stack.without("Decode", permission):
        answer = stack.call("decode", *payloads)
        assert answer == ((200, payloads) if words in KEPT else (503, []))
        assert words in stack.log()
    assert stack.works("decode", *payloads) == opened


@pytest.mark.parametrize(("kind", "permission"), rows("Encode"))
def test_encoding_needs(stack: Stack, kind: str, permission: str) -> None:
    """Nothing is returned as plaintext instead."""
    with stack.without("Encode", permission):
        assert stack.call("encode", PLAIN) == (503, [])
        assert ANSWERED[kind]["Encode"][permission] in stack.log()
    assert stack.works("encode", PLAIN) != [PLAIN]


@pytest.mark.parametrize("permission", ANSWERED["rings"]["Rotation"])
def test_rotating_needs(stack: Stack, permission: str) -> None:
    """The ring stays as it is, and the log names the ring and the call."""

    def rotates() -> bool:
        before = len(stack.cloud.ring(RING))
        stack.cloud.rotate(RING)
        return len(stack.cloud.ring(RING)) == before + 1

    def checks() -> bool:
        told = stack.functions.invoke(
            FunctionName=stack.resources["RotationFunction"],
            Payload=json.dumps({"Step": "checkRotation", "Secret": ""}).encode(),
        )
        return "FunctionError" not in told

    works = checks if permission.endswith("ListSecrets") else rotates
    with stack.without("Rotation", permission):
        assert not works()
    lines = [each for each in stack.log().splitlines() if '"rotation failed"' in each]
    said = json.loads(lines[-1])
    assert ANSWERED["rings"]["Rotation"][permission] in said["cause"]
    assert works == checks or RING in said["secret"]
    assert works()


@pytest.mark.parametrize("permission", ANSWERED["rings"]["Policy"])
def test_a_stack_needs_for_its_policy(stack: Stack, permission: str) -> None:
    """CloudFormation learns why, and reports it as the stack's fault."""
    request = "Delete" if "Delete" in permission else "Create"
    with stack.without("Policy", permission):
        told = stack.seeds(request)
        assert told["Status"] == "FAILED"
        assert ANSWERED["rings"]["Policy"][permission] in told["Reason"]
    assert stack.seeds(request)["Status"] == "SUCCESS"


def test_a_ring_goes_on_to_decode_after_a_move_to_kms(sources: Stack) -> None:
    """docs/keys.md: of several sources of keys the first encrypts, and all decrypt."""
    ring = f"temporal-codec/{sources.name}/default"
    sources.cloud.ring(ring)
    before = by(key_of(sources, ring).derived(sources.namespace))
    (after,) = sources.works("encode", PLAIN)
    assert "encryption-dek" in after["metadata"]
    assert sources.works("decode", before, after) == [PLAIN, PLAIN]
