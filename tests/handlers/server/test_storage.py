"""References that nobody should have written: a clear answer in time, and nothing else fetched.

Each goes through the running server; the gate in front of S3 tells what it was asked for.
"""

import gzip
import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.server.operations import MAX_DATA_BYTES
from temporal_codec.storage.fetch import MAX_OBJECTS, SECONDS, SIDE_BY_SIDE
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.issuer import EMAIL_CLAIM, claims, issuer, token
from tests.rigs.references import BUCKET, PREFIX, TYPE, Json, body, encoded, reference, stored
from tests.rigs.s3 import (
    S3Gate,
    broken_off,
    endless,
    error,
    reset,
    s3_gate,
    silence,
    slow_head,
    trickle,
    watched_trickle,
)

SETTINGS = {"CODEC_STORAGE_BUCKETS": f"{BUCKET},empty-tests"}


@pytest.fixture(scope="module")
def shared_gate(moto: int) -> Iterator[S3Gate]:
    with s3_gate(moto) as running:
        yield running


@pytest.fixture
def gate(shared_gate: S3Gate) -> Iterator[S3Gate]:
    """A gate that nothing was asked of, and that has no fault."""
    shared_gate.asked.clear()
    shared_gate.most_at_once = 0
    yield shared_gate
    shared_gate.fault = None


@pytest.fixture(scope="module")
def server(shared_gate: S3Gate) -> Iterator[CodecServer]:
    with codec_server({**SETTINGS, **shared_gate.environment}) as running:
        yield running


@pytest.fixture
def held(gate: S3Gate) -> Callable[..., Json]:
    """Puts a payload into S3 and gives a reference to it."""

    def put(text: bytes = b'"canary"', prefix: str = PREFIX, **more: Any) -> Json:
        serialized = stored(text)
        sha256 = gate.put(BUCKET, f"{prefix}x", serialized)
        gate.delete(BUCKET, f"{prefix}x")
        gate.put(more.get("bucket", BUCKET), f"{prefix}{sha256}", serialized)
        return reference(f"{prefix}{sha256}", sha256, **more)

    return put


def undecoded(server: CodecServer, reference: Json) -> str:
    """Why it came back as it was sent, beside a payload that is none of its business."""
    plain = {"metadata": {"encoding": encoded(b"json/plain")}, "data": encoded(b"1")}
    reply = server.post("/decode", body(reference, plain))
    assert reply.status_code == 200
    assert reply.json()["payloads"] == [reference, plain]
    assert reply.headers["x-codec-undecoded"] == "1"
    downloaded = server.post("/download", body(reference))
    assert downloaded.status_code in {400, 413}
    assert downloaded.headers["content-type"] == "application/problem+json"
    assert "Reason." not in server.log(), "a line for people holds no Python"
    lines = [line for line in server.log().splitlines() if "undecoded=" in line]
    return lines[-1].partition("undecoded=")[2]


