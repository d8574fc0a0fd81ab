"""Temporal's proxy and this codec open each other's payloads, or not: with KMS and Go's library.

The Go module proxy does not serve the proxy's own module; `tests/interop/go/envelope` wraps
and unwraps with the library that it uses.
"""

import json
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol
from urllib.parse import quote

import pytest

from temporal_codec import Reason
from temporal_codec.keys.envelope import Kms, read_wrapped
from temporal_codec.keys.kms import KmsSource
from temporal_codec.pipeline import Outcome, Session, decode
from tests.codec.rings import Content, content, plain, reason, sealed
from tests.rigs.interop import built
from tests.rigs.processes import clean_environment
from tests.rigs.secrets_manager import CREDENTIALS, REGION, Gate, client

Json = dict[str, Any]
NAMESPACE = "orders & más"


class Proxy(Protocol):
    """What wraps with its first key, and unwraps with all of its keys."""

    def __call__(self, *uris: str) -> "Program": ...


class Program:
    """The program, started."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def seal(self) -> Content:
        """A payload of the proxy's."""
        made = self._ask({"seal": b64encode(plain()).decode()})
        metadata = {name: b64decode(value) for name, value in made["metadata"].items()}
        return Content(metadata, b64decode(made["data"]))

    def open(self, payload: Content) -> bytes | str:
        """What the proxy finds in a payload, or its fault."""
        metadata = {name: b64encode(value).decode() for name, value in payload.metadata.items()}
        sent = {"metadata": metadata, "data": b64encode(payload.data).decode()}
        answer = self._ask({"open": sent})
        return str(answer["fault"]) if "fault" in answer else b64decode(answer["opened"])

    def _ask(self, request: Json) -> Json:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer: Json = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture
def arn(moto: int) -> str:
    return str(client(moto, "kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def proxy(moto: int, secrets: Gate) -> Iterator[Proxy]:
    assert secrets.fault is None
    program = built("go") / "envelope"
    environment = clean_environment({**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{moto}"})
    with ExitStack() as started:

        def start(*uris: str) -> Program:
            process = subprocess.Popen(
                [program, *uris],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            started.callback(process.communicate)
            started.callback(process.kill)
            return Program(process)

        yield start


def uri(arn: str, context: Mapping[str, str] | None = None) -> str:
    """A key as the proxy's configuration names it."""
    parts = [f"context_{name}={quote(value)}" for name, value in (context or {}).items()]
    return f"awskms:///{arn}?" + "&".join([*parts, f"region={REGION}"])


def opened(payload: Content, arn: str, *, namespace: str = NAMESPACE, listed: bool) -> Outcome:
    """What this codec makes of it, with a ring of this key or with this key in a list."""
    kms = Kms(lambda _, each: each.arn if each.arn == arn else None)
    other = KmsSource("alias/other").keys(namespace)
    keys = other if listed else KmsSource(arn).keys(namespace)

    def enveloped(*args: Any, **more: Any) -> Any:
        return kms.opening(namespace, *args, **more)

    session = Session(keys, enveloped=enveloped if listed else None)
    (outcome,) = decode([payload], session.keys, session.allowance, session.enveloped)
    return outcome


def test_the_proxy_opens_what_this_codec_seals(proxy: Proxy, arn: str) -> None:
    """With the key that `encryption-key-id` names, and no other."""
    payload = sealed(plain(), KmsSource(arn).keys(NAMESPACE).sealing())
    named = uri(arn, {"namespace": NAMESPACE})
    assert payload.metadata["encryption-key-id"] == named.encode()
    assert proxy(named).open(payload) == plain()
    assert proxy(uri(arn), named).open(payload) == plain()
    assert proxy(uri(arn)).open(payload) == "unknown key"
    assert read_wrapped(payload.metadata).context == (("namespace", NAMESPACE),)


@pytest.mark.parametrize(
    ("context", "in_ring", "in_list"),
    [
        ({"namespace": NAMESPACE}, None, None),
        ({}, Reason.FOREIGN_FORMAT, None),
        ({"team": "pay & ship"}, Reason.FOREIGN_FORMAT, None),
        ({"namespace": "billing"}, Reason.UNKNOWN_KEY, Reason.UNKNOWN_KEY),
        ({"namespace": NAMESPACE, "team": "a"}, Reason.FOREIGN_FORMAT, None),
    ],
    ids=["own", "none", "another", "foreign", "both"],
)
def test_this_codec_opens_what_the_proxy_seals(
    proxy: Proxy, arn: str, context: dict[str, str], in_ring: Reason | None, in_list: Reason | None
) -> None:
    """A ring takes its namespace's context alone, a list takes every other one too."""
    payload = proxy(uri(arn, context)).seal()
    for listed, refused in ((False, in_ring), (True, in_list)):
        outcome = opened(payload, arn, listed=listed)
        if refused is None:
            assert content(outcome) == plain()
        else:
            assert reason(outcome) is refused


def test_neither_opens_what_another_key_wrapped(proxy: Proxy, arn: str, moto: int) -> None:
    other = str(client(moto, "kms").create_key()["KeyMetadata"]["Arn"])
    theirs = proxy(uri(other)).seal()
    assert reason(opened(theirs, arn, listed=True)) is Reason.FOREIGN_FORMAT
    ours = sealed(plain(), KmsSource(other).keys(NAMESPACE).sealing())
    assert proxy(uri(arn, {"namespace": NAMESPACE})).open(ours) == "unknown key"
