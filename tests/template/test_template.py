"""The SAM template: routes, settings and what must never be in it."""

import json
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from handlers.settings.cors import preflight_settings
from handlers.settings.environ import NAMES, SettingsError
from handlers.settings.hosting import HOSTING
from handlers.settings.server import server_settings
from temporal_codec.policy import Identity, parse
from tests.rigs.processes import ROOT
from tests.rigs.sam import SAM_PYTHON, make, sam

TEXT = (ROOT / "template.yaml").read_text()
DECODE, ENCODE, PREFLIGHT = "DecodeFunction", "EncodeFunction", "PreflightFunction"
# In the SAM CLI's own environment, where the translator of its version is; it wants a package
# that is uploaded.
EXPAND = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform
read = yaml_parse(sys.stdin.read())
uploaded = json.loads(json.dumps(read))
uploaded["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
ring = yaml_parse(open("keyring.yaml").read())
made = transform(uploaded, json.loads(sys.argv[1]), None)
json.dump({"read": read, "ring": ring, "made": made}, sys.stdout)
"""

OF_POWERTOOLS = {"POWERTOOLS_SERVICE_NAME"}
OF_ROTATION = {"CODEC_DERIVE_KEYS"}
Json = dict[str, Any]


@cache
def templates(parameters: str = "{}") -> Json:
    """The template as it is read, and as CloudFormation makes stacks of it."""
    make("sam")
    expanded = subprocess.run(
        [SAM_PYTHON, "-c", EXPAND, parameters],
        input=TEXT,
        cwd=ROOT,
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    both: Json = json.loads(expanded.stdout)
    return both


def function(name: str) -> Json:
    """A function's properties, the globals among them."""
    made: Json = templates()["made"]["Resources"][name]["Properties"]
    return made


def environment(name: str) -> Json:
    variables: Json = function(name)["Environment"]["Variables"]
    return variables


def of_type(kind: str) -> list[Json]:
    resources = templates()["made"]["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == kind]


def settings(**parameters: str) -> dict[str, str]:
    """The variables of the decode function in a stack with these parameters."""
    declared = templates()["read"]["Parameters"].items()
    values = {name: each.get("Default") for name, each in declared} | parameters
    return {name: resolved(value, values) for name, value in environment(DECODE).items()}


def resolved(value: Any, parameters: Mapping[str, Any]) -> str:
    """What CloudFormation makes of a value; a resource stands for itself, as <Name>."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return str(parameters.get(argument, f"<{argument}>"))
    if function == "Fn::Sub":
        return re.sub(
            r"\$\{([^}]+)\}", lambda name: resolved({"Ref": name[1]}, parameters), argument
        )
    assert function == "Fn::If"
    chosen = {
        "HasTrust": parameters.get("TrustParameter") != "",
        "MakesPolicy": parameters.get("PolicyParameter") == "",
        "PolicyIsObject": str(parameters.get("PolicyParameter")).startswith("s3:"),
        "HasCloudApiKey": parameters.get("CloudApiKey") != "",
        "HasKeyring": parameters.get("Keyring") != "",
        "PerNamespace": parameters.get("Rings") == "per-namespace",
        "MakesRing": parameters.get("ExistingRing") == "",
    }[argument[0]]
    return resolved(argument[1 if chosen else 2], parameters)


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def test_no_function_is_left_out() -> None:
    assert len(of_type("AWS::Lambda::Function")) == 5


OF_CORS = {"CODEC_CREDENTIALS", "CODEC_ORIGINS", "CODEC_ALLOWED_HEADERS"}
OF_HOSTING = {row[0] for row in HOSTING}


def test_every_variable_is_a_setting_and_every_setting_has_one() -> None:
    """An unknown one would stop the start; one without a variable could not be set."""
    assert set(environment(DECODE)) == NAMES - OF_ROTATION - OF_HOSTING | OF_POWERTOOLS
    assert environment(ENCODE) == environment(DECODE)
    assert set(environment(PREFLIGHT)) == OF_CORS | OF_POWERTOOLS
    assert set(environment("RotationFunction")) == OF_CORS | OF_POWERTOOLS | OF_ROTATION


def test_every_parameter_says_what_it_is() -> None:
    parameters = templates()["read"]["Parameters"]
    assert [name for name, each in parameters.items() if not each.get("Description")] == []


def test_the_defaults_are_settings_that_start() -> None:
    """`sam local` starts with them, once it is given a key ring."""
    local = settings(Keyring="development")
    assert server_settings({**local, "AWS_SAM_LOCAL": "true"}).default_namespace is None
    cors = preflight_settings({"CODEC_ORIGINS": local["CODEC_ORIGINS"]}).cors
    assert "https://cloud.temporal.io" in cors.origins


@pytest.mark.parametrize("keyring", ["development", "file:/rings/{namespace}.json"])
def test_a_stack_without_a_token_does_not_start(keyring: str) -> None:
    """An unauthenticated decoder cannot be deployed by mistake."""
    deployed = {**settings(Keyring=keyring, Auth="none"), "AWS_LAMBDA_FUNCTION_NAME": "decode"}
    with pytest.raises(SettingsError, match="refused on Lambda"):
        server_settings(deployed)


def test_the_stack_s_own_ring_is_the_default() -> None:
    """Exactly the secret that it made; or one for each namespace."""
    assert settings()["CODEC_KEYRING"] == "secretsmanager:<Ring>"
    each = settings(Rings="per-namespace")["CODEC_KEYRING"]
    assert each == "secretsmanager:temporal-codec/{namespace}"
    assert settings(Keyring="development")["CODEC_KEYRING"] == "development"


def test_a_deployed_stack_asks_for_tokens_and_lets_nobody_in_yet() -> None:
    """Default deny: the policy document starts empty."""
    access = server_settings({**settings(), "AWS_LAMBDA_FUNCTION_NAME": "decode"}).access
    assert access is not None
    assert access.trust.issuers[0].issuer == "https://login.tmprl.cloud/"
    assert access.policy == "ssm:<PolicyDocument>"
    (document,) = of_type("Custom::PolicyDocument")
    assert document["Value"]["Fn::If"][2] == '{"grants":[]}'
    assert templates()["read"]["Parameters"]["Readers"]["Default"] == ""
    for parameter, uri in (
        ("/team/policy", "ssm:/team/policy"),
        ("s3:team-policies/codec/policy.json", "s3:team-policies/codec/policy.json"),
    ):
        own = server_settings(settings(PolicyParameter=parameter)).access
        assert own is not None
        assert own.policy == uri


_STRANGE = {"Readers": ["*@*", "@", "a", "a b@c"], "ReaderNamespaces": ["a\x00", " a", "a "]}
_ODD = {
    "Readers": ["a_b+c%d.e@x"],
    "ReaderNamespaces": ["*", "v1:data-0", "team a", "x/y,a@b,a+b", "-a,.b", "заказы", "{a}'$&"],
}


@pytest.mark.parametrize("name", ["Readers", "ReaderNamespaces"])
def test_readers_become_the_first_grant(name: str) -> None:
    """So that the first deployment ends in plaintext; whatever the patterns let in is a policy."""
    (document,) = of_type("Custom::PolicyDocument")
    condition, granting, _ = document["Value"]["Fn::If"]
    text, values = granting["Fn::Sub"]
    assert condition == "HasReaders"
    given = {"Readers": "*@example.com,Bo+b@corp.io", "ReaderNamespaces": "orders-*.a1b2c,x"}
    for variable, joined in values.items():
        comma, split = joined["Fn::Join"]
        assert split["Fn::Split"][0] == ","
        parts = given[split["Fn::Split"][1]["Ref"]].split(",")
        text = text.replace(f"${{{variable}}}", comma.join(parts))
    policy = parse(text.encode())
    bob = Identity("s", "bo+b@corp.io", "")
    assert policy.decide(bob, "orders-eu.a1b2c", "decode")
    assert policy.decide(bob, "orders-eu.a1b2c", "download")
    assert not policy.decide(bob, "orders-eu.a1b2c", "encode")
    assert not policy.decide(bob, "other", "decode")
    pattern = templates()["read"]["Parameters"][name]["AllowedPattern"]
    assert re.fullmatch(pattern, given[name])
    for hostile in ('a@b"],"c', "a@b\\", "a@b,", ",a@b", "a@b, c@d", "a@b\n", *_STRANGE[name]):
        assert not re.fullmatch(pattern, hostile)
    for odd in _ODD[name]:
        assert re.fullmatch(pattern, odd)


def test_a_bucket_is_what_download_comes_with() -> None:
    """By default nothing is followed and no object may be read."""
    deployed = {"AWS_LAMBDA_FUNCTION_NAME": "decode"}
    assert server_settings(settings() | deployed).storage is None
    given = server_settings(settings(StorageBucket="payloads") | deployed)
    assert given.storage is not None
    assert given.storage.buckets == {"payloads"}
    assert given.operations == ("decode", "encode", "download")
    conditions = templates()["made"]["Resources"]
    assert conditions["ObjectReader"]["Condition"] == "HasStorage"
    assert conditions["ObjectKeyUser"]["Condition"] == "HasStorageKey"


def test_temporal_cloud_decides_with_a_key_that_only_its_secret_names() -> None:
    """Nothing of the key is in the stack; without it no function may read any such secret."""
    secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:temporal-cloud-AbCdEf"
    deployed = {"AWS_LAMBDA_FUNCTION_NAME": "decode"}
    given = settings(Authorizer="temporal-cloud", CloudApiKey=secret)
    access = server_settings({**given, **deployed}).access
    assert access is not None
    assert (access.authorizer, access.cloud_api_key) == ("temporal-cloud", secret)
    assert settings()["CODEC_CLOUD_API_KEY"] == ""
    resources = templates()["made"]["Resources"]
    conditional = {k for k, v in resources.items() if v.get("Condition") == "HasCloudApiKey"}
    assert conditional == {"CloudApiKeyReader"}


@pytest.mark.parametrize(
    ("authorizer", "secret"), [("temporal-cloud", ""), ("policy", "arn"), ("policy", "")]
)
def test_a_stack_with_half_of_it_is_refused_before_it_is_made(authorizer: str, secret: str) -> None:
    """The functions would refuse to start; the template's rules say so before."""
    given = {"Authorizer": authorizer, "CloudApiKey": secret}
    fails = False
    for name in ("CloudWithItsKey", "KeyWithItsCloud"):
        rule = templates()["read"]["Rules"][name]
        (assertion,) = rule["Assertions"]
        fails |= holds(rule["RuleCondition"], given) and not holds(assertion["Assert"], given)
    assert fails == ((authorizer == "temporal-cloud") != bool(secret))


def holds(condition: Json, parameters: Mapping[str, Any]) -> bool:
    """Whether CloudFormation finds a condition true."""
    ((function, argument),) = condition.items()
    if function == "Fn::Not":
        return not holds(argument[0], parameters)
    assert function == "Fn::Equals"
    one, other = (resolved(each, parameters) for each in argument)
    return one == other


@pytest.mark.parametrize("template", ["template.yaml", "keyring.yaml"])
def test_nothing_in_a_stack_s_life_destroys_a_key(template: str) -> None:
    """Retained when the stack goes, and when a change would replace it; the value is a literal.

    A parameter in it would let a later edit overwrite a live ring.
    """
    resources = templates()["read" if template == "template.yaml" else "ring"]["Resources"]
    kept = [r for r in resources.values() if r["Type"] in {SECRET, "AWS::KMS::Key"}]
    assert len(kept) == (3 if template == "template.yaml" else 1)
    for each in kept:
        # Only what a failed first deployment created goes again: a retry creates it again.
        assert each["DeletionPolicy"] == "RetainExceptOnCreate"
        assert each["UpdateReplacePolicy"] == "Retain"
        if each["Type"] == SECRET:
            assert each["Properties"]["SecretString"] == '{"keys":[]}'
            assert "GenerateSecretString" not in each["Properties"]


def test_a_ring_that_was_left_behind_is_adopted() -> None:
    """With its ARN no new ring is made, and everything that names the ring names that one."""
    ring = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:temporal-codec/default-AbCdEf"
    assert settings(ExistingRing=ring)["CODEC_KEYRING"] == f"secretsmanager:{ring}"
    resources = templates()["made"]["Resources"]
    assert {name for name, each in resources.items() if each.get("Condition") == "MakesRing"} == {
        "Ring",
        "RingKey",
    }
    rest = json.dumps({k: v for k, v in resources.items() if k not in {"Ring", "RingKey"}})
    adopted = '["MakesRing", {"Ref": "Ring"}, {"Ref": "ExistingRing"}]'
    assert rest.count('{"Ref": "Ring"}') == rest.count(adopted) > 0
    adopted = '["MakesRing", {"Fn::GetAtt": ["RingKey", "Arn"]}, '
    assert rest.count('["RingKey", "Arn"]') == rest.count(adopted) > 0


@pytest.mark.parametrize("template", ["template.yaml", "keyring.yaml"])
def test_a_ring_is_rotated_from_its_first_minute(template: str) -> None:
    """Decision 11: the first key is made by the rotation function, at once."""
    resources = templates()["read" if template == "template.yaml" else "ring"]["Resources"]
    (schedule,) = [r for r in resources.values() if r["Type"].endswith("RotationSchedule")]
    assert schedule["Properties"]["RotateImmediatelyOnUpdate"] is True
    assert schedule["Properties"]["RotationRules"] == {
        "AutomaticallyAfterDays": {"Ref": "RotationDays"}
    }


SECRET = "AWS::SecretsManager::Secret"
ALL_RINGS = (
    "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:temporal-codec/*"
)
THE_RING = {"Fn::If": ["MakesRing", {"Ref": "Ring"}, {"Ref": "ExistingRing"}]}
RINGS = {"Fn::If": ["PerNamespace", {"Fn::Sub": ALL_RINGS}, THE_RING]}
THROUGH_SECRETS_MANAGER = {
    "StringEquals": {
        "kms:ViaService": {"Fn::Sub": "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"}
    }
}
KEY_BY_ID = "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/${ExistingRingKey}"
OTHER_KEY = {"Fn::If": ["NamesKeyByArn", {"Ref": "ExistingRingKey"}, {"Fn::Sub": KEY_BY_ID}]}
KMS_KEY = {"Fn::If": ["MakesRing", {"Fn::GetAtt": ["RingKey", "Arn"]}, OTHER_KEY]}
READS_RINGS = [
    {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": RINGS},
    {
        "Fn::If": [
            "PerNamespace",
            {
                "Effect": "Allow",
                "Action": "secretsmanager:BatchGetSecretValue",
                "Resource": "*",
            },
            {"Ref": "AWS::NoValue"},
        ]
    },
    {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": KMS_KEY,
        "Condition": THROUGH_SECRETS_MANAGER,
    },
]
PARAMETERS = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter"
READS_POLICY = [
    {
        "Effect": "Allow",
        "Action": "ssm:GetParameter",
        "Resource": [
            {
                "Fn::If": [
                    "MakesPolicy",
                    {"Fn::Sub": f"{PARAMETERS}/${{AWS::StackName}}/access-policy"},
                    {
                        "Fn::If": [
                            "PolicyIsObject",
                            {"Ref": "AWS::NoValue"},
                            {"Fn::Sub": f"{PARAMETERS}${{PolicyParameter}}"},
                        ]
                    },
                ]
            },
            {
                "Fn::If": [
                    "HasTrust",
                    {"Fn::Sub": f"{PARAMETERS}${{TrustParameter}}"},
                    {"Ref": "AWS::NoValue"},
                ]
            },
        ],
    },
    {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": {
            "Fn::Sub": [
                "arn:${AWS::Partition}:s3:::${Object}",
                {"Object": {"Fn::Select": [1, {"Fn::Split": [":", {"Ref": "PolicyParameter"}]}]}},
            ]
        },
    },
]
BUCKETS = {"Ref": "StorageBucket"}
READS_API_KEY = [
    {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": {"Ref": "CloudApiKey"},
    },
    {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": {"Ref": "CloudApiKeyEncryption"},
        "Condition": THROUGH_SECRETS_MANAGER,
    },
]
IN_A_VPC = [
    {
        "Effect": "Allow",
        "Action": [
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        ],
        "Resource": "*",  # these actions support none
    }
]


def in_each_partition(values: Json) -> Json:
    """The value of the partition that the stack is in."""
    rest = {"Fn::If": ["InEurope", values["aws-eusc"], values["aws"]]}
    rest = {"Fn::If": ["InGovCloud", values["aws-us-gov"], rest]}
    return {"Fn::If": ["InChina", values["aws-cn"], rest]}


OBJECTS = {
    partition: {"Fn::Join": [f"/v0/*,arn:{partition}:s3:::", {"Fn::Split": [",", BUCKETS]}]}
    for partition in ("aws", "aws-cn", "aws-us-gov", "aws-eusc")
}
READS_OBJECTS = [
    {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": {
            "Fn::Split": [
                ",",
                {
                    "Fn::Sub": [
                        "arn:${AWS::Partition}:s3:::${Buckets}/v0/*",
                        {"Buckets": in_each_partition(OBJECTS)},
                    ]
                },
            ]
        },
    },
    {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": {"Ref": "StorageKey"},
        "Condition": {
            "StringEquals": {"kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}}
        },
    },
]
READS_SHARED_RINGS = [
    {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": {"Fn::Split": [",", {"Ref": "SharedRingArns"}]},
    },
]
UNWRAPS_DATA_KEYS = [
    {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": {"Fn::Split": [",", {"Ref": "KmsKeyArns"}]},
    },
]
MAKES_DATA_KEYS = [
    {
        "Effect": "Allow",
        "Action": "kms:GenerateDataKey",
        "Resource": {"Fn::Split": [",", {"Ref": "KmsKeyArns"}]},
    },
]
LISTS_SECRETS = {"Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"}
ROTATES = [
    {
        "Effect": "Allow",
        "Action": [
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
        ],
        "Resource": RINGS,
    },
    {"Fn::If": ["PerNamespace", LISTS_SECRETS, {"Ref": "AWS::NoValue"}]},
    {
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": KMS_KEY,
        "Condition": THROUGH_SECRETS_MANAGER,
    },
]
LEFT_LOGS = (
    "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:"
    "log-group:/temporal-codec/${AWS::StackName}:*"
)
TELLS = [
    {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": {
            "Fn::If": ["MakesLogs", {"Fn::GetAtt": ["Logs", "Arn"]}, {"Fn::Sub": LEFT_LOGS}]
        },
    },
    {
        "Effect": "Allow",
        "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
        "Resource": "*",  # traces have none that a policy could name
    },
]
SEEDS_THE_POLICY = [
    {
        "Effect": "Allow",
        "Action": ["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"],
        "Resource": {"Fn::Sub": f"{PARAMETERS}/${{AWS::StackName}}/access-policy"},
    },
    {
        "Effect": "Allow",
        "Action": "ssm:GetParameter",
        "Resource": {"Fn::Sub": f"{PARAMETERS}/${{AWS::StackName}}/policy"},
    },
]
MAY = {
    DECODE: TELLS
    + READS_RINGS
    + READS_POLICY
    + READS_API_KEY
    + IN_A_VPC
    + READS_OBJECTS
    + READS_SHARED_RINGS
    + UNWRAPS_DATA_KEYS,
    ENCODE: TELLS + READS_RINGS + READS_POLICY + READS_API_KEY + IN_A_VPC + MAKES_DATA_KEYS,
    PREFLIGHT: TELLS,
    "RotationFunction": TELLS + ROTATES,
    "PolicyFunction": TELLS + SEEDS_THE_POLICY,
}


def is_role(resource: Json) -> bool:
    """CodeDeploy's is for gradual deployments, and created for those alone."""
    return resource["Type"] == "AWS::IAM::Role" and resource.get("Condition") != "IsGradual"


def permissions(name: str) -> list[Json]:
    """Every statement that a function's role has."""
    resources = templates()["made"]["Resources"]
    role_name, attribute = function(name)["Role"]["Fn::GetAtt"]
    assert attribute == "Arn"
    role = resources[role_name]["Properties"]
    statements: list[Json] = []
    for policy in role.get("ManagedPolicyArns", []):
        if isinstance(policy, dict) and "Fn::If" in policy:
            condition, policy, otherwise = policy["Fn::If"]  # noqa: PLW2901 — what it stands for
            assert otherwise == {"Ref": "AWS::NoValue"}
            assert resources[policy["Ref"]]["Condition"] == condition
        document = resources[policy["Ref"]]["Properties"]["PolicyDocument"]
        statements += document["Statement"]
    for inline in role.get("Policies", []):
        statements += inline["PolicyDocument"]["Statement"]
    return statements


@pytest.mark.parametrize("name", MAY)
def test_each_function_may_do_exactly_this(name: str) -> None:
    """Decode and encode can neither write a ring nor rotate it; preflight can do nothing.

    Each has a role of its own, and no other role is made for any.
    """
    assert permissions(name) == MAY[name]
    roles = [name for name, r in templates()["made"]["Resources"].items() if is_role(r)]
    assert sorted(roles) == [
        *("DecodeRole", "EncodeRole", "PolicyRole"),
        *("PreflightRole", "RotationRole"),
    ]


def test_the_stack_s_schedule_calls_the_rotation_function_every_day() -> None:
    """A rotation that never ran fails nowhere: somebody has to look."""
    made = templates()["made"]["Resources"]
    rule, permission = made["RotationCheck"], made["RotationCheckPermission"]
    assert rule["Condition"] == permission["Condition"] == "ChecksRotation"
    assert rule["Properties"]["ScheduleExpression"] == "rate(1 day)"
    assert rule["Properties"]["Targets"][0]["Arn"] == {"Fn::GetAtt": ["RotationFunction", "Arn"]}
    assert permission["Properties"]["SourceArn"] == {"Fn::GetAtt": ["RotationCheck", "Arn"]}


def test_secrets_manager_alone_rotates_with_the_rotation_function() -> None:
    """And for this account alone."""
    (permission,) = [
        each
        for each in of_type("AWS::Lambda::Permission")
        if each["Principal"] == "secretsmanager.amazonaws.com"
    ]
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_other_accounts_may_read_and_nothing_else() -> None:
    """`WorkerAccounts`; nobody by default."""
    (policy,) = of_type("AWS::SecretsManager::ResourcePolicy")
    (statement,) = policy["ResourcePolicy"]["Statement"]
    assert statement["Action"] == "secretsmanager:GetSecretValue"
    assert statement["Principal"] == {"AWS": {"Ref": "WorkerAccounts"}}
    key = templates()["made"]["Resources"]["RingKey"]["Properties"]
    _, foreign = key["KeyPolicy"]["Statement"]
    condition, allowed, _ = foreign["Fn::If"]
    assert condition == "HasWorkerAccounts"
    assert allowed["Action"] == "kms:Decrypt"
    assert allowed["Condition"] == THROUGH_SECRETS_MANAGER
    assert templates()["read"]["Parameters"]["WorkerAccounts"]["Default"] == ""


@pytest.mark.parametrize("file", ["template.yaml", "samconfig.toml", "Makefile"])
def test_nothing_passes_as_the_sam_cli(file: str) -> None:
    """AWS_SAM_LOCAL lets a function start without a token: only the SAM CLI itself sets it."""
    assert "AWS_SAM_LOCAL" not in (ROOT / file).read_text()


@pytest.mark.parametrize("template", ["template.yaml", "keyring.yaml"])
def test_sam_finds_nothing_to_say(template: str) -> None:
    """`sam validate --lint`, with the options of samconfig.toml."""
    validated = sam("validate", "--lint", "--template", template)
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "is a valid SAM Template" in validated.stdout
