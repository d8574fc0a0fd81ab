"""Rule A: one record for each request, whatever became of it, and no answer without one."""

import io
import json
import re
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import msgspec
import pytest

from handlers.access.authorizer import Decision, PolicyUnavailable, Reason
from handlers.access.guard import Guard
from handlers.access.jws import TokenRefused
from handlers.access.policy import PolicyAuthorizer
from handlers.access.token import JwksUnavailable, TrustUnavailable, Verified
from handlers.server.app import build_app
from handlers.server.asgi import App
from handlers.server.audit import Record, bounded_labels, discard, lines_to
from handlers.server.metrics import with_metrics
from handlers.server.problem import REASONS
from handlers.settings.environ import SettingsError
from handlers.settings.server import server_settings
from temporal_codec import Key, Keyring, KeyringNotFound, KeyringUnavailable
from temporal_codec.keys.key import fingerprint
from temporal_codec.keys.keys import Keys, RingKeys
from temporal_codec.keys.sources import KeySource, RingSource
from temporal_codec.namespace import check_namespace
from temporal_codec.policy import Identity
from temporal_codec.protobuf import serialize
from tests.codec.rings import JSON, Content, key, plain, sealed, source_of
from tests.handlers.calls import JSON_HEADERS, Reply, call
from tests.handlers.server.test_outage import body
from tests.rigs.processes import ROOT
from tests.rigs.references import reference
from tests.rigs.secrets_manager import CREDENTIALS

SCHEMA = json.loads((ROOT / "docs" / "audit.schema.json").read_text())
ANA = Identity(
    *("auth0|123", "ana@example.com", "https://issuer/", "key-1", "jti-1"),
    token_from="authorization",
)
OURS = body(sealed(plain(), key(1)))
HELLO = b"hello"


@dataclass
class Gatekeeper:
    """A verifier and an authorizer that say what a test wants."""

    fault: Exception | None = None
    stale: bool = False
    denies: bool = False
    reason: Reason = "denied"

    async def verify(self, *_: object) -> Verified:
        if isinstance(self.fault, TokenRefused | JwksUnavailable | TrustUnavailable):
            raise self.fault
        return Verified(ANA, self.stale)

    async def decide(self, *_: object) -> Decision:
        if self.fault is not None:
            raise self.fault
        return Decision(
            None if self.denies else "grants[0]",
            self.stale,
            reason=self.reason,
        )


@dataclass
class Source:
    """A source whose ring is cached, or whose every answer is a fault."""

    fault: Exception | None = None
    is_stale: bool = False

    def keys(self, namespace: str) -> Keys:
        check_namespace(namespace)
        return self

    def warm(self) -> None:
        """Nothing is fetched."""

    def opening(self, key_id: bytes) -> Key:
        return self._ring().opening(key_id)

    def sealing(self) -> Key:
        return self._ring().sealing()

    def _ring(self) -> RingKeys:
        if self.fault is not None:
            raise self.fault
        return RingKeys(Keyring([key(1)]))


class Context:
    """Lambda's, of a function that has 700 ms left."""

    aws_request_id = "8f5a-lambda"
    function_version = "7"

    def get_remaining_time_in_millis(self) -> int:
        return 700


@dataclass
class Server:
    """The app with tokens, whose records are lines of text."""

    gatekeeper: Gatekeeper = field(default_factory=Gatekeeper)
    source: KeySource = field(default_factory=Source)
    lines: io.StringIO = field(default_factory=io.StringIO)

    def app(self, **settings: str) -> App:
        environ = {f"CODEC_{name.upper()}": value for name, value in settings.items()}
        guard = Guard(self.gatekeeper, self.gatekeeper)  # type: ignore[arg-type]
        settled = server_settings({"CODEC_AUTH": "jwt", **environ})
        write = lines_to(self.lines)
        return build_app(settled, self.source, guard, write)

    def records(self) -> list[dict[str, Any]]:
        """All, each found to be one line that keeps to the schema."""
        found = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        for each in found:
            jsonschema.validate(each, SCHEMA)
        return found

    def record(self) -> dict[str, Any]:
        (only,) = self.records()
        return only


@pytest.fixture
def server() -> Server:
    return Server()


def test_the_published_schema_is_that_of_the_records() -> None:
    assert msgspec.json.schema(Record) == SCHEMA


