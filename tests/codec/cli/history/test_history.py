"""`temporal-codec history`: no plaintext place is overlooked, and a decoded history is whole."""

import json
import os
import stat
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from temporal_codec import Key, Keyring
from temporal_codec.cli.app import app
from temporal_codec.cli.history.file import MAX_BYTES
from temporal_codec.cli.history.places import MAX_DEPTH
from tests.codec.cli.conftest import Done, holds_no_key
from tests.codec.cli.terminal import PROGRAM, temporal_codec
from tests.codec.rings import Content, key, plain, sealed
from tests.rigs.processes import ROOT, clean_environment
from tests.rigs.secrets_manager import Gate, client, new_secret


def run(*arguments: str | Path) -> Done:
    """Run `temporal-codec history ...`; gives everything that it said."""
    result = CliRunner().invoke(app, ["history", *map(str, arguments)])
    assert isinstance(result.exception, SystemExit | None), repr(result.exception)
    holds_no_key(result.output, {key(1).secret, key(2).secret})
    return Done(result.exit_code, result.output)


def text(data: bytes) -> str:
    return b64encode(data).decode()


def payload(content: Content) -> dict[str, Any]:
    """A payload as an export has it."""
    metadata = {name: text(value) for name, value in content.metadata.items()}
    return {"metadata": metadata, "data": text(content.data)}


def secret(value: str, by: Key | None = None) -> dict[str, Any]:
    return payload(sealed(plain(json.dumps(value).encode()), by or key(1)))


def clear(value: str, encoding: bytes = b"json/plain") -> dict[str, Any]:
    return payload(Content({"encoding": encoding}, json.dumps(value).encode()))


def many(*payloads: Any) -> dict[str, Any]:
    return {"payloads": list(payloads)}


def event(kind: str, **attributes: Any) -> dict[str, Any]:
    """An event with these attributes."""
    return {"eventId": "1", "eventType": "EVENT_TYPE_X", f"{kind}EventAttributes": attributes}


