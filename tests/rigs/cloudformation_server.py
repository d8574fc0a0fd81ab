"""ministack, with what this project's stack needs and it lacks; runs in an environment of its own.

    GATEWAY_PORT=4566 AUTH=true .tools/cloudformation/bin/python tests/rigs/cloudformation_server.py

FAIL_FILE names a file: the type of resource that it holds cannot be created.
SSM_PER_SECOND limits reads of parameters, as AWS does at 40 a second.
"""

import contextvars
import copy
import fnmatch
import functools
import inspect
import json
import os
import re
import shlex
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import jmespath  # type: ignore[import-untyped]
import samtranslator.translator.transform as sam
from ministack.core.iam_actions import extract_resource_arn
from ministack.core.iam_evaluator import enforce
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import apigateway, cloudwatch_logs, kms, s3, secretsmanager, ssm
from ministack.services.cloudformation import engine, provisioners

Json = dict[str, Any]
HANDLERS: dict[str, Json] = provisioners._RESOURCE_HANDLERS
SECRET, LOGS = "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


def replace(old: object, new: object) -> None:
    """Put a function in the place of another one, in each module that has imported it."""
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is old:
                setattr(module, name, new)


def secret_name(arn: str) -> str:
    """The name of the secret that an ARN stands for."""
    return arn.split(":secret:", 1)[1].rsplit("-", 1)[0] if ":secret:" in arn else arn


# --- what CloudFormation does with a resource ----------------------------------------------------


def secrets_answer_with_their_arn() -> None:
    """`Ref` of a secret is its ARN, and a name that is taken is refused."""
    own = dict(HANDLERS[SECRET])

    def create(logical: str, properties: Json, stack: str) -> tuple[str, Json]:
        if properties.get("Name") in secretsmanager._secrets:
            raise ValueError(f"The secret {properties['Name']} already exists.")
        _, attributes = own["create"](logical, properties, stack)
        return attributes["Arn"], attributes

    def update(pid: str, old: Json, new: Json, stack: str, logical: str = "") -> tuple[str, Json]:
        if new.get("Name") != old.get("Name"):
            return create(logical, new, stack)
        more = [logical] if own.get("update_with_logical_id") else []
        _, attributes = own["update"](secret_name(pid), old, new, stack, *more)
        return attributes["Arn"], attributes

    def delete(pid: str, properties: Json) -> Any:
        return own["delete"](secret_name(pid), properties)

    HANDLERS[SECRET] = {**own, "create": create, "update": update, "delete": delete}


def log_groups_are_never_adopted() -> None:
    """A group that exists already is refused."""
    own = HANDLERS[LOGS]["create"]

    def create(logical: str, properties: Json, stack: str) -> Any:
        if properties.get("LogGroupName") in cloudwatch_logs._log_groups:
            raise ValueError(f"The log group {properties['LogGroupName']} already exists.")
        return own(logical, properties, stack)

    HANDLERS[LOGS] = {**HANDLERS[LOGS], "create": create}


def rotation_schedules() -> None:
    """A schedule rotates at once where the template asks for it."""

    def create(_: str, properties: Json, __: str) -> tuple[str, Json]:
        secret = secretsmanager._secrets.get(secret_name(properties["SecretId"]))
        if secret is None:
            raise ValueError("Secrets Manager can't find the specified secret.")
        secret |= {
            "RotationEnabled": True,
            "RotationLambdaARN": properties["RotationLambdaARN"],
            "RotationRules": properties.get("RotationRules"),
        }
        if str(properties.get("RotateImmediatelyOnUpdate")).lower() == "true":
            begin_rotation(secret)
        return properties["SecretId"], {}

    def update(_: str, __: Json, new: Json, stack: str) -> tuple[str, Json]:
        return create("", new, stack)

    def delete(pid: str, _: Json) -> None:
        secretsmanager._secrets.get(secret_name(pid), {})["RotationEnabled"] = False

    HANDLERS["AWS::SecretsManager::RotationSchedule"] = {
        "create": create,
        "update": update,
        "delete": delete,
    }


def resource_policies() -> None:
    """A secret's resource policy is stored; AWS's own checks of it are not made."""

    def create(_: str, properties: Json, __: str) -> tuple[str, Json]:
        told = secretsmanager._put_resource_policy(
            {
                "SecretId": properties["SecretId"],
                "ResourcePolicy": json.dumps(properties["ResourcePolicy"]),
                "BlockPublicPolicy": True,
            }
        )
        if told[0] >= 400:
            raise ValueError(told[2])
        return properties["SecretId"], {}

    HANDLERS["AWS::SecretsManager::ResourcePolicy"] = {
        "create": create,
        "update": lambda _, __, new, stack: create("", new, stack),
        "delete": lambda *_: None,
    }


