"""A second place for records: one survives the loss of the other."""

import json
import logging
import os
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import pytest

from handlers.server.audit import Record, begin, lines_to
from handlers.server.second import with_copy
from handlers.settings.environ import SettingsError
from handlers.settings.server import server_settings
from tests.handlers.calls import app, call
from tests.rigs.codec_server import codec_server
from tests.rigs.issuer import issuer, token


def broken(_record: Record) -> None:
    raise OSError(28, "No space left on device")


def ids(text: str) -> list[str]:
    return [json.loads(line)["request_id"] for line in text.splitlines()]


def test_each_place_has_every_record(tmp_path: Path) -> None:
    first, second = StringIO(), tmp_path / "copy"
    served = app(write=with_copy(lines_to(first), str(second)))
    sent = [call(served).headers["x-request-id"] for _ in range(3)]
    assert ids(first.getvalue()) == ids(second.read_text()) == sent
    assert second.stat().st_mode & 0o777 == 0o600


def test_one_that_fails_never_loses_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The request is answered, and the log names it."""
    second = tmp_path / "folder" / "copy"
    second.parent.mkdir()
    reply = call(app(write=with_copy(broken, str(second))))
    assert (reply.status, ids(second.read_text())) == (200, [reply.headers["x-request-id"]])
    first = StringIO()
    served = app(write=with_copy(lines_to(first), str(second)))
    second.unlink()
    second.parent.rmdir()
    assert call(served).status == 200
    second.parent.mkdir()  # the disk is back
    assert call(served).status == 200
    assert len(ids(first.getvalue())) == 2
    assert len(ids(second.read_text())) == 1
    assert [each.message for each in caplog.records] == [
        "a record is in one of its two places only"
    ] * 2


def test_without_either_nothing_leaves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rule A: if the record cannot be written, no plaintext leaves."""
    caplog.set_level(logging.CRITICAL, "codec-server")
    second = tmp_path / "copy"
    served = app(write=with_copy(broken, str(second)))
    second.unlink()
    second.mkdir()
    reply = call(served)
    assert reply.status == 500
    assert "could not be recorded" in reply.json()["detail"]


def test_a_torn_line_is_ended_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk takes a part of a line; the next record is whole."""
    second = tmp_path / "copy"
    write = with_copy(broken, str(second))
    real = os.write
    monkeypatch.setattr("os.write", lambda descriptor, line: real(descriptor, line[:20]))
    with pytest.raises(OSError, match="No space"):
        write(begin(None))
    monkeypatch.setattr("os.write", real)
    write(begin(None))
    write(begin(None))
    first, *whole = second.read_text().splitlines()
    assert len(first) == 20
    assert len(ids("\n".join(whole))) == 2


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CODEC_AUDIT_COPY names a file that cannot"):
        with_copy(broken, str(tmp_path / "nowhere" / "copy"))
    for wrong in ("copy", "file:", "s3:bucket/key"):
        with pytest.raises(SettingsError, match="CODEC_AUDIT_COPY must be file:PATH"):
            server_settings({"CODEC_AUDIT_COPY": wrong})


@pytest.mark.parametrize("metrics", ["none", "emf"])
def test_the_local_server_answers_with_a_full_standard_output(tmp_path: Path, metrics: str) -> None:
    """The real process, whose standard output takes nothing: no record and no metrics."""
    copy = tmp_path / "copy"
    with ExitStack() as stack:
        published = stack.enter_context(issuer(tmp_path))
        settings = {**published.settings(), "CODEC_AUDIT_COPY": f"file:{copy}"}
        settings["CODEC_METRICS"] = metrics
        server = stack.enter_context(codec_server(settings, stdout="/dev/full"))
        headers = {"authorization": f"Bearer {token()}"}
        reply = server.client.post("/decode", content=b'{"payloads":[]}', headers=headers)
        assert reply.status_code != 500
        assert ids(copy.read_text()) == [reply.headers["x-request-id"]]