def put(path: Path, *events: Any) -> Path:
    path.write_text(json.dumps({"events": list(events)}))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the history is."""
    return tmp_path / "history.json"


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """A ring with the first key."""
    path = tmp_path / "ring.json"
    path.write_bytes(Keyring([key(1)]).to_json())
    return path


ENCODED = {"message": "Encoded failure", "encodedAttributes": secret("m")}
STARTED = "workflowExecutionStarted"
# An event, and the path of the place in plaintext that is in it.
PLAINTEXT = {
    "input": (event(STARTED, input=many(secret("a"), clear("b"))), f".{STARTED}%.input[1]"),
    "snake case": (
        {"workflow_execution_started_event_attributes": {"input": many(clear("b"))}},
        ".workflow_execution_started_event_attributes.input[0]",
    ),
    "header": (
        event(STARTED, header={"fields": {"trace": clear("b")}}),
        f".{STARTED}%.header.fields.trace",
    ),
    "strange header": (
        event(STARTED, header={"fields": {"a\x1b[31m é": clear("b")}}),
        f'.{STARTED}%.header.fields["a\\u001b[31m \\u00e9"]',
    ),
    "memo": (event(STARTED, memo={"fields": {"m": clear("b")}}), f".{STARTED}%.memo.fields.m"),
    "one payload": (
        event("nexusOperationScheduled", input=clear("b")),
        ".nexusOperationScheduled%.input",
    ),
    "summary": ({"userMetadata": {"summary": clear("b")}}, ".userMetadata.summary"),
    "compressed": (
        event(STARTED, input=many(clear("b", b"binary/zlib"))),
        f".{STARTED}%.input[0]",
    ),
    "no encoding": (event(STARTED, input=many({"data": "YQ=="})), f".{STARTED}%.input[0]"),
    "empty": (event(STARTED, input=many({})), f".{STARTED}%.input[0]"),
    "strange encoding": (
        event(STARTED, input=many(clear("b", b"\x1b[31m"))),
        f".{STARTED}%.input[0]",
    ),
    "decoded by the Web UI": (event(STARTED, input=many("b")), f".{STARTED}%.input[0]"),
    "decoded by the command line": (event(STARTED, input=["b"]), f".{STARTED}%.input[0]"),
    "decoded memo": (event(STARTED, memo={"fields": {"m": "b"}}), f".{STARTED}%.memo.fields.m"),
    "message": (
        event("activityTaskFailed", failure={"message": "canary"}),
        ".activityTaskFailed%.failure.message",
    ),
    "stack trace": (
        event("activityTaskFailed", failure={**ENCODED, "stackTrace": "canary"}),
        ".activityTaskFailed%.failure.stackTrace",
    ),
    "cause": (
        event("activityTaskFailed", failure={**ENCODED, "cause": {"message": "canary"}}),
        ".activityTaskFailed%.failure.cause.message",
    ),
    "details of a failure": (
        event("x", failure={**ENCODED, "applicationFailureInfo": {"details": many(clear("b"))}}),
        ".x%.failure.applicationFailureInfo.details[0]",
    ),
    "stack trace that says it is the server's": (
        event("x", failure={"source": "Server", "stackTrace": "canary"}),
        ".x%.failure.stackTrace",
    ),
    "continued failure": (
        event(STARTED, continuedFailure={"message": "canary"}),
        f".{STARTED}%.continuedFailure.message",
    ),
    "result of a local activity": (
        event("x", markerName="core_local_activity", details={"result": many(clear("b"))}),
        ".x%.details.result[0]",
    ),
    "data of somebody's own marker": (
        event("x", markerName="mine", details={"data": many(clear("b"))}),
        ".x%.details.data[0]",
    ),
    "field of a newer server": (event("x", novelty={"deep": [clear("b")]}), ".x%.novelty.deep[0]"),
}


@pytest.mark.parametrize("name", PLAINTEXT)
def test_plaintext_is_found_wherever_it_is(name: str, file: Path) -> None:
    """Status 1, and the path; everything beside it is reported too."""
    plaintext, path = PLAINTEXT[name]
    put(file, event(STARTED, input=many(secret("a"))), plaintext)
    done = run("scan", file)
    assert done.code == 1
    (line,) = (line for line in done.said.splitlines() if line.startswith("plaintext"))
    assert line.split(maxsplit=2)[2] == "events[1]" + path.replace("%", "EventAttributes")
    assert "canary" not in done.said
    assert "\x1b" not in done.said
    assert f"events[0].{STARTED}EventAttributes.input[0]" in done.said
    assert "1 in plaintext" in done.said


VISIBLE = {
    "search attributes": event(STARTED, searchAttributes={"indexedFields": {"a": clear("b")}}),
    "upserted": event("x", search_attributes={"indexed_fields": {"a": clear("b")}}),
    "core's notes": event(
        "x", markerName="core_local_activity", details={"data": many(clear("b"))}
    ),
    "core's patch": event("x", markerName="core_patch", details={"patch-data": many(clear("b"))}),
    "reference": event(STARTED, input=many(clear("b", b"json/external-storage-reference"))),
    "server's words": event("x", failure={"source": "Server", "message": "activity timeout"}),
}


@pytest.mark.parametrize("name", VISIBLE)
def test_what_is_visible_by_design_is_listed_and_no_fault(name: str, file: Path) -> None:
    put(file, VISIBLE[name])
    done = run("scan", file)
    assert done.code == 0
    assert [line.split()[0] for line in done.said.splitlines()] == ["visible", "1"]
    assert "none in plaintext, 1 visible by design" in done.said


def test_programs_get_json(file: Path) -> None:
    put(file, event(STARTED, input=many(secret("a"), clear("b")), cause="X_CAUSE", failure=ENCODED))
    done = run("scan", file, "--json")
    assert done.code == 1
    document = json.loads(done.said)
    assert document["counts"] == {"encrypted": 2, "plaintext": 1, "visible": 0, "unproven": 0}
    place = f"events[0].{STARTED}EventAttributes"
    assert document["places"] == [
        {"state": "encrypted", "encoding": "binary/encrypted", "path": f"{place}.input[0]"},
        {"state": "plaintext", "encoding": "json/plain", "path": f"{place}.input[1]"},
        {
            "state": "encrypted",
            "encoding": "binary/encrypted",
            "path": f"{place}.failure.encodedAttributes",
        },
    ]


def nested(depth: int) -> str:
    return '{"events":[' + '{"a":' * depth + "{}" + "}" * depth + "]}"


BAD: dict[str, str | bytes] = {
    "not JSON": "nonsense",
    "cut": '{"events":[{"eventId":"1"}',
    "no events": "{}",
    "empty": '{"events":[]}',
    "empty file": "",
    "events that are none": '{"events":[1]}',
    "two members of one name": '{"events":[{"input":1,"input":2}]}',
    "NaN": '{"events":[{"input":NaN}]}',
    "deep": nested(MAX_DEPTH + 1),
    "very deep": nested(100_000),
    "not UTF-8": b'{"events":[{"a":"\xff"}]}',
    "UTF-16": '{"events":[]}'.encode("utf-16"),
    "huge number": '{"events":[{"a":' + "9" * 10_000 + "}]}",
}


@pytest.mark.parametrize("command", ["scan", "decode"])
@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_history_is_told_in_a_sentence(
    command: str, name: str, file: Path, ring: Path
) -> None:
    """Whatever is in the file: no traceback, no output file, and not the status of plaintext."""
    bad = BAD[name]
    file.write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    output = file.with_name("out.json")
    done = run(command, file, *(("--ring", ring, "-o", output) if command == "decode" else ()))
    assert done.code == 2
    assert done.said.startswith(("events[0]", str(file)))
    assert "Traceback" not in done.said
    assert sorted(each.name for each in file.parent.iterdir()) == ["history.json", "ring.json"]


def test_a_file_that_is_not_there_or_too_large_is_told(file: Path) -> None:
    assert f"Cannot read {file}: No such file" in run("scan", file).said
    with file.open("wb") as sparse:
        sparse.truncate(MAX_BYTES + 1)
    assert "is larger than 256 MB" in run("scan", file).said


CLAIMED: dict[str, dict[str, str]] = {
    "another system's without data": {"encryption-dek": "AA=="},
    "another system's in plaintext": {"encrypted-data-key": "AA==", "data": "a secret"},
    "data that is no base64": {"encryption-dek": "AA==", "data": "?"},
    "metadata that is no base64": {"encryption-key-id": "\u00e9", "data": "a" * 40},
}


@pytest.mark.parametrize("name", CLAIMED)
@pytest.mark.parametrize("more", [(), ("--ring", "development")], ids=["alone", "with a ring"])
def test_what_only_claims_to_be_encrypted_is_no_proof(
    name: str, more: tuple[str, ...], file: Path
) -> None:
    """Without a key the form is checked, another system's too; a payload never ends the scan."""
    metadata = {**CLAIMED[name]}
    data = metadata.pop("data", "")
    text = data if name.startswith("data that") else b64encode(data.encode()).decode()
    metadata["encoding"] = b64encode(b"binary/encrypted").decode()
    put(file, event(STARTED, input=many(secret("a"), {"metadata": metadata, "data": text})))
    done = run("scan", file, *more)
    assert done.code == 1, done.said
    assert "1 not proven to be encrypted" in done.said or more