def kinds_that_only_exist() -> None:
    """Budgets and CodeDeploy: they are created, and do nothing."""
    for kind in ("Budgets::Budget", "CodeDeploy::Application", "CodeDeploy::DeploymentGroup"):
        HANDLERS[f"AWS::{kind}"] = {
            "create": lambda logical, _, stack: (f"{stack}-{logical}", {}),
            "update": lambda pid, *_: (pid, {}),
            "delete": lambda *_: None,
        }


def alarms_may_compute() -> None:
    """An alarm on metric math is made as one on its first metric."""
    own = dict(HANDLERS["AWS::CloudWatch::Alarm"])

    def plain(properties: Json) -> Json:
        if "Metrics" not in properties:
            return properties
        counted = properties["Metrics"][0]["MetricStat"]
        more = {"Statistic": counted["Stat"], "Period": counted["Period"]}
        rest = {name: value for name, value in properties.items() if name != "Metrics"}
        return {**rest, **counted["Metric"], **more}

    def create(logical: str, properties: Json, stack: str) -> Any:
        return own["create"](logical, plain(properties), stack)

    def update(pid: str, old: Json, new: Json, *more: Any) -> Any:
        return own["update"](pid, plain(old), plain(new), *more)

    HANDLERS["AWS::CloudWatch::Alarm"] = {**own, "create": create, "update": update}


def creation_can_fail() -> None:
    """An organisation may forbid a kind of resource: FAIL_FILE names it."""

    def failing(kind: str, own: Callable[..., Any]) -> Callable[..., Any]:
        # ministack looks at which arguments it takes.
        @functools.wraps(own)
        def create(*arguments: Any, **named: Any) -> Any:
            file = Path(os.environ.get("FAIL_FILE", "fail"))
            if file.exists() and file.read_text().strip() == kind:
                raise ValueError(f"Access denied: {kind}")
            return own(*arguments, **named)

        return create

    for kind, handler in list(HANDLERS.items()):
        if "create" in handler:
            HANDLERS[kind] = {**handler, "create": failing(kind, handler["create"])}


def generated_names_differ_by_region() -> None:
    """Roles are the account's: two stacks of one name in two regions each have their own."""
    own = provisioners._physical_name

    def name(stack: str, logical: str, **more: Any) -> Any:
        if get_region() == "us-east-1":
            return own(stack, logical, **more)
        return own(stack, f"{logical}{get_region().replace('-', '')}", **more)

    replace(own, name)


# --- rotation ------------------------------------------------------------------------------------


def rotate(secret: Json) -> None:
    """The four steps, each a call of the function; the first one that fails ends it."""
    version = str(uuid.uuid4())
    labelled = {"CreatedDate": int(time.time()), "Stages": ["AWSPENDING"]}
    secret["Versions"][version] = {"SecretString": None, "SecretBinary": None, **labelled}
    session = botocore.session.Session()
    session.set_credentials("test", "test")
    functions = session.create_client(
        "lambda",
        region_name=get_region(),
        endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
    )
    for step in STEPS:
        event = {"Step": step, "SecretId": secret["ARN"], "ClientRequestToken": version}
        told = functions.invoke(
            FunctionName=secret["RotationLambdaARN"], Payload=json.dumps(event).encode()
        )
        fault = told.get("FunctionError")
        print("rotation", secret["Name"], step, fault or "ok", told["Payload"].read(), flush=True)
        if fault:
            return
    secret["LastRotatedDate"] = int(time.time())


def begin_rotation(secret: Json) -> None:
    """Rotate in a thread, as AWS does after it has answered."""
    context = contextvars.copy_context()

    def later() -> None:
        time.sleep(1)
        rotate(secret)

    threading.Thread(target=lambda: context.run(later), daemon=True).start()


def rotate_secret(data: Json) -> Any:
    """RotateSecret."""
    _, secret = secretsmanager._resolve(data["SecretId"])
    secret["RotationLambdaARN"] = data.get("RotationLambdaARN") or secret["RotationLambdaARN"]
    secret["RotationRules"] = data.get("RotationRules") or secret.get("RotationRules")
    secret["RotationEnabled"] = True
    begin_rotation(secret)
    return secretsmanager.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})


def rotated_secrets_say_when() -> None:
    """`LastRotatedDate` is described."""
    own = secretsmanager._describe_secret

    def describe(data: Json) -> Any:
        told = own(data)
        _, secret = secretsmanager._resolve(data["SecretId"])
        if secret is None or "LastRotatedDate" not in secret:
            return told
        more = {"LastRotatedDate": secret["LastRotatedDate"]}
        return secretsmanager.json_response({**json.loads(told[2]), **more})

    replace(own, describe)


