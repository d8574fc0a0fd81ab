"""`temporal-codec history` on files as people have them: exports, archives, other encodings."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format  # noqa: TID251 — what writes Temporal Cloud's JSON
from temporalio.api.export.v1 import ExportedExecutions, WorkflowExecutions
from temporalio.api.history.v1 import History

from tests.codec.cli.history.test_history import (
    STARTED,
    clear,
    event,
    many,
    payload,
    put,
    run,
    secret,
    text,
)
from tests.codec.rings import Content, key, plain, sealed
from tests.rigs.processes import ROOT

CASES = ROOT / "tests" / "rigs"
DEVELOPMENT = ("--ring", "development")
FIRST = event(STARTED, input=many(secret("a")))
SECOND, THIRD = ({**FIRST, "eventId": number} for number in "23")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.json"


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    from temporal_codec import Keyring  # noqa: PLC0415 — beside the fixture of the other module

    path = tmp_path / "ring.json"
    path.write_bytes(Keyring([key(1)]).to_json())
    return path


def decoded(file: Path, *arguments: str | Path) -> tuple[Any, str]:
    """What `history decode` writes and says."""
    output = file.with_name("out.json")
    done = run("decode", file, *arguments, "-o", output)
    assert done.code == 0, done.said
    return json.loads(output.read_bytes()), done.said


def test_an_archive_of_batches_is_one_history(tmp_path: Path) -> None:
    """Its events in order, and the payloads of all batches."""
    file = tmp_path / "archive.json"
    file.write_bytes((CASES / "archive_of_batches.json").read_bytes())
    assert "3 events: 2 places encrypted, none in plaintext" in run("scan", file).said
    document, said = decoded(file, *DEVELOPMENT)
    assert [each["eventId"] for each in document["events"]] == ["1", "2", "3"]
    assert "Decoded 2 payloads in 3 events." in said


ARCHIVE = [{"events": [FIRST]}, {"events": [SECOND]}, {"events": [THIRD]}]


@pytest.mark.parametrize(
    "broken",
    [
        [ARCHIVE[0], {"events": "x"}, ARCHIVE[2]],
        [ARCHIVE[0], {}, ARCHIVE[2]],
        [ARCHIVE[0], {"events": []}, ARCHIVE[2]],
        [ARCHIVE[0], 5],
        [ARCHIVE[0], ARCHIVE[2]],
        [ARCHIVE[0], ARCHIVE[0]],
        [{"events": [{"event_id": number}]} for number in (1, 3)],
    ],
    ids=[
        *("no list", "no events", "empty", "no object", "one is missing", "one is there twice"),
        "one is missing, in snake case",
    ],
)
@pytest.mark.parametrize("command", ["scan", "decode"])
def test_an_archive_with_a_broken_batch_is_refused(
    command: str, broken: Any, file: Path, ring: Path
) -> None:
    """Whole, with the number of the batch; nothing is written."""
    file.write_text(json.dumps(broken))
    output = file.with_name("out.json")
    done = run(command, file, *(("--ring", ring, "-o", output) if command == "decode" else ()))
    assert done.code == 2
    assert "batch 2 of the archive" in done.said
    assert not output.exists()


@pytest.mark.parametrize("token", ["nextPageToken", "next_page_token"])
def test_an_answer_of_the_http_api_is_a_history(token: str, file: Path) -> None:
    """If it is whole: of several pages, the first alone would hide what follows."""
    answer = {"history": {"events": [FIRST, SECOND]}, "archived": False, token: ""}
    file.write_text(json.dumps(answer))
    assert run("scan", file).said.startswith("encrypted")
    page = {**answer, token: "AAE="}
    file.write_text(json.dumps(page))
    done = run("scan", file)
    assert done.code == 2
    assert "one page of a history" in done.said
    file.write_text(json.dumps({"events": [FIRST], token: "AAE="}))
    assert "one page of a history" in run("scan", file).said
    file.write_text(json.dumps(page) + json.dumps({"history": {"events": [THIRD]}}))
    assert "3 events: 3 places encrypted" in run("scan", file).said


def stored(*batches: Any, **header: Any) -> str:
    """A file of an archive in S3."""
    body = [{"events": batch} for batch in batches]
    return json.dumps({"header": {"workflowId": "w", **header}, "body": body})


@pytest.mark.parametrize("last", ["isLast", "is_last"])
def test_the_files_of_an_archive_in_s3_are_one_history(last: str, file: Path) -> None:
    """All of them, in their order: one alone would hide what is in the others."""
    more, end = stored([FIRST], [SECOND]), stored([THIRD], **{last: True})
    file.write_text(f"{more}\n{end}")
    assert "3 events: 3 places encrypted" in run("scan", file).said
    for parts, words in {
        more: "more follow",
        end: "missing before",
        more + more + end: "there twice",
        more + stored([{**FIRST, "eventTime": "other"}], **{last: True}): "more follow",
    }.items():
        file.write_text(parts)
        done = run("scan", file)
        assert done.code == 2
        assert words in done.said


OTHER = {**FIRST, "taskId": "7"}
SEVERAL = {
    "exports, one after the other": "".join(
        json.dumps({"events": each}, indent=2) for each in ([FIRST, SECOND], [OTHER])
    ),
    "exports in lines": "\r\n".join(
        json.dumps({"events": each}) for each in ([FIRST, SECOND], [OTHER])
    ),
    "exports in a list": json.dumps([{"events": [FIRST, SECOND]}, {"events": [OTHER]}]),
    "archives in a list": json.dumps(
        [{"events": [FIRST]}, {"events": [SECOND]}, {"events": [OTHER]}]
    ),
    "lists of events": json.dumps([FIRST, SECOND]) + json.dumps([OTHER]),
    "events in lines": "\n\n".join(map(json.dumps, [FIRST, SECOND, OTHER])),
    "exports of Temporal Cloud": "\n".join(
        json.dumps({"items": [{"history": {"events": each}}]})
        for each in ([FIRST, SECOND], [OTHER])
    ),
}


def test_an_export_can_have_a_workflow_twice(file: Path) -> None:
    """Temporal Cloud delivers at least once."""
    item = {"history": {"events": [FIRST, SECOND]}}
    for twice in ([item, item], {"items": [item, item]}):
        file.write_text(json.dumps(twice))
        assert len(json.loads(run("scan", file, "--json").said)["histories"]) == 2


@pytest.mark.parametrize("name", SEVERAL)
def test_several_histories_in_a_file_are_held_apart(name: str, file: Path) -> None:
    """As a loop over workflows writes them: each begins with the first event."""
    file.write_text(SEVERAL[name])
    reports = json.loads(run("scan", file, "--json").said)["histories"]
    assert [each["counts"]["encrypted"] for each in reports] == [2, 1]


@pytest.mark.parametrize(
    "document",
    [[{"execution": {"workflowId": "w"}, "memo": many(secret("a"))}], {"workflow": {}}, [[]], [{}]],
    ids=["a list of workflows", "a description", "a list in a list", "nothing"],
)
def test_what_is_no_history_is_not_taken_for_one(document: Any, file: Path) -> None:
    file.write_text(json.dumps(document))
    done = run("scan", file)
    assert done.code == 2
    assert "is not an exported history" in done.said


@pytest.mark.parametrize("other", ["history", "items", "workflows"])
def test_histories_in_two_forms_are_refused(other: str, file: Path) -> None:
    """One of them would be overlooked."""
    inner: Any = {"events": [FIRST]} if other == "history" else [{"history": {"events": [FIRST]}}]
    file.write_text(json.dumps({"events": [FIRST], other: inner}))
    done = run("scan", file)
    assert done.code == 2
    assert "in two forms" in done.said


def export(*histories: dict[str, Any]) -> WorkflowExecutions:
    """An export of Temporal Cloud."""
    message = WorkflowExecutions()
    for each in histories:
        message.items.add().history.CopyFrom(json_format.ParseDict(each, History()))
    return message


def history(number: int) -> dict[str, Any]:
    events = [
        {
            "eventId": "1",
            "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
            "workflowExecutionStartedEventAttributes": {"input": many(secret(f"w{number}"))},
        },
        {"eventId": "2", "eventType": "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED"},
    ]
    return {"events": events}


EXPORTS: dict[str, Callable[[WorkflowExecutions], bytes]] = {
    "protobuf": lambda each: each.SerializeToString(),
    "protobuf, newer": lambda each: ExportedExecutions(workflows=each.items).SerializeToString(),
    "compressed": lambda each: gzip.compress(each.SerializeToString()),
    "JSON": lambda each: json_format.MessageToJson(each).encode(),
    "list of JSON": lambda each: json.dumps(json_format.MessageToDict(each)["items"]).encode(),
    "lines of JSON": lambda each: b"\n".join(
        json.dumps(item).encode() for item in json_format.MessageToDict(each)["items"]
    ),
}


@pytest.mark.parametrize("form", EXPORTS)
def test_an_export_of_temporal_cloud_gives_a_result_for_each_workflow(
    form: str, file: Path, ring: Path
) -> None:
    file.write_bytes(EXPORTS[form](export(history(1), history(2))))
    scanned = run("scan", file)
    assert scanned.code == 0
    assert "History 2 of 2:" in scanned.said
    documents = json.loads(run("scan", file, "--json").said)["histories"]
    assert [each["counts"]["encrypted"] for each in documents] == [1, 1]
    assert "Name a folder with --output" in run("decode", file, "--ring", ring).said
    folder = file.with_name("out")
    done = run("decode", file, "--ring", ring, "-o", folder)
    assert done.code == 0, done.said
    for number in (1, 2):
        document = json.loads((folder / f"history-{number:04}.json").read_bytes())
        started = document["events"][0]["workflowExecutionStartedEventAttributes"]
        assert started["input"] == many(clear(f"w{number}"))
        assert len(document["events"]) == 2


@pytest.mark.parametrize("form", ["protobuf", "compressed", "JSON", "list of JSON"])
def test_an_export_that_ends_early_is_refused(form: str, file: Path) -> None:
    file.write_bytes(EXPORTS[form](export(history(1), history(2)))[:-9])
    done = run("scan", file)
    assert done.code == 2
    assert "early" in done.said


def test_one_history_of_an_sdk_in_protobuf_is_read(file: Path) -> None:
    """It is no export, and no export is read as one."""
    message = json_format.ParseDict(history(1), History())
    file.write_bytes(message.SerializeToString())
    assert "2 events: 1 place encrypted" in run("scan", file).said
    file.write_bytes(message.SerializeToString() + b"\xfa\x7f\x02hi")
    assert "Upgrade the package temporalio" in run("scan", file).said


def test_what_the_sdk_does_not_know_is_not_overlooked(file: Path) -> None:
    """A field of a newer export could hold plaintext."""
    file.write_bytes(export(history(1)).SerializeToString() + b"\xfa\x7f\x02hi")
    done = run("scan", file)
    assert done.code == 2
    assert "Upgrade the package temporalio" in done.said


SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "UTF-8 with BOM": lambda each: each.encode("utf-8-sig"),
    "UTF-16": lambda each: each.encode("utf-16"),
    "UTF-16, big-endian": lambda each: b"\xfe\xff" + each.encode("utf-16-be"),
    "UTF-16 without BOM": lambda each: each.encode("utf-16-le"),
    "UTF-16, big-endian, without BOM": lambda each: each.encode("utf-16-be"),
    "UTF-32": lambda each: each.encode("utf-32"),
    "filled up with NUL": lambda each: each.encode() + bytes(512),
    "gzip": lambda each: gzip.compress(each.encode()),
    "gzip, filled up": lambda each: gzip.compress(each.encode()) + bytes(512),
    "gzip in members": lambda each: (
        gzip.compress(each[:9].encode()) + gzip.compress(each[9:].encode())
    ),
    "gzip of UTF-16": lambda each: gzip.compress(each.encode("utf-16")),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_history_in_another_encoding_is_read(spelling: str, file: Path, ring: Path) -> None:
    """As PowerShell and archives write it."""
    file.write_bytes(SPELLINGS[spelling](json.dumps({"events": [FIRST]}, ensure_ascii=False)))
    assert run("scan", file).code == 0
    document, _ = decoded(file, "--ring", ring)
    assert document == {"events": [event(STARTED, input=many(clear("a")))]}


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b'{"events":[]}')[:-4],
        b"\x1f\x8bnonsense",
        gzip.compress(b'{"events":[]}') + b"more",
        '{"a":1}'.encode("utf-16")[:-1],
        '{"a":1}'.encode("utf-16-le")[:-1],
        " ".encode("utf-32") + b"\xff" * 4,
        b" \n",
    ],
    ids=[
        *("gzip that ends early", "no gzip", "more behind gzip", "half of UTF-16"),
        *("half of UTF-16 without BOM", "no UTF-32", "blank"),
    ],
)
def test_a_broken_encoding_is_refused(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    done = run("scan", file)
    assert done.code == 2
    assert "Traceback" not in done.said


@pytest.mark.parametrize("text", ['{"events":[' + "{}," * 99 + "{}]}", "{}\n" * 100], ids=len)
def test_parts_without_end_are_refused(
    text: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """250 KB of gzip once were six gigabytes of empty events."""
    monkeypatch.setattr("temporal_codec.cli.history.forms.MAX_PARTS", 90)
    file.write_bytes(gzip.compress(text.encode()))
    done = run("scan", file)
    assert done.code == 2
    assert "has more parts than this command reads" in done.said


def test_what_follows_a_member_of_gzip_is_not_copied(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 MB of empty members once took minutes: each was followed by a copy of the rest."""
    fed, real = [], zlib.decompressobj

    class Counted:
        def __init__(self, window: int) -> None:
            self._stream = real(window)

        def decompress(self, data: bytes, *most: int) -> bytes:
            fed.append(len(data))
            return self._stream.decompress(data, *most)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    members = gzip.compress(b"") * 2000 + gzip.compress(json.dumps({"events": [FIRST]}).encode())
    file.write_bytes(members)
    monkeypatch.setattr("zlib.decompressobj", Counted)
    assert run("scan", file).code == 0
    assert sum(fed) < 100 * len(members)


