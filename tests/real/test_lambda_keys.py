"""The whole path as deployed: the built functions, Secrets Manager, a policy, an issuer of tokens.

Nothing tells them that they are on a laptop: they start as they would on AWS.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.handlers.calls import ORIGIN
from tests.rigs import lambda_events
from tests.rigs.issuer import EMAIL_CLAIM, Issuer, claims, issuer, token
from tests.rigs.lambda_events import Answer, Request
from tests.rigs.lambda_runtime import Function, lambda_function
from tests.rigs.secrets_manager import (
    Gate,
    client,
    environment,
    gate,
    new_secret,
    request_rotation,
)

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
PLAIN = {"metadata": {"encoding": b64encode(b"json/plain").decode()}, "data": "ImhlbGxvIg=="}
POLICY = {
    "grants": [
        {
            "identities": ["*@example.com"],
            "namespaces": ["default"],
            "operations": ["decode", "encode"],
        }
    ]
}

pytestmark = pytest.mark.real("Lambda's runtime")


class Deployed:
    """The functions of a stack, and what they depend on."""

    def __init__(self, functions: dict[str, Function], aws: Any, secret: str, door: Gate) -> None:
        self.functions = functions
        self.aws = aws
        self.secret = secret
        self.door = door

    def rotate(self) -> None:
        """What Secrets Manager does."""
        version = request_rotation(self.aws, self.secret)
        for step in STEPS:
            event = {"SecretId": self.secret, "ClientRequestToken": version, "Step": step}
            assert self.functions["rotation"].invoke(event) is None

    def keys(self) -> list[dict[str, str]]:
        """The ring as it is stored."""
        answer = self.aws.get_secret_value(SecretId=self.secret, VersionStage="AWSCURRENT")
        found: list[dict[str, str]] = json.loads(answer["SecretString"])["keys"]
        return found

    def ask(self, operation: str, payload: object, bearer: str | None) -> Answer:
        """One payload, as the Web UI sends it."""
        headers = {"content-type": "application/json", "x-namespace": "default", "origin": ORIGIN}
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        body = json.dumps({"payloads": [payload]}).encode()
        request = Request("POST", f"/{operation}", headers, body)
        returned = self.functions[operation].invoke(lambda_events.http_api(request))
        assert returned["isBase64Encoded"] is False
        return lambda_events.answer(returned)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as running:
        yield running


@pytest.fixture
def published(tmp_path: Path, stack: ExitStack) -> Issuer:
    return stack.enter_context(issuer(tmp_path))


@pytest.fixture
def deployed(moto: int, published: Issuer, stack: ExitStack) -> Deployed:
    return deploy(moto, published, stack, new_secret(client(moto)))


def deploy(moto: int, published: Issuer, stack: ExitStack, secret: str) -> Deployed:
    """Start the functions with this ring, named as the template names it."""
    door = stack.enter_context(gate(moto))
    aws = client(moto)
    parameter = f"/{uuid4()}/policy"
    client(moto, "ssm").put_parameter(Name=parameter, Value=json.dumps(POLICY), Type="String")
    settings = {
        **published.settings(),
        **environment(door),
        "CODEC_KEYRING": f"secretsmanager:{secret}",
        "CODEC_POLICY": f"ssm:{parameter}",
        "CODEC_ORIGINS": "https://cloud.temporal.io," + ORIGIN,
    }
    functions = {
        name: stack.enter_context(
            lambda_function(
                f"{name.title()}Function", f"handlers.{name}.handler", settings, sam_local=False
            )
        )
        for name in ("decode", "encode", "rotation")
    }
    return Deployed(functions, aws, secret, door)


def test_from_an_empty_ring_to_the_second_key(deployed: Deployed) -> None:
    """Decision 11: the first key was never seen by a person; a later one waits; all open."""
    ana = token()
    assert deployed.keys() == []
    deployed.rotate()
    (first,) = deployed.keys()
    sealed = json.loads(deployed.ask("encode", PLAIN, ana).body)["payloads"][0]
    assert sealed["metadata"]["encryption-key-id"] == b64encode(first["id"].encode()).decode()
    deployed.rotate()
    assert deployed.keys()[0] == first
    assert len(deployed.keys()) == 2
    opened = deployed.ask("decode", sealed, ana)
    assert json.loads(opened.body) == {"payloads": [PLAIN]}
    assert opened.headers["x-codec-undecoded"] == "0"
    for function in deployed.functions.values():
        assert first["key"] not in function.log()


def test_who_may_not_read_does_not(deployed: Deployed) -> None:
    """T6 under the real runtime."""
    deployed.rotate()
    stranger = token(payload=claims(**{EMAIL_CLAIM: "ana@example.com.evil.io"}))
    for bearer, status in ((None, 401), ("a.b.c", 401), (stranger, 403), (token(), 200)):
        answer = deployed.ask("encode", PLAIN, bearer)
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "ana@example.com.evil.io" in deployed.functions["encode"].log(), "the log names them"
    assert stranger not in deployed.functions["encode"].log()


def test_secrets_manager_down_and_nothing_held_is_503(deployed: Deployed) -> None:
    """K5: Retry-After and CORS, no detail; warm, it goes on."""
    deployed.rotate()
    ana = token()
    deployed.door.fault = "InternalServiceError"
    answer = deployed.ask("encode", PLAIN, ana)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert deployed.secret not in answer.body
    assert deployed.secret in deployed.functions["encode"].log()
    deployed.door.fault = None
    sealed = {"metadata": {"encoding": "eA=="}}
    assert deployed.ask("decode", sealed, ana).status == 200


def test_a_ring_outlives_its_stack(moto: int, published: Issuer, stack: ExitStack) -> None:
    """A new stack that adopts the ring, by its ARN, opens what the old one sealed."""
    aws, ana = client(moto), token()
    name = new_secret(aws)
    with ExitStack() as first:
        old = deploy(moto, published, first, name)
        old.rotate()
        sealed = json.loads(old.ask("encode", PLAIN, ana).body)["payloads"][0]
    arn = aws.describe_secret(SecretId=name)["ARN"]
    new = deploy(moto, published, stack, arn)
    assert json.loads(new.ask("decode", sealed, ana).body) == {"payloads": [PLAIN]}
    new.rotate()
    assert len(new.keys()) == 2