def replicas_can_stand_alone() -> None:
    """StopReplicationToReplica."""
    own = secretsmanager.handle_request

    async def handle(method: str, path: str, headers: Json, body: bytes, query: Json) -> Any:
        if not headers.get("x-amz-target", "").endswith(".StopReplicationToReplica"):
            return await own(method, path, headers, body, query)
        _, secret = secretsmanager._resolve(json.loads(body)["SecretId"])
        if not secretsmanager._is_replica(secret):
            return secretsmanager.error_response_json(
                "InvalidRequestException", "You can't stop replication of a primary secret.", 400
            )
        secretsmanager._unlink_from_primary(secret)
        del secret["_PrimarySecretArn"], secret["_PrimaryRegion"]
        return secretsmanager.json_response({"ARN": secret["ARN"]})

    replace(own, handle)


def key_is_denied(caller: str, action: str, arn: str, service: str) -> bool:
    """Whether a caller may not do this with a KMS key through a service."""
    through = {"kms:ViaService": f"{service}.{get_region()}.amazonaws.com"}
    return bool(arn and enforce(caller, action, "kms", get_region(), arn, through))


def values_need_their_kms_key() -> None:
    """A caller reads or writes a value only if it may use the secret's key through this service."""
    own = secretsmanager.handle_request
    needed = {
        "GetSecretValue": "kms:Decrypt",
        "BatchGetSecretValue": "kms:Decrypt",
        "PutSecretValue": "kms:GenerateDataKey",
    }

    def denied(key: str, action: str, secret: str) -> bool:
        _, found = secretsmanager._resolve(secret)
        return key_is_denied(key, action, (found or {}).get("KmsKeyId", ""), "secretsmanager")

    async def handle(method: str, path: str, headers: Json, body: bytes, query: Json) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action in needed:
            data, key = json.loads(body), extract_access_key_id(headers, query) or ""
            for secret in data.get("SecretIdList") or [data.get("SecretId")]:
                if denied(key, needed[action], secret):
                    return secretsmanager.error_response_json(
                        "AccessDeniedException", "Access to KMS is not allowed", 400
                    )
        return await own(method, path, headers, body, query)

    replace(own, handle)


def an_alias_is_its_key() -> None:
    """A policy allows a KMS key by its ARN, also where a caller names an alias."""
    own = extract_resource_arn

    def extract(service: str, *arguments: Any, **named: Any) -> Any:
        arn = own(service, *arguments, **named)
        found = kms._resolve_key(arn) if service == "kms" and ":alias/" in arn else None
        return found["Arn"] if found else arn

    replace(own, extract)


def objects_need_their_kms_key() -> None:
    """A caller reads an object only if it may use the object's key through S3."""
    own = s3._get_object

    def get(bucket: str, key: str, headers: Json, query: Json | None = None) -> Any:
        told = own(bucket, key, headers, query)
        arn = told[1].get("x-amz-server-side-encryption-aws-kms-key-id", "")
        if arn and key_is_denied(extract_access_key_id(headers, query), "kms:Decrypt", arn, "s3"):
            return s3._error("AccessDenied", "not authorized to perform: kms:Decrypt", 403)
        return told

    replace(own, get)


def versions_without_a_value_are_not_found() -> None:
    """A version that is only labelled cannot be read."""
    own = secretsmanager._get_secret_value

    def get(data: Json) -> Any:
        told = own(data)
        if told[0] == 200 and not json.loads(told[2]).keys() & {"SecretString", "SecretBinary"}:
            return secretsmanager.error_response_json(
                "ResourceNotFoundException", "Secrets Manager can't find the value", 400
            )
        return told

    replace(own, get)


# --- templates -----------------------------------------------------------------------------------


def stack_at_work() -> str:
    """The stack whose conditions are evaluated: ministack's functions do not hand its name on."""
    frame = inspect.currentframe()
    while frame:
        for name, value in (("stack_name", None), ("stack", "StackName")):
            found = frame.f_locals.get(name)
            if isinstance(found, dict) and value:
                found = found.get(value)
            if isinstance(found, str):
                return found
        frame = frame.f_back
    raise LookupError("no stack is at work")