def test_odd_values_are_no_crash(file: Path) -> None:
    """Members that look like something known, of another type."""
    odd = [{"markerName": [], "details": {"data": 1}}, {"failure": {"message": 5, "cause": []}}]
    odd += [{"input": [None]}, {"payloads": {"a": 1}}, {"metadata": {"encoding": 1}}, {"fields": 1}]
    odd += [{"fields": {"a": {"metadata": {"encoding": "\u00e9="}}}}, {"metadata": [], "data": {}}]
    put(file, *odd)
    assert run("scan", file).code == 1


def test_which_history_must_be_said(file: Path) -> None:
    for arguments in ((), (str(file), "--workflow-id", "x")):
        done = run("scan", *arguments)
        assert (done.code, "either a FILE or --workflow-id" in done.said) == (2, True)


# --- decode ----------------------------------------------------------------------------------


def decoded(file: Path, *arguments: str | Path) -> Any:
    """What `history decode` writes."""
    output = file.with_name("decoded.json")
    done = run("decode", file, *arguments, "-o", output)
    assert done.code == 0, done.said
    return json.loads(output.read_bytes())


def test_decode_opens_every_payload_and_leaves_all_else(file: Path, ring: Path) -> None:
    """Nothing is lost or reordered; numbers and unknown members stay."""
    attributes = {"attempt": 3, "big": "9007199254740993", "novelty": {"é": [1.5, None, True]}}
    put(
        file,
        event(STARTED, input=many(secret("a"), clear("b"), {}), **attributes),
        {"userMetadata": {"summary": secret("s")}},
    )
    first, second = decoded(file, "--ring", ring)["events"]
    expected = event(STARTED, input=many(clear("a"), clear("b"), {}), **attributes)
    assert first == expected
    assert list(first) == list(expected)
    assert second == {"userMetadata": {"summary": clear("s")}}