def test_the_cli_s_lines_are_one_history(file: Path, ring: Path) -> None:
    file.write_text("\n".join(map(json.dumps, [FIRST, SECOND])))
    document, _ = decoded(file, "--ring", ring)
    assert len(document["events"]) == 2


READABLE = {
    "payloads": event(STARTED, input=many({"name": "Ana"})),
    "one payload": event(STARTED, input=many(clear("a")), header={"fields": {"h": "x"}}),
    "metadata as text": event(
        STARTED, input=many({"metadata": {"encoding": "json/plain"}, "data": "Ana"})
    ),
}


@pytest.mark.parametrize("name", READABLE)
def test_the_web_ui_s_readable_download_is_refused_with_the_reason(
    name: str, file: Path, ring: Path
) -> None:
    """It is no history for a replayer; nothing is written."""
    put(file, READABLE[name])
    output = file.with_name("out.json")
    done = run("decode", file, "--ring", ring, "-o", output)
    assert done.code == 2
    assert "Web UI's Readable download" in done.said
    assert not output.exists()
    assert run("scan", file).code == 1


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (clear("b", b"binary/zstd"), "the encoding is not one of this codec's"),
        ({**secret("b"), "novelty": 1}, "members that this version does not know"),
        (
            payload(Content({"encoding": b"binary/encrypted", "encryption-dek": b"x"}, bytes(40))),
            "another system's format",
        ),
    ],
    ids=["unknown encoding", "unknown member", "another system's"],
)
def test_decode_never_ends_well_while_something_encoded_is_left(
    left: Any, words: str, file: Path, ring: Path
) -> None:
    put(file, event(STARTED, input=many(secret("a"), left)))
    done = run("decode", file, "--ring", ring, "-o", file.with_name("out.json"))
    assert done.code == 1
    assert "Decoded 1 payload in 1 event." in done.said
    assert words in done.said


