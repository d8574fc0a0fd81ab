"""`temporal-codec payload get`: a whole and verified payload, or no file and a sentence."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cramjam
import pytest
from typer.testing import CliRunner

from temporal_codec import Keyring
from temporal_codec.cli.app import app
from temporal_codec.protobuf import serialize
from tests.codec.cli.conftest import Done, holds_no_key
from tests.codec.cli.terminal import PROGRAM
from tests.codec.rings import JSON, Content, key, sealed
from tests.rigs.processes import clean_environment
from tests.rigs.references import BUCKET, PREFIX, TYPE, Json, encoded, reference
from tests.rigs.s3 import S3Gate, broken_off, error, reset, s3_gate, trickle

LARGE = 50_000_000
SHARED = "v0/d/sha256/"


def whole(content: Content) -> bytes:
    """A payload as a worker stores it."""
    return serialize(content.metadata, content.data)


def secret(data: bytes, number: int = 1) -> bytes:
    return whole(sealed(serialize(JSON, data), key(number)))


def packed(encoding: bytes, pack: Callable[[bytes], bytes], data: bytes) -> bytes:
    return serialize({"encoding": encoding}, pack(data))


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


@pytest.fixture(scope="module")
def shared_gate(moto: int) -> Iterator[S3Gate]:
    with s3_gate(moto) as running:
        yield running


class User:
    """Somebody at a terminal who has references to payloads in S3."""

    def __init__(self, gate: S3Gate, folder: Path) -> None:
        self.gate = gate
        self.folder = folder
        self.ring = folder / "ring.json"
        self.ring.write_bytes(Keyring([key(1), key(2)]).to_json())
        self.source = folder / "reference.json"
        self.output = folder / "out"
        self.given = ["--ring", str(self.ring), "--bucket", BUCKET, "-o", str(self.output)]

    def store(self, stored: bytes, prefix: str = PREFIX, **more: Any) -> Json:
        """Put an object into S3; gives a reference to it."""
        name = f"{prefix}{len(stored)}-{zlib.crc32(stored)}"
        sha256 = self.gate.put(BUCKET, name, stored)
        self.gate.asked.clear()
        return reference(name, sha256, **{"size": len(stored), **more})

    def get(self, source: Any, *more: str, typed: bytes | None = None) -> Done:
        """Run `payload get`; whatever it says holds no key and no payload."""
        self.source.write_text(json.dumps(source))
        file = str(self.source) if typed is None else "-"
        arguments = ["payload", "get", file, *self.given, *more]
        result = CliRunner().invoke(app, arguments, input=typed)
        assert isinstance(result.exception, SystemExit | None), repr(result.exception)
        holds_no_key(result.output, {key(1).secret, key(2).secret})
        assert "canary" not in result.output
        return Done(result.exit_code, " ".join(result.output.split()))

    def refused(self, source: Any, *more: str) -> str:
        """What it says where it writes nothing, and leaves nothing behind."""
        done = self.get(source, *more)
        assert done.code in {1, 2}
        assert self.left() == {"ring.json", "reference.json"}
        return done.said

    def left(self) -> set[str]:
        return {each.name for each in self.folder.iterdir()}

    def command(
        self, source: Any, *program: str, terminal: int = subprocess.STDOUT
    ) -> "subprocess.Popen[str]":
        """The installed program on its way, or another in its place."""
        self.source.write_text(json.dumps(source))
        return subprocess.Popen(
            [*(program or (str(PROGRAM),)), "payload", "get", str(self.source), *self.given],
            env=clean_environment({**self.gate.environment, "TERM": "xterm", "COLUMNS": "100"}),
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
        )


@pytest.fixture
def user(shared_gate: S3Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    for name, value in shared_gate.environment.items():
        monkeypatch.setenv(name, value)
    shared_gate.asked.clear()
    yield User(shared_gate, tmp_path)
    shared_gate.fault = None


CANARY = b'"canary"'
STORED = {
    "plain": serialize(JSON, CANARY),
    "empty": serialize(JSON, b""),
    "no metadata": serialize({}, CANARY),
    "encrypted": secret(CANARY),
    "zlib": packed(b"binary/zlib", zlib.compress, serialize(JSON, CANARY)),
    "gzip": packed(b"binary/gzip", gzip.compress, serialize(JSON, CANARY)),
    "gzip in members": packed(
        b"binary/gzip",
        lambda each: gzip.compress(each[:9]) + gzip.compress(each[9:]),
        serialize(JSON, CANARY),
    ),
    "snappy": packed(b"binary/snappy", snappy, serialize(JSON, CANARY)),
    "four layers": packed(
        b"binary/gzip",
        gzip.compress,
        whole(sealed(packed(b"binary/zlib", zlib.compress, secret(CANARY)), key(2))),
    ),
    "another system's": serialize(
        {"encoding": b"binary/encrypted", "encryption-dek": b"x"}, CANARY
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_whatever_a_worker_stores_is_opened(name: str, user: User) -> None:
    """One GET; the file is the payload's data, for its owner's eyes alone."""
    done = user.get(user.store(STORED[name]))
    assert done.code == 0, done.said
    data = b"" if name == "empty" else CANARY
    assert user.output.read_bytes() == data
    assert user.output.stat().st_mode & 0o777 == 0o600
    assert f"Wrote {len(data)} bytes of" in done.said
    assert len(user.gate.asked) == 1
    assert user.left() == {"ring.json", "reference.json", "out"}


def history(*payloads: Json) -> Json:
    attributes = {"input": {"payloads": list(payloads)}}
    return {"events": [{"workflowExecutionStartedEventAttributes": attributes}]}


def test_it_is_found_in_a_history(user: User) -> None:
    """The only one by itself, however often it is there; one of several by its place."""
    one = user.store(secret(b'"1"'))
    other = user.store(secret(b'"2"'))
    plain = {"metadata": {"encoding": encoded(b"json/plain")}, "data": encoded(CANARY)}
    assert user.get(history(plain, one, one)).code == 0
    assert user.output.read_bytes() == b'"1"'
    user.output.unlink()
    place = "events[0].workflowExecutionStartedEventAttributes.input"
    said = user.refused(history(plain, one, other))
    assert f"--at: {place}[1] {place}[2]" in said
    assert user.get(history(plain, one, other), "--at", f"{place}[2]").code == 0
    assert user.output.read_bytes() == b'"2"'
    user.output.unlink()
    assert "no payload at that place" in user.refused(history(plain, one), "--at", f"{place}[7]")
    assert "has no reference" in user.refused(history(plain, one), "--at", f"{place}[0]")


def test_it_is_found_in_any_of_several_histories(user: User) -> None:
    """Of an export, for example: the place names the history."""
    one, other = user.store(secret(b'"1"')), user.store(secret(b'"2"'))
    export = {"items": [{"history": history(each)} for each in (one, other)]}
    assert "--at: events[0]" not in user.refused(export)
    place = "history 2: events[0].workflowExecutionStartedEventAttributes.input[0]"
    assert user.get(export, "--at", place).code == 0
    assert user.output.read_bytes() == b'"2"'


def test_an_encrypted_reference_is_found(user: User) -> None:
    """As workers write it whose codec runs after external storage."""
    bare = user.store(secret(CANARY))
    metadata = {
        "encoding": b"json/protobuf",
        "messageType": TYPE,
    }
    wrapped = sealed(serialize(metadata, b64decode(bare["data"])), key(2))
    names = {name: encoded(value) for name, value in wrapped.metadata.items()}
    outer = {"metadata": names, "data": encoded(wrapped.data)}
    assert user.get(history(outer)).code == 0
    assert user.output.read_bytes() == CANARY
    user.output.unlink()
    user.ring.write_bytes(Keyring([key(1)]).to_json())
    assert "no key of that ID" in user.refused(history(outer))
    assert "2 payloads cannot be decoded (2 unknown-key)" in user.refused(history(outer, outer))


def test_it_is_read_from_standard_input(user: User) -> None:
    """A payload alone, or several as the server is asked with; a byte order mark is no matter."""
    one = user.store(secret(CANARY))
    for typed in (json.dumps(one), "\ufeff" + json.dumps({"payloads": [one]})):
        assert user.get({}, typed=typed.encode()).code == 0
        assert user.output.read_bytes() == CANARY
        user.output.unlink()


@pytest.mark.parametrize(
    "typed",
    [
        *(b"", b"null", b"1", b"[]", b"{", b'{"data":1}{}', b'{"events":[]}', b"\xff", b"[" * 9999),
        *(b'{"data":"","data":""}', b'{"payloads":[{"data":"!!!!"}]}', b'{"a":' * 9999),
    ],
    ids=lambda typed: repr(typed[:20]),
)
def test_what_is_no_reference_at_all(typed: bytes, user: User) -> None:
    done = user.get({}, typed=typed)
    assert done.code in {1, 2}
    assert done.said.startswith("The input ")
    assert user.gate.asked == []


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({"bucket": "another"}, ()),
        ({"bucket": f"{BUCKET}\x1b[31m"}, ()),
        ({"bucket": f"arn:aws:s3:us-west-2:123456789012:accesspoint/{BUCKET}"}, ()),
        ({"prefix": "v0/ns/other/"}, ()),
        ({"prefix": "v0/ns/default/../other/"}, ()),
        ({"prefix": "v0/ns/default%2F..%2Fother/"}, ()),
        ({"prefix": SHARED}, ()),
        ({"prefix": "other/"}, ("--shared",)),
        ({}, ("--namespace", "other")),
        ({}, ("--driver", "other")),
    ],
    ids=str,
)
def test_what_was_not_allowed_is_not_fetched(
    change: Mapping[str, str], options: tuple[str, ...], user: User
) -> None:
    """S3 is not asked; the user reads where it would have led, and the terminal obeys nothing."""
    prefix = change.get("prefix", PREFIX)
    astray = user.store(secret(CANARY), prefix, bucket=change.get("bucket", BUCKET))
    said = user.refused(astray, *options)
    assert "which you did not allow. Nothing was downloaded" in said
    assert "\x1b" not in said
    assert user.gate.asked == []


def test_more_is_allowed_by_name(user: User) -> None:
    """What belongs to no namespace, another namespace, and another driver's."""
    assert user.get(user.store(secret(CANARY), SHARED), "--shared").code == 0
    other = user.store(secret(CANARY), "v0/ns/other/")
    assert user.get(other, "--namespace", "other", "--bucket", "b").code == 0
    assert user.get(other, "--namespace", "other", "--driver", "a").code == 1
    chosen = ("--driver", "a", "--driver", "aws.s3driver")
    assert user.get(other, "--namespace", "other", *chosen).code == 0


