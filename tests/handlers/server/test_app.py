"""The app: which request gets which answer, and in which order it is checked."""

import asyncio
import base64
import io
import json
import logging
import zlib
from itertools import count
from types import SimpleNamespace

import pytest

from handlers.access.guard import make_guard
from handlers.server.app import build_app
from handlers.server.audit import Record, lines_to
from handlers.server.operations import MAX_DATA_BYTES
from handlers.server.request import Message
from handlers.settings.server import server_settings
from temporal_codec import Key, Keyring, KeyringNotFound, KeyringUnavailable
from temporal_codec.keys.key import fingerprint
from temporal_codec.keys.keys import Keys
from temporal_codec.keys.sources import open_source
from temporal_codec.protobuf import serialize
from tests.codec.rings import key, plain, sealed, source_of
from tests.handlers.calls import JSON_HEADERS, ORIGIN, Reply, app, call

SENTENCES = {
    403: (
        "Forbidden",
        "Pages of this origin may not call this server. CODEC_ORIGINS lists those that may.",
    ),
    404: (
        "Not Found",
        "There is no such operation: the URL must end in /decode, /encode or /download.",
    ),
    405: ("Method Not Allowed", "Only POST is allowed."),
    413: ("Content Too Large", "The request, or its response, is too large."),
    415: (
        "Unsupported Media Type",
        "The body must be JSON in UTF-8, with Content-Type: application/json.",
    ),
    503: ("Service Unavailable", "The keys are not available at the moment. Try again later."),
}


def as_json(serialized: bytes, by: Key) -> dict[str, object]:
    payload = sealed(serialized, by)
    encoded = {k: base64.b64encode(v).decode() for k, v in payload.metadata.items()}
    return {"metadata": encoded, "data": base64.b64encode(payload.data).decode()}


def request(*payloads: object) -> bytes:
    return json.dumps({"payloads": payloads}).encode()


def check_problem(reply: Reply, status: int, detail: str | None = None) -> None:
    """RFC 9457 with a fixed sentence."""
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == status
    assert problem["detail"] == (detail or SENTENCES[status][1])
    assert problem["title"] == SENTENCES.get(status, ("Bad Request",))[0]
    assert set(problem) == {"type", "title", "status", "detail"}


@pytest.mark.parametrize(
    "path",
    [
        "/decode",
        "//decode",
        "/codec/decode",
        "/default/decode",
        "/a/b/c/decode",
        "/decode/",
        "decode",
    ],
)
def test_the_last_path_element_names_the_operation(path: str) -> None:
    assert call(app(), path).status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/x", "/decode/x", "/Decode", "/decode.json", "/download"),
        *("/xdecode", "/decodeX", "/decode/X", "/decode;x"),
    ],
)
def test_other_paths_are_404(path: str) -> None:
    """404 for /download: the Web UI has a text of its own for that."""
    check_problem(call(app(), path), 404)


def test_an_operation_that_is_off_is_404() -> None:
    assert call(app(operations="decode"), "/encode").status == 404
    assert call(app(operations="encode"), "/decode").status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "post", "X"])
def test_other_methods_are_405(method: str) -> None:
    reply = call(app(), method=method)
    check_problem(reply, 405)
    assert reply.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
def test_json_is_taken(content_type: str) -> None:
    assert call(app(), headers={**JSON_HEADERS, "content-type": content_type}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/jsonx"},
        {"content-type": "application/problem+json"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json, application/json"},
        {"content-encoding": "gzip"},
    ],
    ids=str,
)
def test_other_types_are_415_before_the_body_is_read(headers: dict[str, str]) -> None:
    check_problem(call(app(), body=b"not JSON", headers={**JSON_HEADERS, **headers}), 415)


def test_without_a_type_it_is_415() -> None:
    check_problem(call(app(), headers={}), 415)


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "v1:a-0", "{namespace}", "ä", "x" * 1000])
def test_any_name_that_a_service_registers_is_served(name: str) -> None:
    assert call(app(), headers={**JSON_HEADERS, "x-namespace": name}).status == 200


@pytest.mark.parametrize("value", ["naïve", "naïve".encode().decode("latin-1")])
def test_a_name_comes_in_latin_1_from_a_browser_and_in_utf_8_from_the_cli(value: str) -> None:
    """Both mean the same namespace."""
    lines = io.StringIO()
    call(app(write=lines_to(lines)), headers={**JSON_HEADERS, "x-namespace": value})
    assert json.loads(lines.getvalue())["namespace"] == "na\\xefve"


@pytest.mark.parametrize("value", ["default ", " default\t", " ", ""])
def test_blanks_around_a_header_are_no_part_of_it(value: str) -> None:
    """RFC 9110; not every server removes them."""
    lines = io.StringIO()
    call(app(write=lines_to(lines)), headers={**JSON_HEADERS, "x-namespace": value})
    assert json.loads(lines.getvalue())["namespace"] == "default"