def test_deep_attributes_of_a_failure_are_no_crash(file: Path, ring: Path) -> None:
    deep = b"[" * 100_000
    attributes = payload(sealed(plain(deep), key(1)))
    put(file, event("x", failure={"message": "Encoded failure", "encodedAttributes": attributes}))
    assert run("decode", file, "--ring", ring).code == 0


# --- what scan proves ------------------------------------------------------------------------


FAKES = {
    "too short": {"encoding": text(b"binary/encrypted"), "encryption-key-id": text(b"key-1")},
    "no key id": {"encoding": text(b"binary/encrypted")},
}


@pytest.mark.parametrize("name", FAKES)
def test_what_has_not_the_form_of_ciphertext_is_not_taken_for_it(name: str, file: Path) -> None:
    data = bytes(20) if name == "too short" else bytes(40)
    put(file, event(STARTED, input=many({"metadata": FAKES[name], "data": text(data)})))
    done = run("scan", file)
    assert done.code == 1
    assert "1 not proven to be encrypted" in done.said


def test_text_that_claims_to_be_encrypted_is_found(file: Path, ring: Path) -> None:
    """Without a ring it is a warning, with a ring it is a fault; real ciphertext is neither."""
    metadata = {
        "encoding": text(b"binary/encrypted"),
        "encryption-key-id": text(b"key-1"),
    }
    words = b"this is the plaintext of somebody who only claims that it is encrypted"
    fake = {"metadata": metadata, "data": text(words)}
    put(file, event(STARTED, input=many(secret("a"), fake)))
    done = run("scan", file)
    assert done.code == 0
    assert done.said.count("does not look like ciphertext") == 1
    done = run("scan", file, "--ring", ring)
    assert done.code == 1
    assert "1 place encrypted, none in plaintext, 1 not proven to be encrypted" in done.said
    assert "1 place not proven: changed, or encrypted with another key of that id" in done.said
    put(file, *(event(STARTED, input=many(secret("x" * n))) for n in range(0, 9000, 300)))
    done = run("scan", file)
    assert (done.code, "Warning" in done.said) == (0, False)
    assert run("scan", file, "--ring", ring).code == 0