def test_a_good_one_is_resolved(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """With one GET, whatever comes after it."""
    good = held()
    for operation in ("decode", "download"):
        gate.asked.clear()
        reply = server.post(f"/{operation}", body(good))
        assert reply.json()["payloads"][0]["data"] == encoded(b'"canary"')
        assert len(gate.asked) == 1
        assert gate.asked[0].startswith(f"GET /{BUCKET}/{PREFIX}")


ASTRAY = [
    "v0/ns/other/wt/Order/wi/1/ri/null/d/sha256/",
    "v0/ns/default2/d/sha256/",
    "v0/ns/Default/d/sha256/",
    "v0/ns/default/../other/d/sha256/",
    "v0/ns/default/./d/sha256/",
    "v0/ns/default//d/sha256/",
    "v0/ns/default%2Fd/sha256/",
    "v0/ns/%64efault/d/sha256/",
    "v0/ns/default%2F..%2Fother/d/sha256/",
    "/v0/ns/default/d/sha256/",
    "v0/d/sha256/",
    "v0/ns/null/d/sha256/",
    "other/",
    "",
]


@pytest.mark.parametrize("prefix", ASTRAY)
def test_a_key_outside_of_the_namespace_is_not_fetched(
    prefix: str, server: CodecServer, gate: S3Gate
) -> None:
    """Prefixes of another namespace, of none, and other spellings of the right one."""
    serialized = stored(b'"canary"')
    sha256 = gate.put(BUCKET, f"{PREFIX}x", serialized)
    gate.asked.clear()
    assert "reference-refused" in undecoded(server, reference(f"{prefix}{sha256}", sha256))
    assert gate.asked == []


@pytest.mark.parametrize(
    "bucket",
    [
        "someone-elses",
        "HOSTILE-TESTS",
        f"{BUCKET}/..",
        f"arn:aws:s3:us-west-2:123456789012:accesspoint/{BUCKET}",
        f"https://evil.example/{BUCKET}",
        f"{BUCKET}?",
        "",
    ],
)
def test_another_bucket_is_not_fetched(bucket: str, server: CodecServer, gate: S3Gate) -> None:
    """Not even one that a bucket's name could be read out of."""
    assert "reference-refused" in undecoded(
        server, reference(f"{PREFIX}{'a' * 64}", "a" * 64, bucket=bucket)
    )
    assert gate.asked == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b"[" * 5000,
        b'{"driverName":"aws.s3driver","claimData":null}',
        b'{"driverName":1,"claimData":{}}',
        b'{"driverName":"aws.s3driver","claimData":{"bucket":["hostile-tests"]}}',
        b"\xff\xfe",
        b" " * 9000 + b"{}",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_reference_inside_is_not_followed(
    data: bytes, server: CodecServer, gate: S3Gate
) -> None:
    metadata = {"encoding": encoded(b"json/protobuf"), "messageType": encoded(TYPE)}
    broken: Json = {"metadata": metadata, **({"data": encoded(data)} if data else {})}
    assert "bad-reference" in undecoded(server, broken)
    assert gate.asked == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "A" * 64},
        {"sha256": "a" * 63},
        {"algorithm": "SHA256"},
        {"key": f"{PREFIX}\n{'a' * 64}"},
        {"key": PREFIX + "é" * 10},
        {"key": PREFIX + "a" * 1024},
    ],
    ids=str,
)
def test_a_claim_that_no_sdk_writes_is_not_followed(
    wrong: dict[str, str], server: CodecServer, gate: S3Gate
) -> None:
    claim = {"key": f"{PREFIX}{'a' * 64}", "sha256": "a" * 64, "algorithm": "sha256"} | wrong
    broken = reference(claim["key"], claim["sha256"], algorithm=claim["algorithm"])
    assert "bad-reference" in undecoded(server, broken)
    assert gate.asked == []