def test_decode_puts_messages_and_stack_traces_back(file: Path, ring: Path) -> None:
    """In either spelling, and those of causes."""

    def failure(trace: str, attributes: str, words: str, **more: Any) -> dict[str, Any]:
        text = json.dumps({"message": words, "stack_trace": f"{words} trace"})
        encoded = payload(sealed(plain(text.encode()), key(1)))
        return {"message": "Encoded failure", trace: "", attributes: encoded, **more}

    cause = failure("stack_trace", "encoded_attributes", "why")
    put(file, event("x", failure=failure("stackTrace", "encodedAttributes", "what", cause=cause)))
    (only,) = decoded(file, "--ring", ring)["events"]
    opened = only["xEventAttributes"]["failure"]
    assert (opened["message"], opened["stackTrace"]) == ("what", "what trace")
    assert (opened["cause"]["message"], opened["cause"]["stack_trace"]) == ("why", "why trace")


def test_what_cannot_be_opened_stays_and_is_counted(file: Path, ring: Path) -> None:
    """Status 1, why, and the rest decoded."""
    foreign = secret("b", key(2))
    put(file, event(STARTED, input=many(secret("a"), foreign)))
    output = file.with_name("out.json")
    done = run("decode", file, "--ring", ring, "-o", output)
    assert done.code == 1
    assert "1 payload stays encoded: the ring has no key with that id." in done.said
    (only,) = json.loads(output.read_bytes())["events"]
    assert only == event(STARTED, input=many(clear("a"), foreign))


def test_a_payload_that_is_none_is_told(file: Path, ring: Path) -> None:
    put(file, event(STARTED, input=many({"metadata": {"encoding": "!!!!"}})))
    done = run("decode", file, "--ring", ring)
    assert done.code == 1
    assert "events[0] has a malformed payload" in done.said


def test_the_output_is_its_readers_own_and_replaced_whole(file: Path, ring: Path) -> None:
    put(file, event(STARTED, input=many(secret("a"))))
    file.chmod(0o644)
    decoded(file, "--ring", ring)
    output = file.with_name("decoded.json")
    if os.name == "posix":
        assert stat.S_IMODE(output.stat().st_mode) == 0o600
    decoded(file, "--ring", ring)
    assert len(list(file.parent.iterdir())) == 3


def test_without_an_output_file_it_is_printed(file: Path, ring: Path) -> None:
    """The history alone on stdout, so that it can be piped."""
    put(file, event(STARTED, input=many(secret("a"))))
    done = temporal_codec("history", "decode", file, "--ring", f"file:{ring}")
    assert json.loads(done.stdout) == {"events": [event(STARTED, input=many(clear("a")))]}
    assert done.stderr == "Decoded 1 payload in 1 event.\n"


@pytest.mark.parametrize("spelling", ["bare list", "byte order mark", "bare list\n"])
def test_other_exports_are_taken(spelling: str, file: Path, ring: Path) -> None:
    """Of older Web UIs, and of Windows shells; what is written is of the one form."""
    events = [event(STARTED, input=many(secret("a")))]
    document = json.dumps({"events": events} if "mark" in spelling else events)
    file.write_text(("\ufeff" if "mark" in spelling else " \n") + document, encoding="utf-8")
    assert run("scan", file).code == 0
    assert decoded(file, "--ring", ring) == {"events": [event(STARTED, input=many(clear("a")))]}


