"""`sam local start-api` on Docker, with samconfig.toml as it stands: no AWS, no token."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.docker import LAMBDA, docker
from tests.rigs.processes import ROOT, free_port, listens, running
from tests.rigs.sam import make
from tests.vectors_read import payloads, vectors

ORIGIN = "https://cloud.temporal.io"
JSON = {"content-type": "application/json", "x-namespace": "default"}
ASKED = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-namespace",
}
HELLO = b'{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"ImhlbGxvIg=="}]}'

pytestmark = pytest.mark.real("Docker")


@pytest.fixture(scope="module")
def sam() -> Iterator[httpx.Client]:
    make("build")
    port = free_port()
    command: list[Any] = [
        *(ROOT / ".tools/sam/bin/sam", "local", "start-api", "--port", str(port)),
        *("--skip-pull-image", "--warm-containers", "LAZY"),
    ]
    with docker() as daemon:
        daemon.load("lambda-image.tar", LAMBDA)
        environment = {**os.environ, **daemon.environment, "SAM_CLI_TELEMETRY": "0"}
        with (
            running(command, lambda: listens(port), environment, seconds=180),
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False
            ) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def server() -> Iterator[CodecServer]:
    """The local server, with the settings that the template gives the functions there."""
    with codec_server({"CODEC_ORIGINS": ORIGIN, "CODEC_DEFAULT_NAMESPACE": ""}) as running:
        yield running


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str = "POST"
    path: str = "/decode"
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    body: bytes = b'{"payloads":[]}'


SAME = {
    "preflight": Asked("OPTIONS", headers={"origin": ORIGIN, **ASKED}, body=b""),
    "preflight of a stranger": Asked(
        "OPTIONS", headers={"origin": "https://evil.io", **ASKED}, body=b""
    ),
    "preflight below a prefix": Asked("OPTIONS", "/codec/encode", {"origin": ORIGIN}, b""),
    "preflight of the root": Asked("OPTIONS", "/", {"origin": ORIGIN}, b""),
    "decode": Asked(headers={**JSON, "origin": ORIGIN}, body=HELLO),
    "decode without an origin": Asked(),
    "decode below a prefix": Asked(path="/codec/orders/decode"),
    "encode of nothing": Asked(path="/encode", headers={**JSON, "origin": ORIGIN}),
    "encode below a prefix": Asked(path="/codec/encode"),
    "another origin": Asked(headers={**JSON, "origin": "https://evil.io"}),
    "another origin, encode": Asked(path="/encode", headers={**JSON, "origin": "https://evil.io"}),
    "no namespace": Asked(headers={"content-type": "application/json", "origin": ORIGIN}),
    "no JSON": Asked(headers={**JSON, "origin": ORIGIN}, body=b"["),
    "another type": Asked(headers={**JSON, "content-type": "text/plain", "origin": ORIGIN}),
    "another method": Asked("PUT", headers={**JSON, "origin": ORIGIN}),
    "no such operation": Asked(path="/nothing", headers={**JSON, "origin": ORIGIN}),
    "the root": Asked(path="/", headers={**JSON, "origin": ORIGIN}),
    "too large": Asked(headers={**JSON, "origin": ORIGIN}, body=b" " * 4_500_001),
}
# What Flask, below the SAM CLI, adds of itself; and each request's own.
ITS_OWN = {"server", "date", "connection", "content-length", "x-request-id"}


def told(reply: httpx.Response) -> tuple[int, dict[str, str], str]:
    headers = {name: value for name, value in reply.headers.items() if name not in ITS_OWN}
    if reply.status_code == 204:
        headers.pop("content-type", None)  # it gives one to what has no content
    return reply.status_code, headers, reply.text


@pytest.mark.parametrize("name", SAME)
def test_it_answers_as_the_local_server_does(
    name: str, sam: httpx.Client, server: CodecServer
) -> None:
    """Routes, refusals and CORS, header for header; the gateway adds and takes nothing."""
    asked = SAME[name]
    replies = [
        client.request(asked.method, asked.path, headers=asked.headers, content=asked.body)
        for client in (sam, server.client)
    ]
    assert told(replies[0]) == told(replies[1])


def test_what_the_samples_encrypt_is_decoded(sam: httpx.Client) -> None:
    """With the development ring, which samconfig.toml names for `sam local`."""
    (sample,) = [each for each in vectors() if each.name == "go-encryption-json-plain"]
    reply = sam.post("/decode", content=sample.body, headers=JSON)
    assert reply.headers["x-codec-undecoded"] == "0"
    assert payloads(reply.json()) == payloads(sample.expected)


def test_what_it_encodes_it_decodes(sam: httpx.Client) -> None:
    sealed = sam.post("/encode", content=HELLO, headers=JSON)
    assert b"aGVsbG8" not in sealed.content
    assert sam.post("/decode", content=sealed.content, headers=JSON).json() == json.loads(HELLO)