def test_a_decode_tells_who_read_how_much_of_what_and_why(server: Server) -> None:
    headers = {
        **JSON_HEADERS,
        "origin": "http://localhost:8233",
        "user-agent": "Mozilla/5.0",
    }
    reply = call(server.app(), body=OURS, headers=headers, context=Context())
    record = server.record()
    came = datetime.fromisoformat(record.pop("time"))
    assert came.utcoffset() == timedelta(0)
    assert timedelta(0) <= datetime.now(UTC) - came < timedelta(minutes=1)
    assert record.pop("duration_ms") > 0
    assert record == {
        "event": "codec.request",
        "schema": 1,
        "request_id": "8f5a-lambda",
        "version": "7",
        "outcome": "answered",
        "status": 200,
        "operation": "decode",
        "namespace": "default",
        "subject": "auth0|123",
        "email": "ana@example.com",
        "issuer": "https://issuer/",
        "kid": "key-1",
        "token": "jti-1",
        "token_from": "authorization",
        "rule": "grants[0]",
        "origin": "http://localhost:8233",
        "source": "203.0.113.7",
        "user_agent": "Mozilla/5.0",
        "payloads": 1,
        "keys": {key(1).id: 1},
        "bytes_in": len(OURS),
        "bytes_out": len(reply.body),
    }


def test_keys_are_counted_by_the_payloads_that_they_opened_and_sealed() -> None:
    """An inner layer's key counts as well: nobody may retire it as unused."""
    server = Server(source=source_of(Keyring([key(1), key(2)])))
    inner = sealed(plain(), key(2))
    twice = sealed(serialize(inner.metadata, inner.data), key(1))
    payloads = [sealed(plain(), key(1)), sealed(plain(), key(1)), twice]
    call(server.app(), body=body(*payloads, sealed(plain(), key(3))))
    assert server.record()["keys"] == {key(1).id: 3, key(2).id: 1}
    assert server.record()["undecoded"] == {"unknown-key": 1}


def test_encoding_counts_the_key_that_sealed(server: Server) -> None:
    call(server.app(), "/encode", b'{"payloads":[{},{}]}')
    assert server.record()["keys"] == {key(1).id: 2}


def test_a_key_id_that_is_its_key_is_told_by_its_hash() -> None:
    """K8: the Java sample's."""
    java = Key("k" * 32, b"k" * 32, key(1).activation_date)
    server = Server(source=source_of(Keyring([java])))
    call(server.app(), body=body(sealed(plain(), java)))
    assert server.record()["keys"] == {fingerprint(java.secret): 1}
    assert java.id not in server.lines.getvalue()


def test_what_is_stale_is_told(server: Server) -> None:
    server.gatekeeper.stale = True
    server.source = Source(is_stale=True)
    call(server.app(), body=OURS)
    assert server.record()["stale"] == ["jwks", "policy", "keys"]


def test_who_is_passed_through_has_read_nothing(server: Server) -> None:
    server.gatekeeper.denies = True
    assert call(server.app(on_deny="passthrough"), body=OURS).status == 200
    record = server.record()
    assert (record["outcome"], record["reason"]) == ("passed-through", "denied")
    assert "rule" not in record
    assert "keys" not in record


def test_strangers_texts_are_bounded_and_stay_on_one_line(server: Server) -> None:
    headers = {**JSON_HEADERS, "user-agent": "a\r\n\x1b[2J\xe9" + "x" * 5000, "origin": "y" * 5000}
    call(server.app(), headers=headers)
    record = server.record()
    assert record["user_agent"] == ("a\\r\\n\\x1b[2J\\xe9" + "x" * 5000)[:256]
    assert record["origin"] == "y" * 256


def inflating(size: int) -> Content:
    """A small payload that is this large when it is decoded."""
    return Content({"encoding": b"binary/zlib"}, zlib.compress(serialize(JSON, b"1" * size)))


def hanging() -> RingSource:
    """A source that takes longer than the 200 ms which the function gives it."""

    def load(_namespace: str) -> Keyring:
        time.sleep(1)
        return Keyring([key(1)])

    return RingSource("file:ring", load)


def referring(bucket: str = "payloads", size: int = 1) -> bytes:
    """A body with one reference to a payload in S3."""
    key = f"v0/ns/default/{'a' * 64}"
    payload = reference(key, "a" * 64, bucket=bucket, size=size)
    return json.dumps({"payloads": [payload]}).encode()


