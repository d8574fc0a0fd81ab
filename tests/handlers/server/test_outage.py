"""The running server while Secrets Manager is down: warm it goes on, cold it says so."""

import json
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from temporal_codec import Keyring
from tests.codec.rings import Content, key, plain, sealed
from tests.handlers.calls import ORIGIN
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.secrets_manager import Gate, client, environment


def body(*payloads: Content) -> bytes:
    """A request with these payloads."""
    encoded = [
        {
            "metadata": {name: b64encode(value).decode() for name, value in each.metadata.items()},
            "data": b64encode(each.data).decode(),
        }
        for each in payloads
    ]
    return json.dumps({"payloads": encoded}).encode()


OURS = body(sealed(plain(), key(1)))
DECODED = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImhlbGxvIg=="}]}


@pytest.fixture
def prefix(moto: int) -> str:
    prefix = f"temporal-codec/{uuid4()}"
    ring = Keyring([key(1)]).to_json().decode()
    client(moto).create_secret(Name=f"{prefix}/orders", SecretString=ring)
    return prefix


@pytest.fixture
def server(secrets: Gate, prefix: str) -> Iterator[CodecServer]:
    settings = {"CODEC_KEYRING": f"secretsmanager:{prefix}/{{namespace}}", **environment(secrets)}
    with codec_server(settings) as running:
        yield running


def decode(server: CodecServer, namespace: str = "orders", sent: bytes = OURS) -> Any:
    return server.post("/decode", sent, namespace=namespace, headers={"origin": ORIGIN})


def test_warm_it_goes_on(server: CodecServer, secrets: Gate) -> None:
    before = secrets.reads  # at its start the server looks for the default namespace's ring
    assert decode(server).json() == DECODED
    secrets.fault = "InternalServiceError"
    for _ in range(20):
        assert decode(server).json() == DECODED
    assert secrets.reads - before == 1


@pytest.mark.parametrize("fault", ["ThrottlingException", "reset", {"SecretString": "canary"}])
def test_cold_it_is_503_and_heals(
    server: CodecServer, secrets: Gate, prefix: str, fault: Any
) -> None:
    """K5: Retry-After, CORS, no detail; the log names the secret and the fault."""
    secrets.fault = fault
    for path in ("/decode", "/encode"):
        reply = server.post(path, OURS, namespace="orders", headers={"origin": ORIGIN})
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "30"
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        sentence = "The keys are not available at the moment. Try again later."
        assert reply.json()["detail"] == sentence
        assert prefix not in reply.text
    assert f"{prefix}/orders" in server.log()
    assert "canary" not in server.log()


def test_a_namespace_without_a_ring_is_no_5xx(server: CodecServer) -> None:
    """Decision 6: decode leaves its payloads, encode refuses."""
    reply = decode(server, "nobody")
    assert reply.status_code == 200
    assert reply.json() == json.loads(OURS)
    assert reply.headers["x-codec-undecoded"] == "1"
    assert server.post("/encode", OURS, namespace="nobody").status_code == 400


def test_another_namespaces_key_is_unknown(server: CodecServer, moto: int, prefix: str) -> None:
    """K1: the answer is that for an id which nobody has."""
    ring = Keyring([key(2)]).to_json().decode()
    client(moto).create_secret(Name=f"{prefix}/billing", SecretString=ring)
    foreign = decode(server, "billing")
    nobodys = decode(server, "billing", body(sealed(plain(), key(3))))
    assert foreign.status_code == nobodys.status_code == 200
    assert foreign.json() == json.loads(OURS)
    assert foreign.headers["x-codec-undecoded"] == nobodys.headers["x-codec-undecoded"] == "1"


def test_one_that_waits_for_keys_does_not_hold_the_others(
    server: CodecServer, secrets: Gate
) -> None:
    """A namespace whose secret hangs must not stop the namespaces that are warm."""
    decode(server)
    secrets.open.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(decode, server, "nobody")
        for _ in range(20):
            assert decode(server).json() == DECODED
        assert not waiting.done()
        secrets.open.set()
        assert waiting.result(20).status_code == 200
