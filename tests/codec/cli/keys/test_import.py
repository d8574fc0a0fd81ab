"""`temporal-codec keys import`: the key of a codec that is there already."""

import os
import pty
import subprocess
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from temporal_codec import Keyring
from tests.codec.cli.conftest import SAMPLE_KEY, Operator, aged, holds_no_key, put
from tests.codec.cli.terminal import PROGRAM
from tests.rigs.codec_server import codec_server
from tests.rigs.processes import clean_environment
from tests.vectors_read import Vector, payloads, vectors

HIGH = bytes(range(224, 256))  # base64url writes it with - and _


def test_the_samples_key_decodes_what_the_samples_sealed(operator: Operator, path: Path) -> None:
    """From its text, with the id that payloads carry, through a real server."""
    assert operator.keys("import", "--id", "test-key-id", typed=SAMPLE_KEY).code == 0
    vector: Vector = next(v for v in vectors() if v.name == "python-encryption-json-plain")
    with codec_server({"CODEC_KEYRING": f"file:{path}"}) as server:
        answer = server.post("/decode", vector.body)
    assert payloads(answer.json()) == payloads(vector.expected)
    assert answer.headers["x-codec-undecoded"] == "0"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (SAMPLE_KEY, SAMPLE_KEY),
        (SAMPLE_KEY + b"\n", SAMPLE_KEY),
        (SAMPLE_KEY + b"\r\n", SAMPLE_KEY),
        ("ключ-ключ-ключ-ключ".encode()[:32], "ключ-ключ-ключ-ключ".encode()[:32]),
        (b64encode(HIGH), HIGH),
        (b64encode(HIGH) + b"\n", HIGH),
        (urlsafe_b64encode(HIGH).rstrip(b"="), HIGH),
        # 32 characters are the key itself, even where they could be base64 of less.
        (b"A" * 32, b"A" * 32),
    ],
)
@pytest.mark.parametrize("from_file", [True, False])
def test_a_key_comes_as_text_or_as_base64(
    operator: Operator, tmp_path: Path, text: bytes, secret: bytes, from_file: bool
) -> None:
    operator.secrets.add(secret)
    if from_file:
        (tmp_path / "key").write_bytes(text)
        done = operator.keys("import", "--id", "old", "--key-file", str(tmp_path / "key"))
    else:
        done = operator.keys("import", "--id", "old", typed=text)
    assert done.code == 0, done.said
    assert [(key.id, key.secret) for key in operator.ring] == [("old", secret)]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        SAMPLE_KEY[:-1],
        SAMPLE_KEY[:-1] + b"\n",  # 32 bytes, but the last one only ends the line
        SAMPLE_KEY + b"!",
        b64encode(HIGH[:16]),
        b64encode(HIGH + b"!"),
        b"!" * 44,
        SAMPLE_KEY * 1000,
    ],
)
def test_another_text_is_refused_and_not_quoted(
    operator: Operator, path: Path, text: bytes
) -> None:
    done = operator.keys("import", "--id", "old", typed=text)
    assert done.code == 2
    said = "This is not an AES-256 key. Use 32 bytes of text" if text else "There is no key"
    assert said in done.said
    assert not path.exists()
    if text:
        assert text.decode("latin-1") not in done.said


def test_a_file_that_cannot_be_read_is_a_sentence(operator: Operator) -> None:
    done = operator.keys("import", "--id", "old", "--key-file", "/nowhere/key")
    assert (done.code, done.said) == (
        2,
        "--key-file: cannot read /nowhere/key: No such file or directory.",
    )


def test_an_imported_key_seals_only_where_no_newer_key_does(operator: Operator, path: Path) -> None:
    """Existing payloads need it for opening; the encrypting key must not change."""
    done = operator.keys("import", "--id", "first", typed=b64encode(HIGH))
    assert "first encrypts now" in done.said
    assert operator.roles() == ["seals"]
    done = operator.keys("import", "--id", "second", typed=b64encode(HIGH[::-1]))
    assert "first encrypts now" in done.said
    assert operator.roles() == ["seals", "opens"]
    put(path, aged(1, timedelta(days=1)))
    done = operator.keys("import", "--id", "third", typed=b64encode(HIGH))
    assert "key-1 encrypts now" in done.said
    assert operator.roles() == ["seals", "opens"]


@pytest.mark.parametrize(
    ("date", "roles"),
    [
        ("2026-01-02", ["opens", "seals"]),
        ("2026-01-02T03:00:00+01:00", ["opens", "seals"]),
        ("9000-01-01T00:00:00Z", ["seals", "waits"]),
    ],
)
def test_a_date_says_when_it_seals(
    operator: Operator, path: Path, date: str, roles: list[str]
) -> None:
    """Without a time zone it is UTC."""
    put(path, aged(1, timedelta(days=36_500)))
    operator.keys("import", "--id", "old", "--active-from", date, typed=b64encode(HIGH))
    _, imported = operator.ring
    given = datetime.fromisoformat(date)
    assert imported.activation_date == given.replace(tzinfo=given.tzinfo or UTC)
    assert operator.roles() == roles


