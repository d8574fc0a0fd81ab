"""The built artifacts under Lambda's own runtime: what API Gateway would get, for each event."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.rigs import lambda_events, lambda_runtime
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.lambda_events import KINDS, Answer, Request
from tests.rigs.lambda_runtime import Function, lambda_function
from tests.rigs.processes import ROOT
from tests.rigs.references import BUCKET, PREFIX, body, encoded, reference, stored
from tests.rigs.s3 import s3_gate
from tests.vectors_read import Vector, payloads, vectors

HANDLERS = {
    "DecodeFunction": "handlers.decode.handler",
    "EncodeFunction": "handlers.encode.handler",
    "PreflightFunction": "handlers.preflight.handler",
}
EVENTS = sorted((Path(__file__).parents[1] / "events").glob("*.json"))
# A gateway or a server sets these itself, and an id is each request's own.
BY_NATURE = ("date", "content-length", "x-request-id")
# Powertools loads botocore's first few lines, to put its name into the user agent; what costs
# is the rest.
NEVER = ("botocore.session", "botocore.client", "boto3", "temporalio", "uvicorn")
NOT_IN_PREFLIGHT = (
    *("botocore", "jwt", "cryptography", "aws_lambda_powertools", "mangum", "msgspec"),
    *("temporal_codec", "pybase64", "cramjam", "google.protobuf", "logging", "asyncio"),
)

pytestmark = pytest.mark.real("Lambda's runtime")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A ring for each case, and for the golden events the one of the official samples."""
    rings = tmp_path_factory.mktemp("rings")
    for vector in vectors():
        (rings / f"{vector.name}.json").write_bytes(vector.ring)
    samples = next(each for each in vectors() if each.name == "own-duplicate-data")
    (rings / "default.json").write_bytes(samples.ring)
    return {
        "CODEC_AUTH": "none",
        "CODEC_KEYRING": f"file:{rings}/{{namespace}}.json",
        "POWERTOOLS_SERVICE_NAME": "codec-in-test",
    }


@pytest.fixture(scope="module")
def server(settings: dict[str, str]) -> Iterator[CodecServer]:
    with codec_server(settings) as running:
        yield running