HALF = "\ud83d".encode("utf-8", "surrogatepass").decode("latin-1")


@pytest.mark.parametrize("name", ["a\x00", "a\x1b[2J", "\x85", "x" * 1001, HALF], ids=ascii)
def test_a_name_that_is_no_namespace_is_400(name: str) -> None:
    reply = call(app(), headers={**JSON_HEADERS, "x-namespace": name})
    check_problem(reply, 400, "The header X-Namespace is not a valid namespace.")


def test_the_default_namespace_stands_in() -> None:
    """Decision 9."""
    headers = {"content-type": "application/json"}
    assert call(app(), headers=headers).status == 200
    missing = call(app(default_namespace=""), headers=headers)
    check_problem(missing, 400, "The header X-Namespace is missing.")


def test_a_cookie_needs_an_allowed_page_where_cookies_count_and_nowhere_else() -> None:
    """CSRF: browsers send cookies by themselves; the CLI sends a token and no Origin."""
    cookie = {**JSON_HEADERS, "cookie": "token=x"}
    page = {**cookie, "origin": ORIGIN}
    simple = {**page, "content-type": "text/plain"}
    for credentials, statuses in (("true", (200, 403, 200, 403)), ("false", (200, 200, 200, 415))):
        server = app(credentials=credentials)
        asked = [call(server, headers=sent).status for sent in (JSON_HEADERS, cookie, page, simple)]
        assert tuple(asked) == statuses


def test_two_namespaces_are_none() -> None:
    headers = [*JSON_HEADERS.items(), ("x-namespace", "other")]
    assert call(app(), headers=headers).status == 400


ORDER = [
    ("path", 404),
    ("method", 405),
    ("origin", 403),
    ("length", 413),
    ("type", 415),
    ("namespace", 400),
    ("body", 400),
]


@pytest.mark.parametrize("at", range(len(ORDER)))
def test_checks_come_in_their_order(at: int) -> None:
    """Decision 8: with everything wrong from one check on, that check answers."""
    wrong = {name for name, _ in ORDER[at:]}
    headers = {
        "origin": "https://evil.io" if "origin" in wrong else ORIGIN,
        "content-length": "4500001" if "length" in wrong else "2",
        "content-type": "text/plain" if "type" in wrong else "application/json",
        "x-namespace": "a\x07" if "namespace" in wrong else "default",
    }
    reply = call(
        app(),
        "/x" if "path" in wrong else "/decode",
        b"not JSON",
        method="GET" if "method" in wrong else "POST",
        headers=headers,
    )
    assert reply.status == ORDER[at][1]
    named = reply.json()["detail"] == "The header X-Namespace is not a valid namespace."
    assert named is (ORDER[at][0] == "namespace")


def padded(size: int) -> bytes:
    return b'{"payloads":[]}'.ljust(size)


def test_the_body_s_limit_is_exact() -> None:
    """L1: 4.5 MB and not a byte more, declared or not, whole or in pieces."""
    assert call(app(), body=padded(4_500_000)).status == 200
    check_problem(call(app(), body=padded(4_500_001)), 413)
    declared = {**JSON_HEADERS, "content-length": "4500001"}
    check_problem(call(app(), body=b"{}", headers=declared), 413)
    declared["content-length"] = "4500000"
    assert call(app(), body=padded(4_500_000), headers=declared).status == 200
    assert call(app(), body=[padded(4_000_000), b" " * 500_000]).status == 200
    check_problem(call(app(), body=[padded(4_000_000), b" " * 500_001]), 413)


@pytest.mark.parametrize("length", ["-1", "x", "1, 1", "٣", "9" * 5000])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    headers = {**JSON_HEADERS, "content-length": length} if length.isascii() else JSON_HEADERS
    status = call(app(), headers=headers).status
    assert status == (200 if headers is JSON_HEADERS else 413 if length[0] == "9" else 400)


def test_a_request_has_a_thousand_payloads_at_most() -> None:
    assert len(call(app(), body=request(*[{}] * 1000)).json()["payloads"]) == 1000
    many = call(app(), body=request(*[{}] * 1001))
    check_problem(many, 413, "A request has at most 1000 payloads.")


def test_an_answer_that_would_be_too_large_is_413() -> None:
    """D1: 5.5 MB per response, found before its parts are joined."""
    inner = plain(bytes(3_000_000))
    wrapped = {
        "metadata": {"encoding": base64.b64encode(b"binary/zlib").decode()},
        "data": base64.b64encode(zlib.compress(inner)).decode(),
    }
    assert call(app(), body=request(wrapped)).status == 200
    check_problem(call(app(), body=request(wrapped, wrapped)), 413)