# --- payloads inside payloads ----------------------------------------------------------------


SIGNAL = json.loads((CASES / "signal_with_start.json").read_bytes())


def test_the_envelope_of_signal_with_start_is_opened(file: Path) -> None:
    """The envelope is plaintext by design; the payloads in it count, and are decoded."""
    file.write_text(json.dumps(SIGNAL))
    done = run("scan", file)
    assert done.code == 0, done.said
    assert "2 events: 3 places encrypted, none in plaintext, 1 visible by design." in done.said
    document, said = decoded(file, *DEVELOPMENT)
    assert "Decoded 3 payloads in 2 events." in said
    again = file.with_name("again.json")
    again.write_text(json.dumps(document))
    assert "4 in plaintext" not in run("scan", again).said
    assert "3 in plaintext, 1 visible" in run("scan", again).said


def imitated(**attributes: Any) -> list[Any]:
    """The envelope somewhere else."""
    envelope = SIGNAL["events"][1]["nexusOperationScheduledEventAttributes"]["input"]
    return [
        {"eventId": "5", **{name: {**each, "input": envelope} for name, each in attributes.items()}}
    ]


@pytest.mark.parametrize(
    "events",
    [
        imitated(nexusOperationScheduledEventAttributes={"endpoint": "mine"}),
        imitated(workflowExecutionStartedEventAttributes={}),
    ],
    ids=["another endpoint", "another event"],
)
def test_a_payload_that_imitates_the_mark_is_plaintext(events: Any, file: Path) -> None:
    """Only the input and result of Temporal's own operations are envelopes."""
    put(file, *events)
    done = run("scan", file)
    assert done.code == 1
    assert "0 places encrypted, 1 in plaintext" in done.said
    document, said = decoded(file, *DEVELOPMENT)
    assert document["events"] == events
    assert "Decoded 0 payloads" in said