@pytest.mark.parametrize("date", ["tomorrow", "", "23.11.2026", "0001-01-01T00:00:00+14:00"])
def test_another_date_is_refused(operator: Operator, path: Path, date: str) -> None:
    done = operator.keys("import", "--id", "x", "--active-from", date, typed=b64encode(HIGH))
    assert done.code == 2
    assert "write DATE as 2026-11-23" in done.said
    assert not path.exists()


def test_an_id_that_the_ring_has_is_refused(operator: Operator) -> None:
    operator.keys("import", "--id", "old", typed=b64encode(HIGH))
    before = operator.read()
    done = operator.keys("import", "--id", "old", typed=SAMPLE_KEY)
    assert done.code == 1
    assert "was not changed: two keys have the same id" in done.said
    assert operator.read() == before


def test_the_samples_key_comes_with_a_warning(operator: Operator, path: Path) -> None:
    put(path, aged(1, timedelta(days=1)))
    done = operator.keys("import", "--id", "test-key-id", typed=SAMPLE_KEY)
    assert (done.code, "everybody can read what it encrypted" in done.said) == (0, True)


def test_a_key_as_an_argument_is_refused_and_not_repeated(operator: Operator, path: Path) -> None:
    """It would stay in the shell's history."""
    key = SAMPLE_KEY.decode()
    for arguments in ([key], [f"--key={key}"], ["--key", key]):
        done = operator.keys("import", "--id", "old", *arguments, typed=SAMPLE_KEY)
        assert done.code != 0
        assert not path.exists()
    assert "history" in operator.keys("import", "--id", "old", key).said
    done = operator.keys("import", "--id", key, typed=SAMPLE_KEY)
    assert done.code == 2
    assert "--id-is-key" in done.said


def test_the_id_may_be_the_key_as_in_javas_sample(operator: Operator) -> None:
    """K8: nobody types the id, and it is shown by its fingerprint."""
    done = operator.keys("import", "--id-is-key", typed=SAMPLE_KEY)
    assert done.code == 0
    assert "sha256:" in done.said
    assert [key.id.encode() for key in operator.ring] == [SAMPLE_KEY]


@pytest.mark.parametrize("key", [HIGH, b"with a control character\x07 inside"])
def test_a_key_that_can_be_no_id_is_refused(operator: Operator, key: bytes) -> None:
    done = operator.keys("import", "--id-is-key", typed=b64encode(key))
    assert done.code == 2
    assert "id" in done.said


@pytest.mark.parametrize("arguments", [[], ["--id", "x", "--id-is-key"]])
def test_it_must_be_said_which_payloads_it_opens(operator: Operator, arguments: list[str]) -> None:
    done = operator.keys("import", *arguments, typed=SAMPLE_KEY)
    assert (done.code, "either --id or --id-is-key" in done.said) == (2, True)


def test_who_types_the_key_does_not_see_it(path: Path) -> None:
    """At a terminal it is asked for, without echo."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "keys", "import", path, "--id", "old"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_environment({}),
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    with process:
        while b"not shown" not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, SAMPLE_KEY + b"\n")
        while piece := read_to_the_end(ours):
            shown += piece
    os.close(ours)
    assert process.returncode == 0, shown
    holds_no_key(shown.decode(), {SAMPLE_KEY})
    assert [key.secret for key in Keyring.from_json(path.read_bytes())] == [SAMPLE_KEY]


def read_to_the_end(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # Linux says so when the last process at the terminal ends
        return b""


def test_a_byte_order_mark_is_taken_and_utf16_is_named(operator: Operator) -> None:
    """As Windows editors and PowerShell write a key."""
    done = operator.keys("import", "--id", "a", typed=b"\xef\xbb\xbf" + SAMPLE_KEY + b"\r\n")
    assert done.code == 0, done.said
    assert [each.secret for each in operator.ring] == [SAMPLE_KEY]
    key = SAMPLE_KEY.decode()
    # The last two have 32 bytes.
    for text in (key.encode("utf-16"), key.encode("utf-16-be"), key[:15].encode("utf-16")):
        done = operator.keys("import", "--id", "b", typed=text)
        assert done.code == 2
        assert "This key is UTF-16. Save it as UTF-8." in done.said
        assert len(operator.ring) == 1


@pytest.mark.parametrize("start", [b"\0", b"k\0", b"\xff\xfe", b"\0\0\xfe\xff"])
def test_random_bytes_are_a_key_whatever_they_begin_with(operator: Operator, start: bytes) -> None:
    """One in a hundred begins as UTF-16 or UTF-32 does."""
    key = start + bytes(range(200, 232 - len(start)))
    assert operator.keys("import", "--id", "a", typed=key).code == 0
    assert [each.secret for each in operator.ring] == [key]


@pytest.mark.parametrize("around", ["{}\n\n", "  {}", "{} \t\r\n"])
def test_blanks_around_base64_are_removed(operator: Operator, around: str) -> None:
    """Copied keys have them; in a key that is text they would be a part of it."""
    typed = around.format(b64encode(SAMPLE_KEY).decode()).encode()
    assert operator.keys("import", "--id", "a", typed=typed).code == 0
    assert [each.secret for each in operator.ring] == [SAMPLE_KEY]
    assert operator.keys("import", "--id", "b", typed=SAMPLE_KEY + b"  ").code == 2