@pytest.fixture(scope="module")
def functions(settings: dict[str, str]) -> Iterator[dict[str, Function]]:
    """The functions of the template, each a runtime of its own for all the tests."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(lambda_function(name, handler, settings))
            for name, handler in HANDLERS.items()
        }


def through(function: Function, kind: str, request: Request) -> Answer:
    """A request as an event of this kind; no answer of ours travels as base64."""
    returned = function.invoke(KINDS[kind](request))
    assert returned["isBase64Encoded"] is False
    return lambda_events.answer(returned)


def locally(server: CodecServer, request: Request) -> Answer:
    reply = server.client.request(
        request.method, request.path, content=request.body, headers=dict(request.headers)
    )
    return Answer(reply.status_code, dict(reply.headers), reply.text)


def comparable(answer: Answer) -> Answer:
    kept = {name: value for name, value in answer.headers.items() if name not in BY_NATURE}
    return answer._replace(headers=kept)


def request_of(vector: Vector, path: str) -> Request:
    headers = {"content-type": "application/json", "x-namespace": vector.name}
    return Request("POST", path, headers, vector.body)


DECODED = [each for each in vectors() if not each.encodes and not each.with_storage]
ENCODED = [each for each in vectors() if each.encodes]


@pytest.mark.parametrize("vector", DECODED, ids=[each.name for each in DECODED])
def test_every_kind_of_event_decodes_as_the_local_server_does(
    vector: Vector, functions: dict[str, Function], server: CodecServer
) -> None:
    """Byte for byte: one app, two homes."""
    request = request_of(vector, "/decode")
    expected = comparable(locally(server, request))
    assert expected.status in (200, 400)
    for kind in KINDS:
        assert comparable(through(functions["DecodeFunction"], kind, request)) == expected, kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vector", ENCODED, ids=[each.name for each in ENCODED])
def test_every_kind_of_event_encodes(
    vector: Vector, kind: str, functions: dict[str, Function]
) -> None:
    """What decoding the answer gives is what was sent."""
    request = request_of(vector, "/encode")
    encoded = through(functions["EncodeFunction"], kind, request)
    assert encoded.status == 200
    assert {each.metadata["encoding"] for each in payloads(json.loads(encoded.body)).payloads} == {
        b"binary/encrypted"
    }
    back = replace(request, path="/decode", body=encoded.body.encode())
    decoded = through(functions["DecodeFunction"], kind, back)
    assert payloads(json.loads(decoded.body)) == payloads(vector.expected)


@pytest.mark.parametrize("file", EVENTS, ids=[each.stem for each in EVENTS])
def test_golden_events(file: Path, functions: dict[str, Function]) -> None:
    """An event as a gateway sends it, and the very answer; a header of null must be absent."""
    golden = json.loads(file.read_text())
    returned = functions[golden["function"]].invoke(golden["event"])
    assert returned["isBase64Encoded"] is False
    answer = lambda_events.answer(returned)
    expect = golden["expect"]
    assert (answer.status, answer.body) == (expect["status"], expect["body"])
    assert {name: answer.headers.get(name) for name in expect["headers"]} == expect["headers"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/decode", "/download", "/", "/encode/decode"])
def test_the_encode_function_serves_encode_alone(path: str, functions: dict[str, Function]) -> None:
    request = Request("POST", path, {"content-type": "application/json"}, b'{"payloads":[]}')
    for kind in KINDS:
        assert through(functions["EncodeFunction"], kind, request).status == 404


@pytest.mark.parametrize("operation", ["decode", "download"])
def test_the_decode_function_resolves_references(
    operation: str, settings: dict[str, str], moto: int
) -> None:
    """With what the artifact has left of botocore, over HTTP; and S3 is asked for one object."""
    with s3_gate(moto) as gate:
        sha256 = gate.put(BUCKET, f"{PREFIX}lambda", stored(b'"large"'))
        storage = {"CODEC_STORAGE_BUCKETS": BUCKET, **gate.environment}
        headers = {"content-type": "application/json", "x-namespace": "default"}
        asked = body(reference(f"{PREFIX}lambda", sha256)).encode()
        request = Request("POST", f"/{operation}", headers, asked)
        handler = HANDLERS["DecodeFunction"]
        with lambda_function("DecodeFunction", handler, {**settings, **storage}) as function:
            answer = through(function, "http-api", request)
        assert answer.status == 200
        assert json.loads(answer.body)["payloads"][0]["data"] == encoded(b'"large"')
        assert gate.asked == [f"GET /{BUCKET}/{PREFIX}lambda"]


def test_the_encode_function_serves_nothing_where_encode_is_off(settings: dict[str, str]) -> None:
    """CODEC_OPERATIONS is for the whole stack."""
    request = Request("POST", "/encode", {"content-type": "application/json"}, b'{"payloads":[]}')
    off = {**settings, "CODEC_OPERATIONS": "decode"}
    with lambda_function("EncodeFunction", HANDLERS["EncodeFunction"], off) as function:
        assert through(function, "http-api", request).status == 404


@pytest.mark.parametrize("path", ["/decode", "/encode", "/", "/codec/orders/decode", "//decode"])
def test_a_preflight_is_answered_alike_in_every_home(
    path: str, functions: dict[str, Function], server: CodecServer
) -> None:
    """On any path, for an allowed origin, a foreign one and none."""
    asked = {"access-control-request-method": "POST"}
    for origin in ({"origin": "http://localhost:8233"}, {"origin": "https://evil.example"}, {}):
        request = Request("OPTIONS", path, {**asked, **origin})
        expected = comparable(locally(server, request))
        assert ("access-control-allow-origin" in expected.headers) == ("8233" in str(origin))
        for kind in KINDS:
            assert comparable(through(functions["PreflightFunction"], kind, request)) == expected


def test_the_log_is_json_and_holds_the_request(functions: dict[str, Function]) -> None:
    """The request id of the answer is the one in the log."""
    request = Request("POST", "/decode", {"content-type": "application/json"}, b"{}")
    answer = through(functions["DecodeFunction"], "http-api", request)
    lines = [
        json.loads(line)
        for line in functions["DecodeFunction"].log().splitlines()
        if line.startswith("{")
    ]
    ours = [each for each in lines if each.get("request_id") == answer.headers["x-request-id"]]
    assert [(each["event"], each["status"]) for each in ours] == [("codec.request", 200)]


def lines(function: Function) -> list[dict[str, Any]]:
    return [json.loads(line) for line in function.log().splitlines() if line.startswith("{")]


def test_every_invocation_leaves_a_record_and_metrics(functions: dict[str, Function]) -> None:
    """Rule A: as many records as requests, each of the schema; metrics under the stack's name."""
    schema = json.loads((ROOT / "docs" / "audit.schema.json").read_text())
    function = functions["DecodeFunction"]
    before = len(lines(function))
    good = Request("POST", "/decode", {"content-type": "application/json"}, b'{"payloads":[]}')
    for kind in KINDS:
        for request in (good, Request("GET", "/decode", {}), Request("POST", "/x", {})):
            through(function, kind, request)
    function.invoke({"no": "event"})
    through(function, "http-api", Request("OPTIONS", "/decode", {}))
    new = lines(function)[before:]
    records = [each for each in new if each.get("event") == "codec.request"]
    assert len(records) == 3 * len(KINDS) + 1
    for each in records:
        jsonschema.validate(each, schema)
        assert each["version"] == "$LATEST"
    counted = [each for each in new if "_aws" in each and "Requests" in each]
    assert sum(sum(each["Requests"]) for each in counted) == len(records)
    assert {each["service"] for each in counted} == {"codec-in-test"}