def test_plaintext_inside_the_envelope_is_found(file: Path) -> None:
    from tests.codec.test_envelope import METADATA, message  # noqa: PLC0415 — for this one

    envelope = payload(Content(METADATA, message(0).SerializeToString()))
    scheduled = {"endpoint": "__temporal_system", "input": envelope}
    put(file, {"eventId": "5", "nexusOperationScheduledEventAttributes": scheduled})
    done = run("scan", file)
    assert done.code == 1
    assert "7 in plaintext, 1 visible" in done.said


def test_the_result_of_a_system_operation_is_visible_by_design(file: Path) -> None:
    kind = b"temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionResponse"
    metadata = {
        "encoding": b"binary/protobuf",
        "__temporal_system_payload": b"true",
        "messageType": kind,
    }
    result = payload(Content(metadata, b"\x0a\x03run"))
    completed = {
        "eventId": "7",
        "nexusOperationCompletedEventAttributes": {"scheduledEventId": "5", "result": result},
    }
    put(file, *SIGNAL["events"], completed)
    assert "none in plaintext, 2 visible" in run("scan", file).said
    put(file, completed)
    assert "1 in plaintext, 0 visible" in run("scan", file).said


@pytest.mark.parametrize(
    ("kind", "data"),
    [(b"temporal.api.workflowservice.v1.StartWorkflowExecutionRequest", b"\x2a\x00"), (None, b"x")],
    ids=["another message", "broken"],
)
def test_an_envelope_that_is_not_known_is_told(kind: bytes | None, data: bytes, file: Path) -> None:
    """What is in it can be encrypted or not: neither command ends well."""
    from tests.codec.test_envelope import METADATA  # noqa: PLC0415 — for this one

    metadata = {**METADATA, **({"messageType": kind} if kind else {})}
    scheduled = {
        "endpoint": "__temporal_system",
        "input": payload(Content(metadata, data)),
    }
    put(file, {"eventId": "5", "nexusOperationScheduledEventAttributes": scheduled})
    done = run("scan", file)
    assert done.code == 1
    assert "none in plaintext, 1 not proven to be encrypted" in done.said
    done = run("decode", file, *DEVELOPMENT, "-o", file.with_name("out.json"))
    assert done.code == 1
    assert "1 payload stays encoded: the envelope of a system operation" in done.said


def test_the_mark_on_an_encrypted_payload_hides_nothing(file: Path, ring: Path) -> None:
    marked = secret("a")
    marked["metadata"]["__temporal_system_payload"] = text(b"true")
    put(file, event(STARTED, input=many(marked)))
    document, said = decoded(file, "--ring", ring)
    assert document == {"events": [event(STARTED, input=many(clear("a")))]}
    assert "Decoded 1 payload in 1 event." in said


@pytest.mark.parametrize("name", ["nexusHeader", "nexus_header"])
def test_a_header_of_texts_holds_no_payload(name: str, file: Path, ring: Path) -> None:
    """Whatever its names are: Nexus headers, and those of callbacks."""
    headers = {"data": "words of a header"}
    callback = {"nexus": {"url": "https://a.example.com", "header": headers}}
    put(file, event(STARTED, input=secret("a"), completionCallbacks=[callback], **{name: headers}))
    assert "1 place encrypted, none in plaintext, 0 visible" in run("scan", file).said
    document, _ = decoded(file, "--ring", ring)
    assert document["events"][0][f"{STARTED}EventAttributes"][name] == headers