OF_STORAGE = ("storage-unavailable", "not-a-reference", "undownloadable", "objects-too-large")
NO_S3 = {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
ASK = dict[str, Any]
PROVOKED: dict[str, tuple[Server, ASK]] = {
    "operation": (Server(), {"path": "/canary"}),
    "method": (Server(), {"method": "GET"}),
    "origin": (Server(), {"headers": {**JSON_HEADERS, "origin": "https://evil.io"}}),
    "content-length": (Server(), {"headers": {**JSON_HEADERS, "content-length": "x"}}),
    "body-too-large": (Server(), {"body": b" " * 4_500_001}),
    "content-type": (Server(), {"headers": {}}),
    "no-namespace": (Server(), {"headers": {"content-type": "application/json"}}),
    "namespace": (Server(), {"headers": {**JSON_HEADERS, "x-namespace": "a\x07"}}),
    "token": (Server(Gatekeeper(TokenRefused("expired"))), {}),
    "jwks-unavailable": (Server(Gatekeeper(JwksUnavailable("status 500"))), {}),
    "trust-unavailable": (Server(Gatekeeper(TrustUnavailable("file:trust.json"))), {}),
    "no-reason": (Server(Gatekeeper(denies=True, reason="no-reason")), {}),
    "no-email": (Server(Gatekeeper(denies=True, reason="no-email")), {}),
    "policy-unavailable": (Server(Gatekeeper(PolicyUnavailable("AccessDenied"))), {}),
    "denied": (Server(Gatekeeper(denies=True)), {}),
    "body-too-slow": (Server(), {"body": b"slow"}),
    "busy": (Server(), {"body": b" " * 65_537}),
    "body": (Server(), {"body": b"[]"}),
    "payloads": (Server(), {"body": b'{"payloads":[%s{}]}' % (b"{}," * 1000)}),
    "keyring": (Server(source=Source(KeyringNotFound("none"))), {"path": "/encode"}),
    "keys-unavailable": (Server(source=Source(KeyringUnavailable("down"))), {}),
    "undecodable": (Server(), {"body": body(sealed(plain(), key(2)))}),
    "storage-unavailable": (Server(), {"body": referring()}),
    "not-a-reference": (Server(), {"path": "/download"}),
    "undownloadable": (Server(), {"path": "/download", "body": referring(bucket="canary")}),
    "objects-too-large": (Server(), {"path": "/download", "body": referring(size=5 * 10**9)}),
    "answer-too-large": (Server(), {"body": body(inflating(3_000_000), inflating(1_500_000))}),
    "time": (Server(source=hanging()), {"context": Context()}),
    "fault": (Server(source=Source(ZeroDivisionError("canary"))), {}),
    "disconnected": (Server(), {"body": []}),
}
SETTINGS: dict[str, dict[str, str]] = {
    "no-namespace": {"default_namespace": ""},
    "undecodable": {"strict": "true"},
    **{each: {"storage_buckets": "payloads"} for each in OF_STORAGE},
}


def ask(reason: str, server: Server, asked: ASK, monkeypatch: pytest.MonkeyPatch) -> Reply | None:
    """Provoke a refusal for this reason."""
    asked = {"body": OURS, **asked}
    if reason == "body-too-slow":
        monkeypatch.setattr("handlers.server.request.BODY_SECONDS", -1)
    if reason == "busy":
        monkeypatch.setattr("handlers.server.request.MAX_HELD_BYTES", 65_536)
    for name, value in (NO_S3 if reason in OF_STORAGE else {}).items():
        monkeypatch.setenv(name, value)
    if asked["body"] == []:
        with pytest.raises(ValueError, match="not enough values"):
            call(server.app(), **asked)
        return None
    return call(server.app(**SETTINGS.get(reason, {})), **asked)


def test_every_reason_is_provoked_here() -> None:
    """`event` is the gateway's and `audit` leaves no record: both have tests of their own."""
    assert {*PROVOKED, "event", "audit"} == {*REASONS, "disconnected"}


@pytest.mark.parametrize("reason", PROVOKED)
def test_whatever_becomes_of_a_request_it_leaves_one_record(
    reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, asked = PROVOKED[reason]
    server.lines = io.StringIO()
    reply = ask(reason, server, asked, monkeypatch)
    record = server.record()
    status = 499 if reply is None else reply.status
    assert record["reason"] == reason
    assert record["status"] == status
    assert record["outcome"] == ("refused" if status < 499 else "failed")
    if reply is None:
        assert record["bytes_out"] == 0
    else:
        assert status == REASONS[reason][0]
        assert record["request_id"] == reply.headers["x-request-id"]
        assert record["bytes_out"] == len(reply.body)
        assert HELLO not in reply.body
    assert "canary" not in server.lines.getvalue()


def test_a_fault_of_the_token_is_told_to_the_record_alone(server: Server) -> None:
    server.gatekeeper.fault = TokenRefused("expired")
    reply = call(server.app(), body=OURS)
    assert server.record()["detail"] == "expired"
    assert b"expired" not in reply.body


def test_a_preflight_leaves_none(server: Server) -> None:
    assert call(server.app(), method="OPTIONS").status == 204
    assert server.records() == []


@pytest.mark.parametrize("path", ["/decode", "/encode", "/nothing"])
def test_what_cannot_be_recorded_is_not_answered(path: str) -> None:
    """No plaintext leaves; the sentence says why."""

    def full(_record: Record) -> None:
        raise OSError(28, "No space left on device")

    guard = Guard(Gatekeeper(), Gatekeeper())  # type: ignore[arg-type]
    app = build_app(server_settings({"CODEC_AUTH": "jwt"}), Source(), guard, write=full)
    reply = call(app, path, OURS)
    assert reply.status == 500
    assert "could not be recorded" in reply.json()["detail"]
    assert HELLO not in reply.body


def test_a_record_has_left_the_process_before_the_answer(server: Server) -> None:
    """A buffer would lose it with a process that is killed."""
    order: list[str] = []

    class File(io.StringIO):
        def flush(self) -> None:
            order.append("flushed")

    server.lines = File()
    app = server.app()

    async def watched(scope: Any, receive: Any, send: Callable[..., Any]) -> None:
        async def sent(message: Any) -> None:
            order.append(message["type"])
            await send(message)

        await app(scope, receive, sent)

    call(watched, body=OURS)
    assert order == ["flushed", "http.response.start", "http.response.body"]


def section(heading: str) -> str:
    page = (ROOT / "docs" / "audit.md").read_text()
    return page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def first_column(heading: str) -> list[str]:
    return [row.split("`")[1] for row in section(heading).splitlines() if row.startswith("| `")]


def test_every_field_is_explained() -> None:
    assert first_column("Fields") == ["event", *Record.__struct_fields__]


def printed_metrics(printed: str) -> list[dict[str, Any]]:
    """CloudWatch's embedded format: what each line gives it to count."""
    found = []
    for line in map(json.loads, printed.splitlines()):
        (kind,) = line["_aws"]["CloudWatchMetrics"]
        assert kind["Namespace"] == "CodecServer"
        values = {each["Name"]: sum(line[each["Name"]]) for each in kind["Metrics"]}
        (dimensions,) = kind["Dimensions"]
        found.append({**values, **{name: line[name] for name in dimensions}})
    return found


def test_metrics_tell_what_the_records_tell(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    write = with_metrics(lines_to(server.lines), "codec")
    guard = Guard(server.gatekeeper, server.gatekeeper)  # type: ignore[arg-type]
    source = Source(is_stale=True)
    app = build_app(server_settings({"CODEC_AUTH": "jwt"}), source, guard, write=write)
    call(app, body=body(sealed(plain(), key(1)), sealed(plain(), key(2)), sealed(plain(), key(1))))
    call(app, "/encode", b'{"payloads":[{}]}')
    call(app, body=b"[]")
    source.fault = KeyringUnavailable("down")
    call(app, body=OURS)
    base = {"service": "codec", "Requests": 1}
    assert printed_metrics(capsys.readouterr().out) == [
        {**base, "Decoded": 2, "Undecodable": 1, "StaleCaches": 1, "ColdStart": 1},
        {**base, "Encoded": 1, "StaleCaches": 1},
        {"service": "codec", "key": "key-1", "Sealed": 1},
        {**base, "Refused": 1},
        {"service": "codec", "reason": "body", "NotAnswered": 1},
        {**base, "Failed": 1},
        {"service": "codec", "reason": "keys-unavailable", "NotAnswered": 1},
    ]
    assert len(server.records()) == 4


def test_a_key_s_seals_are_counted_though_no_response_leaves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """K2: nonces are used up by sealing, whatever becomes of the response."""
    large = b'{"payloads":[{"metadata":{"%b":"YQ=="}}]}' % (b"x" * 4_300_000)
    app = build_app(server_settings({}), Source(), write=with_metrics(discard, "codec"))
    assert call(app, "/encode", large).status == 413
    found = printed_metrics(capsys.readouterr().out)
    assert {"service": "codec", "key": "key-1", "Sealed": 1} in found
    assert found[0]["Encoded"] == 1


def test_labels_of_keys_are_bounded() -> None:
    """A server with a ring for each namespace does not fill the metrics with keys."""
    label = bounded_labels()
    first = [label(f"key-{number}") for number in range(300)]
    assert len(set(first)) == 101
    assert {label("key-7"), label("key-250")} == {"key-7", "(other)"}


def test_every_metric_is_explained() -> None:
    source = (ROOT / "handlers" / "server" / "metrics.py").read_text()
    assert set(re.findall(r'"([A-Z][A-Za-z]+)"', source)) - {"CodecServer"} == set(
        first_column("Metrics")
    )


def test_the_queries_ask_for_fields_that_there_are() -> None:
    blocks = section("Queries").split("```")[1::2]
    assert len(blocks) >= 5
    known = {"event", *Record.__struct_fields__, "@timestamp", "@message"}
    for block in blocks:
        filters = [line for line in block.splitlines() if line.startswith("fields")]
        assert len(filters) == 1
        assert 'event = "codec.request"' in block
        named = {each.strip() for each in filters[0].removeprefix("fields").split(",")}
        assert named <= known


def test_a_record_names_what_was_read_and_why() -> None:
    """By keyed digests, which only a holder of the ring can match; as many as are allowed."""
    server = Server(source=source_of(Keyring([key(1)])))
    payloads = [sealed(plain(), key(1)) for _ in range(3)]
    headers = {**JSON_HEADERS, "x-codec-reason": "INC-4711 \r\n\x1b[2J" + "x" * 1000}
    call(server.app(audit_digests="2"), body=body(*payloads), headers=headers)
    record = server.record()
    assert record["read"] == [key(1).digest(each.data) for each in payloads[:2]]
    assert record["purpose"].startswith("INC-4711 \\r\\n\\x1b[2J")
    assert len(record["purpose"]) <= 256


@pytest.mark.parametrize("at_most", ["0", "1000"])
def test_how_many_digests_is_a_setting(at_most: str) -> None:
    server = Server(source=source_of(Keyring([key(1)])))
    call(server.app(audit_digests=at_most), body=OURS)
    assert len(server.record().get("read", [])) == min(int(at_most), 1)


def test_what_was_not_decrypted_was_not_read() -> None:
    """A payload that fails is named by its reason, though its key is held."""
    server = Server(source=source_of(Keyring([key(1)])))
    good = sealed(plain(), key(1))
    broken = Content(good.metadata, good.data[:-1] + bytes([good.data[-1] ^ 1]))
    call(server.app(audit_digests="2"), body=body(broken, good))
    record = server.record()
    assert record["read"] == [key(1).digest(good.data)]
    assert record["undecoded"] == {"authentication": 1}


def test_without_tokens_nobody_is_known_to_have_read() -> None:
    records: list[Record] = []
    settings = server_settings({"CODEC_AUDIT_DIGESTS": "2"})
    source = source_of(Keyring([key(1)]))
    assert call(build_app(settings, source, write=records.append), body=OURS).status == 200
    assert [each.read for each in records] == [[]]


@pytest.mark.parametrize("wrong", ["-1", "1001", "x", "", "1e3", "0x10", "٣"])
def test_a_wrong_number_of_digests_stops_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="CODEC_AUDIT_DIGESTS must be a number"):
        server_settings({"CODEC_AUDIT_DIGESTS": wrong})


def test_a_policy_may_require_the_reason() -> None:
    """Without one the caller is refused and told what to send; the record says so."""
    grants = {"identities": ["ana@example.com"], "namespaces": ["*"], "operations": ["decode"]}
    policy = json.dumps({"grants": [{**grants, "reason": "required"}]}).encode()
    server = Server(source=source_of(Keyring([key(1)])))
    guard = Guard(server.gatekeeper, PolicyAuthorizer(lambda: policy))  # type: ignore[arg-type]
    settings = server_settings({"CODEC_AUTH": "jwt"})
    app = build_app(settings, server.source, guard, write=lines_to(server.lines))
    refused = call(app, body=OURS)
    assert refused.status == 403
    assert "X-Codec-Reason" in refused.json()["detail"]
    assert (
        call(app, body=OURS, headers={**JSON_HEADERS, "x-codec-reason": "INC-4711"}).status == 200
    )
    first, second = server.records()
    assert (first["reason"], first["detail"]) == ("no-reason", "its grant requires a reason")
    assert (second["rule"], second["purpose"]) == ("grants[0]", "INC-4711")