def test_rings_of_every_kind(file: Path, ring: Path, moto: int, secrets: Gate) -> None:
    """A path with a placeholder takes the namespace; Secrets Manager is asked once."""
    put(file, *(event(STARTED, input=many(secret("a"))) for _ in range(20)))
    expected = decoded(file, "--ring", ring)
    by_namespace = f"{ring.parent}/{{namespace}}.json"
    assert decoded(file, "--ring", by_namespace, "--namespace", "ring") == expected
    name = new_secret(client(moto), ring.read_bytes())
    assert decoded(file, "--ring", f"secretsmanager:{name}") == expected
    assert secrets.reads == 1
    secrets.fault = "AccessDeniedException"
    done = run("decode", file, "--ring", f"secretsmanager:{name}")
    assert done.code == 1
    assert "AccessDeniedException" in done.said
    done = run("decode", file, "--ring", "vault:x")
    assert done.said.startswith("This is not the name of a key ring")
    done = run("decode", file, "--ring", ring, "--namespace", "a\x01")
    assert done.said.startswith("--namespace is not the name of a namespace")


# A history near the limit that Temporal sets, and some payloads of the largest size.
LARGE = 1_900_000


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 events, and 40 MB of payloads."""
    path = tmp_path_factory.mktemp("long") / "history.json"
    large = secret("x" * LARGE)
    small = secret("y")
    events = (event(STARTED, input=many(small if i % 100 else large)) for i in range(2000))
    with path.open("w") as sink:
        sink.write('{"events":[')
        sink.write(",".join(map(json.dumps, events)))
        sink.write("]}")
    (path.parent / "ring.json").write_bytes(Keyring([key(1)]).to_json())
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells it in /proc")
def test_a_long_history_takes_little_more_memory_than_its_size(long_history: Path) -> None:
    """One event at a time is parsed, opened and written."""
    script = (
        "import temporal_codec.cli as cli\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    output = long_history.with_name("decoded.json")
    ring = long_history.with_name("ring.json")
    command: list[str | Path] = [sys.executable, "-c", script, "history", "decode", long_history]
    done = subprocess.run(
        [*command, "--ring", ring, "-o", output],
        env=clean_environment({}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Decoded 2000 payloads in 2000 events." in done.stderr
    peak = int(done.stdout.split()[1]) * 1024
    assert peak < long_history.stat().st_size + 110_000_000
    events = json.loads(output.read_bytes())["events"]
    assert events[100] == event(STARTED, input=many(clear("x" * LARGE)))
    assert len(events) == 2000


def test_progress_is_shown_and_an_interrupt_leaves_nothing(long_history: Path) -> None:
    """At a terminal there is a bar; after Ctrl-C the command can simply be run again."""
    import pty  # noqa: PLC0415 — Windows has none

    ours, theirs = pty.openpty()
    output = long_history.with_name("interrupted.json")
    ring = long_history.with_name("ring.json")
    process = subprocess.Popen(
        [PROGRAM, "history", "decode", long_history, "--ring", ring, "-o", output],
        env=clean_environment({"TERM": "xterm", "COLUMNS": "80"}),
        stderr=theirs,
        stdin=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while b"Decoding" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(2)
    process.wait(30)
    os.close(ours)
    assert process.returncode in {1, 130}
    assert not output.exists()
    assert not [each for each in output.parent.iterdir() if each.name.startswith(".")]


def test_a_server_cannot_be_asked_without_the_sdk() -> None:
    """What to install, or what to do instead."""
    script = (
        "import sys; sys.modules['temporalio'] = None; import temporal_codec.cli as cli; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "history", "scan", "--workflow-id", "x"],
        env=clean_environment({}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install '.[cli,temporal]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there_is_told() -> None:
    done = temporal_codec("history", "scan", "--workflow-id", "x", "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