def inflating(name: int) -> bytes:
    """A request whose response is just below 5.5 MB, and grows with the length of this name."""

    def inner(name: int) -> dict[str, object]:
        serialized = serialize({"encoding": b"json/plain", "x" * name: b""}, bytes(2_062_350))
        encoding = base64.b64encode(b"binary/zlib").decode()
        data = base64.b64encode(zlib.compress(serialized)).decode()
        return {"metadata": {"encoding": encoding}, "data": data}

    return request(inner(name), inner(1))


def test_the_answer_s_limit_is_exact() -> None:
    """D1: 5.5 MB and not a byte more, which data of three quarters of it fill."""
    rest = 5_500_000 - len(call(app(), body=inflating(1)).body)
    largest = call(app(), body=inflating(1 + rest))
    assert (largest.status, len(largest.body)) == (200, 5_500_000)
    check_problem(call(app(), body=inflating(2 + rest)), 413)
    assert MAX_DATA_BYTES * 4 // 3 == 5_500_000


def test_the_limit_with_escapes_is_exact() -> None:
    """L1: 6 MB as a JSON string in Lambda's answer."""

    def quoted(name: str) -> Reply:
        return call(app(), body=json.dumps({"payloads": [{"metadata": {name: ""}}]}).encode())

    name = '"' * 1_490_000 + "\\" * 9_000
    rest = 6_000_000 - (len(json.dumps(quoted(name).body.decode())) - 2)
    largest = quoted(name + "x" * rest)
    assert (largest.status, len(json.dumps(largest.body.decode())) - 2) == (200, 6_000_000)
    check_problem(quoted(name + "x" * (rest + 1)), 413)


def test_escapes_count_into_the_answer_s_size() -> None:
    """L1: in Lambda's answer each quote of the body takes two bytes."""
    body = json.dumps({"payloads": [{"metadata": {'"' * 2_000_000: ""}}]}).encode()
    assert len(body) < 4_500_000
    assert len(json.dumps(body.decode())) > 6_000_000
    check_problem(call(app(), body=body), 413)


def test_a_body_that_is_refused_says_where() -> None:
    check_problem(
        call(app(), body=b'{"payloads":[{},{"data":"!"}]}'),
        400,
        "payloads[1].data is not valid base64.",
    )


def test_bad_payloads_are_left_counted_and_recorded() -> None:
    """Decision 6: 200, the rest decoded, the count in the header, the reasons in the record."""
    records: list[Record] = []
    source = source_of(Keyring([key(1)]))
    unknown, good = as_json(plain(), key(2)), as_json(plain(), key(1))
    broken = {**good, "data": good["data"][:-4]}  # type: ignore[index]
    reply = call(app(source, records.append), body=request(unknown, good, broken, {}))
    decoded = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImhlbGxvIg=="}
    assert reply.json()["payloads"] == [unknown, decoded, broken, {}]
    assert reply.headers["x-codec-undecoded"] == "2"
    (record,) = records
    assert record.undecoded == {"unknown-key": 1, "authentication": 1}
    assert record.request_id == reply.headers["x-request-id"]


def test_a_strict_server_refuses_bad_payloads() -> None:
    source = source_of(Keyring([key(1)]))
    strict = app(source, strict="true")
    check_problem(
        call(strict, body=request(as_json(plain(), key(2)))),
        400,
        "A payload cannot be decoded, and the server is in strict mode.",
    )
    assert call(strict, body=request(as_json(plain(), key(1)), {})).status == 200