def test_no_namespace_can_have_that_name(user: User) -> None:
    said = user.refused(user.store(secret(CANARY)), "--namespace", "a\x07b")
    assert said == "--namespace is not the name of a namespace. Write it as the Web UI shows it."


BAD: dict[str, tuple[Json, Any, str]] = {
    "another hash": ({"sha256": "a" * 64}, None, "not what the worker stored"),
    "another size": ({"size": 7}, None, "not what the worker stored"),
    "missing": ({}, error(404, "NoSuchKey"), "There is no such object"),
    "denied": ({}, error(403, "AccessDenied"), "you need s3:GetObject"),
    "redirect": ({}, error(301, "PermanentRedirect", {"location": "http://127.0.0.1:9"}), "region"),
    "expired": ({}, error(400, "ExpiredToken"), "Your AWS credentials have expired."),
    "throttled": ({}, error(503, "SlowDown"), "AWS rejects GetObject (SlowDown)."),
    "broken off": ({"size": 1000}, broken_off, "The download broke off ("),
    "reset": ({}, reset, "GetObject"),
    "too large": (
        {"size": None},
        lambda handler: handler.answer(200, b"x" * 65536, declared=6 * 2**30),
        "more than 5 GiB",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_had_leaves_no_file(name: str, user: User) -> None:
    """And what was there before stays."""
    change, fault, sentence = BAD[name]
    good = user.store(secret(CANARY))
    claim = json.loads(b64decode(good["data"]))["claimData"]
    sha256 = str(change.get("sha256", claim["hash_value"]))
    bad = reference(claim["key"], sha256, size=change.get("size"))
    user.gate.fault = fault
    assert sentence in user.refused(bad)
    assert [each.partition(" ")[0] for each in user.gate.asked] == ["GET"]
    user.output.write_bytes(b"before")
    assert user.get(bad).code == 1
    assert user.output.read_bytes() == b"before"


SEALED = sealed(serialize(JSON, CANARY), key(1))
UNOPENED = {
    "unknown key": (secret(CANARY, 3), "no key of that ID"),
    "tag": (
        whole(Content(SEALED.metadata, SEALED.data[:-1] + bytes([SEALED.data[-1] ^ 1]))),
        "The payload was changed",
    ),
    "short": (whole(Content(SEALED.metadata, SEALED.data[:27])), "too-short"),
    "no key id": (whole(Content({"encoding": b"binary/encrypted"}, SEALED.data)), "no-key-id"),
    "truncated zlib": (packed(b"binary/zlib", lambda d: zlib.compress(d)[:-1], CANARY), "compr"),
    "garbage": (packed(b"binary/gzip", lambda d: gzip.compress(d) + b"x", CANARY), "compression"),
    "two streams": (packed(b"binary/zlib", lambda d: zlib.compress(d) * 2, CANARY), "compression"),
    "garbage after a member": (
        packed(b"binary/gzip", lambda d: gzip.compress(d) * 2 + b"x", CANARY),
        "compression",
    ),
    "no snappy": (packed(b"binary/snappy", lambda _: b"\xff\xff\xff\xff\xff\xff", b""), "compr"),
    "snappy bomb": (packed(b"binary/snappy", lambda _: b"\xff\xff\xff\x7f", b""), "too-large"),
    "no payload": (b"\xff\xff\xff", "malformed"),
    "half a payload": (serialize(JSON, CANARY)[:-1], "malformed"),
    "half a length": (b"\x12\xff", "malformed"),
    "data again and again": (b"\x12\x00" * 1001, "too-many-fields"),
    "another type": (b"\x08\x01", "malformed"),
    "huge metadata": (serialize({"encoding": b"x" * 2_000_000}, b""), "malformed"),
    "inside": (packed(b"binary/zlib", zlib.compress, b"\xff"), "malformed"),
}


@pytest.mark.parametrize("name", UNOPENED)
def test_what_cannot_be_opened_leaves_no_file(name: str, user: User) -> None:
    stored, sentence = UNOPENED[name]
    assert sentence in user.refused(user.store(stored))


def test_five_layers_are_too_many(user: User) -> None:
    stored = serialize(JSON, CANARY)
    for _ in range(5):
        stored = packed(b"binary/zlib", zlib.compress, stored)
    assert "too-many-layers" in user.refused(user.store(stored))


def test_a_bomb_is_stopped(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("temporal_codec.cli.payload.layers.MAX_BYTES", 1_000_000)
    bomb = packed(b"binary/zlib", zlib.compress, bytes(2_000_000))
    assert "too-large" in user.refused(user.store(bomb))


# /proc counts the program alone; a child's rusage includes its parent's memory.
TELLING = """
import sys
import temporal_codec.cli as cli
try:
    cli.main()
finally:
    print([each for each in open("/proc/self/status") if each.startswith("VmHWM:")][0].split()[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells")
def test_memory_stays_small_whatever_comes(user: User) -> None:
    """50 MB, compressed and encrypted, take hardly more than a few bytes do."""
    peaks = []
    for size in (100, LARGE):
        data = os.urandom(size)
        stored = packed(b"binary/zlib", lambda text: zlib.compress(text, 1), secret(data))
        with user.command(user.store(stored), sys.executable, "-c", TELLING) as process:
            told, peak = process.communicate()[0].splitlines()
        assert told == f"Wrote {size} bytes of json/plain to {user.output}."
        assert user.output.read_bytes() == data
        peaks.append(int(peak) * 1024)
    assert peaks[1] - peaks[0] < LARGE / 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_gives_up_leaves_nothing(number: signal.Signals, user: User) -> None:
    """While a part of it has come already."""
    slow = user.store(secret(CANARY), size=None)
    user.gate.fault = trickle
    process = user.command(slow)
    with process:
        deadline = time.monotonic() + 30
        while not user.gate.asked and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # for a few bytes, which come ten a second
        assert len(user.left()) > 2
        process.send_signal(number)
        said = process.communicate(timeout=20)[0]
    assert process.returncode != 0
    assert "Traceback" not in said
    assert user.left() == {"ring.json", "reference.json"}


def test_progress_is_shown_at_a_terminal(user: User) -> None:
    """A bar, in bytes, as long as it takes."""
    import pty  # noqa: PLC0415 — Windows has none

    def begun(handler: Any) -> None:
        handler.answer(200, b"x" * 1_000_000, declared=5_000_000)
        time.sleep(20)

    bad = user.store(secret(CANARY), size=None)
    user.gate.fault = begun
    ours, theirs = pty.openpty()
    with user.command(bad, terminal=theirs) as process:
        os.close(theirs)
        shown = b""
        while b"Downloading" not in shown or b"/5.0 MB" not in shown:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
    os.close(ours)
    assert user.left() == {"ring.json", "reference.json"}


def test_a_target_that_cannot_be_written_is_told(user: User) -> None:
    user.given[-1] = str(user.folder / "no" / "out")
    assert "out: No such file or directory." in user.refused(user.store(secret(CANARY)))