def conditions_know_join_and_split() -> None:
    """Both are resolved before ministack evaluates conditions, and so is the stack's name."""
    own = engine._evaluate_conditions

    def value(given: Any, parameters: Json) -> Any:
        if not isinstance(given, dict):
            return [value(each, parameters) for each in given] if isinstance(given, list) else given
        known = {name: value(each, parameters) for name, each in given.items()}
        if known.get("Ref") == "AWS::StackName":
            return stack_at_work()
        if "Ref" in known and known["Ref"] in parameters:
            return str(parameters[known["Ref"]]["Value"])
        if "Fn::Join" in known:
            comma, items = known["Fn::Join"]
            return comma.join(items.split(",") if isinstance(items, str) else items)
        if "Fn::Split" in known:
            comma, text = known["Fn::Split"]
            return text.split(comma)
        return known

    def evaluate(template: Json, parameters: Json) -> Any:
        conditions = value(copy.deepcopy(template.get("Conditions", {})), parameters)
        return own({**template, "Conditions": conditions}, parameters)

    replace(own, evaluate)


def sam_sees_the_parameters() -> None:
    """SAM expands a template with the stack's parameters."""
    given: contextvars.ContextVar[Json] = contextvars.ContextVar("given", default={})  # noqa: B039
    transform, apply = sam.transform, engine._apply_transforms

    def with_parameters(template: Json, provided: Any = None, previous: Any = None) -> Any:
        given.set(engine._transform_parameters(template, provided, previous))
        return apply(template, provided, previous)

    sam.transform = lambda template, _, loader: transform(template, dict(given.get()), loader)
    replace(apply, with_parameters)


# --- other services ------------------------------------------------------------------------------


def options_are_routed() -> None:
    """Without a CORS configuration, an HTTP API routes OPTIONS as any other method."""
    asks = 'if method == "OPTIONS":\n        return _cors_preflight'
    routes = asks.replace('"OPTIONS":', '"OPTIONS" and cors_cfg:')
    found = 0
    for function in list(vars(apigateway).values()):
        if inspect.iscoroutinefunction(function) and asks in (
            source := inspect.getsource(function)
        ):
            found += 1
            exec(source.replace(asks, routes), vars(apigateway))
    assert found, "this ministack answers OPTIONS in another way"


def filter_patterns_select() -> None:
    """By fields of a line of JSON, with `*`, `&&` and `||`; or by one of several `?terms`."""
    own = cloudwatch_logs._compile_filter_pattern
    field = re.compile(r'\$\.([\w.\[\]]+)\s*=\s*"([^"]*)"')

    def holds(line: Json, test: str) -> bool:
        found = field.fullmatch(test.strip())
        assert found, test
        value = jmespath.search(found[1], line)
        return value is not None and fnmatch.fnmatchcase(str(value), found[2])

    def selects(pattern: str, line: str) -> bool:
        try:
            read = json.loads(line)
        except ValueError:
            return False
        either = [each.split("&&") for each in pattern.split("||")]
        return any(all(holds(read, test) for test in each) for each in either)

    def compiled(raw: str) -> Callable[[str], bool]:
        if raw.startswith("{"):
            return lambda line: selects(raw.strip("{}"), line)
        if raw.startswith("?"):
            terms = shlex.split(raw.replace("?", " "))
            return lambda line: any(term in line for term in terms)
        made: Callable[[str], bool] = own(raw)
        return made

    replace(own, compiled)


def parameter_store_throttles(per_second: float) -> None:
    """A bucket of tokens, as large as a second's."""
    own, lock = ssm._get_parameter, threading.Lock()
    bucket = {"left": per_second, "at": time.monotonic()}

    def get(data: Json, *more: Any) -> Any:
        with lock:
            now = time.monotonic()
            grown = bucket["left"] + (now - bucket["at"]) * per_second
            bucket.update(left=min(per_second, grown), at=now)
            if bucket["left"] < 1:
                return ssm.error_response_json("ThrottlingException", "Rate exceeded", 400)
            bucket["left"] -= 1
        return own(data, *more)

    replace(own, get)


def main() -> None:
    """Serve."""
    secrets_answer_with_their_arn()
    log_groups_are_never_adopted()
    rotation_schedules()
    resource_policies()
    kinds_that_only_exist()
    alarms_may_compute()
    generated_names_differ_by_region()
    creation_can_fail()
    replace(secretsmanager._rotate_secret, rotate_secret)
    rotated_secrets_say_when()
    replicas_can_stand_alone()
    values_need_their_kms_key()
    an_alias_is_its_key()
    objects_need_their_kms_key()
    versions_without_a_value_are_not_found()
    conditions_know_join_and_split()
    sam_sees_the_parameters()
    options_are_routed()
    filter_patterns_select()
    if limit := os.environ.get("SSM_PER_SECOND"):
        parameter_store_throttles(float(limit))
    # After what it imports has been replaced.
    from ministack.app import main as serve  # noqa: PLC0415

    serve()


if __name__ == "__main__":
    main()