def test_encodes_what_it_decodes() -> None:
    body = request({"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}, {})
    for server in (app(), app(compression="zlib")):
        encoded = call(server, "/encode", body)
        assert (encoded.status, encoded.headers["content-type"]) == (200, "application/json")
        assert b"anNvbi9wbGFpbg" not in encoded.body
        assert call(server, "/decode", encoded.body).json() == json.loads(body)


def test_compressing_ends_with_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each payload takes milliseconds: the time is looked at before each, a second apart here."""
    ticks = count()
    passing = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr("handlers.server.request.time", passing)
    body = request(*[{"data": "MQ=="}] * 1000)
    late = call(app(compression="zlib"), "/encode", body)
    check_problem(late, 503, "The request took too long. Try again later.")
    assert call(app(), "/encode", body).status == 200


def test_encode_keeps_external_sizes_outside() -> None:
    """Wrapping a payload copies its field 3 to the outer one."""
    payload = {"data": "MQ==", "externalPayloads": [{"sizeBytes": "5"}]}
    reply = call(app(), "/encode", request(payload)).json()
    assert reply["payloads"][0]["externalPayloads"] == payload["externalPayloads"]
    assert call(app(), "/decode", json.dumps(reply).encode()).json() == {"payloads": [payload]}


class Fails:
    """A source whose every answer is the same error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def warm(self) -> None:
        """Fails when it is asked for keys, no sooner."""

    def keys(self, _namespace: str) -> Keys:
        error = self._error

        class _Keys:
            def opening(self, _key_id: bytes) -> Key:
                raise error

            def sealing(self) -> Key:
                raise error

            @property
            def is_stale(self) -> bool:
                return False

        return _Keys()


@pytest.mark.parametrize("path", ["/decode", "/encode"])
def test_keys_that_cannot_be_had_are_503(path: str) -> None:
    reply = call(app(Fails(KeyringUnavailable("down"))), path, request(as_json(plain(), key())))
    check_problem(reply, 503)
    assert reply.headers["retry-after"] == "30"


def test_an_outage_does_not_concern_requests_without_our_payloads() -> None:
    """Decision 5: the ring is asked for only when a payload needs it."""
    down = app(Fails(KeyringUnavailable("down")))
    assert call(down, body=request({"data": "MQ=="})).status == 200
    assert call(down, "/encode", request()).status == 200


def test_encode_without_a_ring_is_400() -> None:
    """Decision 6: nothing for a later try to heal soon, so no 5xx."""
    reply = call(app(Fails(KeyringNotFound("none"))), "/encode", request({}))
    check_problem(reply, 400, "There is no key ring for this namespace.")


def test_a_bug_is_a_500_with_cors_and_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    reply = call(
        app(Fails(ZeroDivisionError("canary"))),
        body=request(as_json(plain(), key())),
        headers={**JSON_HEADERS, "origin": ORIGIN},
    )
    assert reply.status == 500
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert "canary" not in caplog.text + str(vars(caplog.records[-1])) + reply.body.decode()
    places = vars(caplog.records[-1])["cause"].removeprefix("ZeroDivisionError: ").split(" < ")
    assert places[0].startswith("opening:")
    assert places[-1].startswith("_answered:")


@pytest.mark.parametrize(("auth", "guarded"), [("none", True), ("jwt", False)])
def test_a_guard_belongs_to_settings_that_require_tokens(auth: str, guarded: bool) -> None:
    """Neither a server that checks nothing by mistake, nor one that asks for what it ignores."""
    settings = server_settings({"CODEC_AUTH": auth})
    guard = make_guard(server_settings({"CODEC_AUTH": "jwt"}).access) if guarded else None
    with pytest.raises(ValueError, match="exactly if the settings require tokens"):
        build_app(settings, open_source("development"), guard)


def test_a_failure_has_one_line_with_the_request_and_the_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The request id leads from the response to it; a refusal leaves none."""
    faults = {"keys-unavailable": KeyringUnavailable("down"), "fault": ZeroDivisionError()}
    replies = {
        reason: call(app(Fails(fault)), body=request(as_json(plain(), key())))
        for reason, fault in faults.items()
    }
    assert call(app(), "/x").status == 404
    lines = [vars(each) for each in caplog.records]
    assert {(line["name"], line["levelname"], line["msg"]) for line in lines} == {
        ("codec-server", "ERROR", "request failed")
    }
    assert [(line["reason"], line["request_id"]) for line in lines] == [
        (reason, reply.headers["x-request-id"]) for reason, reply in replies.items()
    ]
    assert lines[0]["cause"] == "down"


@pytest.mark.parametrize("protocol", ["lifespan", "websocket"])
def test_a_protocol_other_than_http_is_refused(protocol: str) -> None:
    """Servers that ask for a lifespan go on without one; nothing is read, sent or recorded."""

    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        raise AssertionError

    async def connect() -> None:
        await app(write=records.append)({"type": protocol}, receive, send)

    records: list[Record] = []
    with pytest.raises(ValueError, match=f"not {protocol}"):
        asyncio.run(connect())
    assert records == []


def test_a_client_that_goes_away_gets_nothing() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        call(app(), body=[])


def test_no_log_line_shows_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    """K8: payloads, key ids that nobody knows, and the Java sample's id, which is its key."""
    caplog.set_level(logging.DEBUG)
    java = "test-key-test-key-test-key-test!"
    hostile = {
        "metadata": {
            "encoding": base64.b64encode(b"binary/encrypted").decode(),
            "encryption-key-id": base64.b64encode(b"canary\r\nid").decode(),
        },
        "data": base64.b64encode(b"canary" * 10).decode(),
    }
    lines = io.StringIO()
    for body in (request(hostile), b'{"canary":1}', b'{"payloads":[{"canary":1}]}', b"canary"):
        reply = call(app(write=lines_to(lines)), body=body)
        assert b"canary" not in reply.body
    assert lines.getvalue().count("codec.request") == 4
    logged = (
        lines.getvalue() + caplog.text + "".join(str(vars(record)) for record in caplog.records)
    )
    assert "canary" not in logged
    assert java not in logged
    assert fingerprint(b"x").startswith("sha256:")
