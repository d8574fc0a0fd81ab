"""The installed program, and what it loads."""

import subprocess
import sys
from pathlib import Path

import pytest

from temporal_codec import Keyring
from tests.codec.cli.terminal import PROGRAM, at_the_same_time, temporal_codec
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.processes import ROOT, clean_environment
from tests.test_boundaries import loaded

PLAIN = '{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"ImhlbGxvIg=="}]}'


@pytest.mark.parametrize("module", ["temporal_codec.cli", "temporal_codec.cli.app"])
def test_an_import_does_not_load_what_one_command_needs(module: str) -> None:
    """`keys` on a file needs no AWS; the SDK's bridge costs a third of a second."""
    assert not loaded(module) & {"temporalio", "botocore", "boto3", "handlers"}


def test_a_ring_from_its_making_to_its_rotation(path: Path) -> None:
    """What an operator does: make a ring, serve it, rotate it; both generations decode."""
    ring = {"CODEC_KEYRING": f"file:{path}"}
    assert temporal_codec("keys", "new", path).returncode == 0
    with codec_server(ring) as before:
        old = encoded(before)
        assert decodes(before, old)
        rotated = temporal_codec("keys", "rotate", path, "--now")
        assert rotated.returncode == 0, rotated.stderr
        with codec_server(ring) as after:
            new = encoded(after)
            assert decodes(after, old)
            assert decodes(after, new)
        assert decodes(before, old)
    first, second = Keyring.from_json(path.read_bytes())
    assert first.id != second.id


def encoded(server: CodecServer) -> bytes:
    return server.post("/encode", PLAIN).content


def decodes(server: CodecServer, body: bytes) -> bool:
    answer = server.post("/decode", body)
    return b"ImhlbGxvIg==" in answer.content and answer.headers["x-codec-undecoded"] == "0"


def test_of_many_at_once_none_undoes_anothers_change(path: Path) -> None:
    """Who said that it added a key did add it; who came second said so."""
    temporal_codec("keys", "new", path)
    runs = at_the_same_time(6, "keys", "rotate", path, "--now")
    added = [run for run in runs if run.returncode == 0]
    assert added
    assert all("Somebody else changed" in run.stderr for run in runs if run not in added)
    assert len(Keyring.from_json(path.read_bytes())) == 1 + len(added)


def test_a_fault_is_a_sentence_on_stderr(path: Path) -> None:
    """No traceback, no box, and status 1."""
    done = temporal_codec("keys", "list", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"file:{path} does not exist. `temporal-codec keys new` makes it.\n"


@pytest.mark.parametrize(
    ("lacking", "ring"),
    [("typer", "ring.json"), ("rich", "ring.json"), ("botocore", "secretsmanager:orders")],
)
def test_what_is_not_installed_is_named(lacking: str, ring: str) -> None:
    """A worker's installation has the script, too, without what it needs."""
    script = (
        f"import sys; sys.modules[{lacking!r}] = None; import temporal_codec.cli as cli; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "keys", "list", ring],
        env=clean_environment({}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install '.[cli]'" in done.stderr
    assert lacking in done.stderr
    assert "Traceback" not in done.stderr


def test_an_exception_that_nobody_expected_shows_no_variables(path: Path) -> None:
    """K8: pretty tracebacks would print the locals, and some of them are keys."""
    script = (
        "import temporal_codec.cli as cli, temporal_codec.cli.keys.change as c\n"
        "def broken(ring, now):\n"
        "    secret = 'canary' * 2\n"
        "    raise RuntimeError\n"
        "c.make = broken\n"
        "cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "keys", "new", path],
        env=clean_environment({}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "RuntimeError" in done.stderr
    assert "canarycanary" not in done.stderr
    assert "╭" not in done.stderr


@pytest.mark.parametrize(
    ("ending", "status", "said"),
    [
        ("> /dev/full", 1, "Cannot write to standard output: No space left on device.\n"),
        (">&-", 0, ""),
    ],
)
def test_an_output_that_takes_nothing_is_no_traceback(
    path: Path, ending: str, status: int, said: str
) -> None:
    """A full disk is a sentence; a closed output leaves the exit status."""
    temporal_codec("keys", "new", path)
    done = subprocess.run(
        ["sh", "-c", f'"$0" keys list "$1" {ending}', PROGRAM, path],
        env=clean_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, said)


@pytest.mark.parametrize("words", [["scan"], ["decode"]], ids=" ".join)
def test_a_ring_that_does_not_exist_is_named(path: Path, words: list[str]) -> None:
    """It is not the history's fault, so nothing is said of its payloads."""
    done = temporal_codec("history", *words, "-", "--ring", path, typed='{"events":[{}]}')
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"The key ring {path} does not exist. Check --ring and --namespace.\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        *([group, "--help"] for group in ("doctor", "keys", "history", "payload", "policy")),
        ["keys", "import", "--help"],
        ["doctor", "http://127.0.0.1:1", "--cli", "--namespace", "Ж✓"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_terminal_that_is_not_utf8_shows_everything(words: list[str], encoding: str) -> None:
    """In 80 columns, no line is wider and no character is an error."""
    environment = {"PYTHONIOENCODING": encoding, "COLUMNS": "80", "TERM": "dumb"}
    done = subprocess.run(
        [PROGRAM, *words],
        env=clean_environment(environment),
        capture_output=True,
        check=False,
    )
    assert done.returncode == (1 if "http://127.0.0.1:1" in words else 0), done.stderr
    text = done.stdout.decode(encoding, errors="replace")
    assert done.stderr == b""
    if "--help" in words:
        assert max(map(len, text.splitlines())) <= 80