@pytest.mark.parametrize("name", ["DecodeFunction", "EncodeFunction"])
@pytest.mark.parametrize(
    "unsafe",
    [
        {"CODEC_AUTH": "none", "CODEC_KEYRING": "file:/rings/{namespace}.json"},
        {"CODEC_KEYRING": "file:/rings/{namespace}.json"},
        {"CODEC_KEYRING": "development"},
        {"CODEC_AUTH": "jwt", "CODEC_KEYRING": "development"},
        {},
    ],
    ids=["no-token", "auth-unset", "development-ring", "development-ring-with-token", "unset"],
)
def test_an_open_decoder_does_not_start(name: str, unsafe: dict[str, str]) -> None:
    """Only the SAM CLI on a laptop may run without a token or with keys that everybody has."""
    request = Request("POST", "/decode", {"content-type": "application/json"}, b'{"payloads":[]}')
    with lambda_function(name, HANDLERS[name], unsafe, sam_local=False) as function:
        failed = function.invoke(KINDS["http-api"](request))
        assert failed["errorType"] == "SettingsError"
        assert "statusCode" not in failed
        assert "INIT RTDONE(status: error)" in function.log()


def loaded(name: str) -> set[str]:
    """The modules after a function's entry is imported in its artifact, where it sees no other."""
    module = HANDLERS[name].rpartition(".")[0]
    told = subprocess.run(
        [*lambda_runtime.interpreter(), "-c", f"import sys, {module}; print(*sys.modules)"],
        cwd=lambda_runtime.artifact(name),
        env=lambda_runtime.bare_environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("DecodeFunction", NEVER),
        ("EncodeFunction", NEVER),
        ("PreflightFunction", (*NEVER, *NOT_IN_PREFLIGHT)),
    ],
)
def test_an_entry_loads_no_more_than_it_needs(name: str, never: tuple[str, ...]) -> None:
    """Each of these costs a cold start dearly."""
    assert not loaded(name) & set(never)


def test_the_probe_sees_what_is_loaded() -> None:
    """Or the test above would say nothing."""
    assert {"msgspec", "mangum", "temporal_codec"} <= loaded("DecodeFunction")