def test_a_declared_size_beyond_any_answer_is_not_fetched(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """5 GB by its own word; the caller learns what to use instead."""
    huge = held(size=5 * 10**9)
    assert "object-too-large" in undecoded(server, huge)
    assert gate.asked == []
    refused = server.post("/download", body(huge))
    assert refused.status_code == 413
    assert "temporal-codec payload get" in refused.json()["detail"]


@pytest.mark.parametrize("declared", [5 * 10**9, MAX_DATA_BYTES + 1])
def test_an_object_beyond_any_answer_is_not_read(
    declared: int, server: CodecServer, gate: S3Gate
) -> None:
    """5 GB by S3's word, whatever the reference says of it."""
    gate.fault = lambda handler: handler.answer(200, b"x" * 65536, declared=declared)
    lying = reference(f"{PREFIX}{'a' * 64}", "a" * 64, size=10)
    assert "object-too-large" in undecoded(server, lying)


def test_objects_that_no_answer_can_hold_together_are_refused(
    server: CodecServer, held: Callable[..., Json]
) -> None:
    """413 for the whole request, in words that help."""
    large = [held(b'"%d%b"' % (n, b"x" * (MAX_DATA_BYTES // 3))) for n in range(3)]
    for operation in ("decode", "download"):
        refused = server.post(f"/{operation}", body(*large))
        assert refused.status_code == 413
        assert "temporal-codec payload get" in refused.json()["detail"]
    assert server.post("/decode", body(*large[:2])).status_code == 200


def test_one_object_many_times_is_fetched_once(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    good = held()
    gate.asked.clear()
    reply = server.post("/decode", body(*[good] * 500))
    assert reply.json()["payloads"][499]["data"] == encoded(b'"canary"')
    assert len(gate.asked) == 1
    large = held(b'"%b"' % (b"x" * 100_000))
    refused = server.post("/decode", body(*[large] * 500))
    assert refused.status_code == 413
    assert "temporal-codec payload get" in refused.json()["detail"]


def test_memory_is_bounded(server: CodecServer, gate: S3Gate) -> None:
    """Whatever references and S3 say: of 32 objects of 4 MB no more is held than of one."""
    body_of = b"x" * MAX_DATA_BYTES
    gate.fault = lambda handler: handler.answer(200, body_of)
    many = [reference(f"{PREFIX}{n}", f"{n:064x}", size=1) for n in range(MAX_OBJECTS)]
    assert server.post("/decode", body(many[0])).status_code == 200
    before = peak_bytes(server)
    assert server.post("/decode", body(*many)).status_code == 413
    assert peak_bytes(server) - before < 32 * 2**20


def peak_bytes(server: CodecServer) -> int:
    status = Path(f"/proc/{server.running.process.pid}/status")
    if not status.exists():
        pytest.skip("only Linux tells")
    line = next(each for each in status.read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def test_no_more_than_so_many_are_fetched(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """Side by side, and the rest are left as they are."""
    many = [held(b'"%d"' % number) for number in range(MAX_OBJECTS + 5)]
    gate.asked.clear()
    reply = server.post("/decode", body(*many))
    assert reply.headers["x-codec-undecoded"] == "5"
    assert reply.json()["payloads"][MAX_OBJECTS:] == many[MAX_OBJECTS:]
    assert len(gate.asked) == MAX_OBJECTS
    assert 1 < gate.most_at_once <= SIDE_BY_SIDE
    assert server.post("/download", body(*many)).status_code == 413


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (error(404, "NoSuchKey"), "object-missing"),
        (error(404, "NoSuchBucket"), "object-missing"),
        (error(403, "AccessDenied"), "object-denied"),
        (error(403, "InvalidObjectState"), "object-denied"),
        (error(400, "InvalidRequest"), "object-denied"),
        (lambda handler: handler.answer(200, stored(b'"other"')), "object-changed"),
        (lambda handler: handler.answer(200, b""), "object-changed"),
    ],
    ids=["missing", "no bucket", "denied", "archived", "own key", "changed", "empty"],
)
def test_what_will_not_heal_is_left_as_it_is(
    fault: Any, reason: str, server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """Asked once for each request, and not again."""
    good = held()
    gate.fault = fault
    assert reason in undecoded(server, good)
    assert len(gate.asked) == 2
    assert "canary" not in server.log()


ELSEWHERE = {"location": "http://127.0.0.1:9/", "x-amz-bucket-region": "us-west-2"}


@pytest.mark.parametrize(
    "fault",
    [
        error(301, "PermanentRedirect", ELSEWHERE),
        error(307, "TemporaryRedirect", ELSEWHERE),
        error(400, "AuthorizationHeaderMalformed", ELSEWHERE),
        error(400, "IllegalLocationConstraintException", ELSEWHERE),
    ],
)
def test_no_redirect_and_no_other_region_is_followed(
    fault: Any, server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """One GET for each request, and nothing beside."""
    good = held()
    gate.fault = fault
    assert "object-denied" in undecoded(server, good)
    assert [each.partition(" ")[0] for each in gate.asked] == ["GET", "GET"]


@pytest.mark.parametrize(
    "fault",
    [
        error(500, "InternalError"),
        error(503, "SlowDown"),
        error(400, "ExpiredToken"),
        error(403, "RequestTimeTooSkewed"),
        reset,
        silence,
        trickle,
        slow_head,
        broken_off,
        endless,
    ],
    ids=[
        "500",
        "503",
        "expired",
        "skewed",
        "reset",
        "silence",
        "trickle",
        "slow head",
        "broken off",
        "endless",
    ],
)
def test_an_outage_is_503_in_time(
    fault: Any, server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """For both operations; and what is held in memory or in threads does not matter to others."""
    good = held()
    gate.fault = fault
    for operation in ("decode", "download"):
        started = time.monotonic()
        reply = server.post(f"/{operation}", body(good))
        assert reply.status_code == 503
        assert reply.headers["retry-after"]
        assert time.monotonic() - started < SECONDS + 3
    gate.fault = None
    assert server.post("/decode", body(good)).headers["x-codec-undecoded"] == "0"


def test_nobody_goes_on_reading_what_comes_too_slowly(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """S3 would go on for a minute: a thread that listens to it would be lost to the server."""
    good = held()
    gate.fault, hung_up = watched_trickle()
    assert server.post("/decode", body(good)).status_code == 503
    assert hung_up.wait(10)


def test_a_fault_of_a_moment_is_not_noticed(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    good = held()

    def once(handler: Any) -> None:
        gate.fault = None
        error(500, "InternalError")(handler)

    gate.fault = once
    assert server.post("/download", body(good)).status_code == 200


def test_an_object_that_changes_is_told(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """There is no look at it before it is fetched, whose answer could be outdated."""
    good = held()
    assert server.post("/download", body(good)).status_code == 200
    for each in [each for each in gate.asked if each.startswith("GET")]:
        gate.put(BUCKET, each.removeprefix(f"GET /{BUCKET}/"), stored(b'"changed"'))
    assert "object-changed" in undecoded(server, good)


def test_a_reference_to_a_reference_stays_one(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """Nobody is sent round in circles."""
    from google.protobuf import json_format  # noqa: PLC0415, TID251 — builds a payload
    from temporalio.api.common.v1 import Payload  # noqa: PLC0415

    inner = held()
    serialized = json_format.ParseDict(inner, Payload()).SerializeToString()
    gate.put(BUCKET, f"{PREFIX}x", serialized)
    sha256 = gate.put(BUCKET, f"{PREFIX}ref", serialized)
    gate.asked.clear()
    reply = server.post("/decode", body(reference(f"{PREFIX}ref", sha256)))
    assert reply.json()["payloads"] == [inner]
    assert len(gate.asked) == 1


def test_other_drivers_are_not_followed(server: CodecServer, gate: S3Gate) -> None:
    data = {"driverName": "gcs", "claimData": {"bucket": BUCKET, "key": f"{PREFIX}a"}}
    data["claimData"] |= {"hash_algorithm": "sha256", "hash_value": "a" * 64}  # type: ignore[operator]
    metadata = {"encoding": encoded(b"json/protobuf"), "messageType": encoded(TYPE)}
    other = {"metadata": metadata, "data": encoded(json.dumps(data).encode())}
    assert "reference-refused" in undecoded(server, other)
    assert gate.asked == []


def test_of_two_members_of_one_name_the_checked_one_is_fetched(
    server: CodecServer, gate: S3Gate
) -> None:
    """Nobody shows one bucket to the check and another to S3."""
    for first, last, reason in (
        (BUCKET, "someone-elses", "reference-refused"),
        ("someone-elses", BUCKET, "object-missing"),
    ):
        twice = reference(f"{PREFIX}nothing", "a" * 64, bucket=first)
        data = b64decode(twice["data"])
        claim = data.replace(b'"key"', b'"bucket": "%b", "key"' % last.encode())
        assert reason in undecoded(server, {**twice, "data": encoded(claim)})
    assert {each for each in gate.asked if BUCKET not in each} == set()


def test_what_is_stored_is_never_inflated_on_its_way(
    server: CodecServer, gate: S3Gate, held: Callable[..., Json]
) -> None:
    """A content encoding is the writer's word: a bomb would be inflated before it is measured."""
    good = held()
    packed = gzip.compress(stored(b'"canary"'))
    gate.fault = lambda handler: handler.answer(200, packed, {"content-encoding": "gzip"})
    assert "object-changed" in undecoded(server, good)


GRANTS = [
    {"identities": ["ana@example.com"], "namespaces": ["default"], "operations": ["decode"]},
    {
        "identities": ["bob@example.com"],
        "namespaces": ["other"],
        "operations": ["decode", "download"],
    },
]


def test_who_may_not_read_has_nothing_fetched(
    gate: S3Gate, held: Callable[..., Json], tmp_path: Path
) -> None:
    """No token, a namespace that is not theirs, and an operation that was not granted."""
    (tmp_path / "policy.json").write_text(json.dumps({"grants": GRANTS}))
    good = body(held())
    with issuer(tmp_path) as published:
        settings = {
            **SETTINGS,
            **gate.environment,
            **published.settings(),
            "CODEC_POLICY": f"file:{tmp_path}/policy.json",
        }
        with codec_server(settings) as guarded:

            def ask(email: str, operation: str, namespace: str) -> Any:
                bearer = token(payload=claims(**{EMAIL_CLAIM: email}))
                headers = {"authorization": f"Bearer {bearer}"} if email else {}
                return guarded.post(f"/{operation}", good, namespace=namespace, headers=headers)

            gate.asked.clear()
            for operation in ("decode", "download"):
                assert ask("", operation, "default").status_code == 401
                assert ask("bob@example.com", operation, "default").status_code == 403
            assert ask("ana@example.com", "download", "default").status_code == 403
            assert ask("bob@example.com", "download", "other").status_code == 400
            left = ask("bob@example.com", "decode", "other")
            assert left.json() == json.loads(good)
            assert gate.asked == []
            assert ask("ana@example.com", "decode", "default").json() != json.loads(good)
            assert len(gate.asked) == 1
