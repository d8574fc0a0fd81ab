"""The contract of a Codec Server: every check can pass, and every check can fail."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from temporal_codec.cli.conformance.check import Level, Outcome, Result
from temporal_codec.cli.conformance.server import Server
from temporal_codec.cli.conformance.suite import CHECKS, conforms, result, results
from temporal_codec.cli.conformance.vectors import Known, samples_key, vectors
from temporal_codec.cli.doctor.connection import Connection
from temporal_codec.cli.doctor.endpoint import read_endpoint
from tests.codec.cli.terminal import temporal_codec
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.conformance_faults import FAULTS, TOKEN, faulty, relay, saying_nothing, with_token
from tests.rigs.faulty_server import faulty_server
from tools.conformance import python_sample, sdk_handler, server_at, shipped

BY_NUMBER = {check.number: check for check in CHECKS}


def at(port: int, token: str = "") -> Server:
    endpoint = read_endpoint(f"http://127.0.0.1:{port}/codec", "default")
    return Server(endpoint, Connection(endpoint, None, 10), Known(samples_key()), token=token)


def failed(found: list[Result], level: Level) -> set[int]:
    wanted = (each for each in found if each.outcome is Outcome.FAIL)
    return {each.check.number for each in wanted if each.check.level is level}


def test_ours_conforms_in_full(development_server: CodecServer) -> None:
    found = list(results(server_at(development_server.url)))
    assert {each.check.number: each.seen for each in found if each.outcome is Outcome.FAIL} == {}


def test_a_relay_and_a_token_change_nothing(development_server: CodecServer) -> None:
    """The server into which the faults are put is right, and so is the one with a token."""
    answers = with_token(relay(development_server.url))
    with faulty_server(answers) as server:
        found = list(results(at(server.port, TOKEN)))
    assert {each.check.number: each.seen for each in found if each.outcome is Outcome.FAIL} == {}
    assert Outcome.SKIPPED not in {each.outcome for each in found}


@pytest.mark.parametrize("number", sorted(FAULTS))
def test_every_check_can_fail(number: int, development_server: CodecServer) -> None:
    answers, fault = faulty(number, development_server.url)
    with faulty_server(answers, fault) as server:
        found = result(BY_NUMBER[number], at(server.port, TOKEN if number in {43, 44} else ""))
    assert found.outcome is Outcome.FAIL
    assert found.seen


def test_every_check_has_its_fault() -> None:
    """A check that only observes cannot fail."""
    assert set(FAULTS) == {each.number for each in CHECKS if each.level is not Level.OBSERVED}
    assert [check.number for check in CHECKS] == list(range(1, len(CHECKS) + 1))
    assert all(check.rule.endswith(".") and check.source.startswith("https") for check in CHECKS)


def test_a_server_that_says_nothing_fails(development_server: CodecServer) -> None:
    with faulty_server(relay(development_server.url), saying_nothing) as server:
        found = list(results(at(server.port)))
    assert not conforms(found)
    assert {1, 2, 3} <= failed(found, Level.MUST)


@pytest.mark.real("go")
def test_the_sdks_own_handler_lacks_cors_alone() -> None:
    """It is for clients without a page; the Go sample puts CORS around it."""
    with sdk_handler() as url:
        found = list(results(server_at(url), without_browser=True))
        everything = list(results(server_at(url)))
    assert failed(found, Level.MUST) == set()
    assert failed(everything, Level.MUST) == {30, 31, 34}


def test_the_python_samples_form_fails_where_it_is_known_to() -> None:
    """No preflight of /encode, a 500 for every bad payload, and bodies of 1 MiB at most."""
    with python_sample() as url:
        found = list(results(server_at(url)))
    assert failed(found, Level.MUST) == {21, 27, 31, 39}


# --- the command -----------------------------------------------------------------------------


def test_the_command_prints_a_table(development_server: CodecServer, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    done = temporal_codec("conformance", development_server.url, "--junit", junit)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "  1  must      pass     POST /decode decrypts a payload."
    assert lines[-1] == "The server conforms. Failed: 0 must, 0 should."
    suite = ET.parse(junit).getroot()
    assert suite.get("failures") == "0"
    assert len(suite) == len(CHECKS)


def test_a_failed_must_is_status_1(development_server: CodecServer, tmp_path: Path) -> None:
    answers, fault = faulty(1, development_server.url)
    junit = tmp_path / "junit.xml"
    with faulty_server(answers, fault) as server:
        url = f"http://127.0.0.1:{server.port}"
        done = temporal_codec("conformance", url, "--json", "--junit", junit)
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["conforms"] is False
    (first, *_) = document["checks"]
    assert (first["number"], first["level"], first["outcome"]) == (1, "must", "fail")
    assert first["seen"] == "payload 1 is another one"
    assert ET.parse(junit).getroot().find("testcase/failure") is not None


def test_a_failed_should_is_status_0(development_server: CodecServer) -> None:
    answers, fault = faulty(33, development_server.url)
    with faulty_server(answers, fault) as server:
        done = temporal_codec("conformance", f"http://127.0.0.1:{server.port}")
    assert done.returncode == 0
    assert "Seen: it is missing" in done.stdout
    assert done.stdout.endswith("The server conforms. Failed: 0 must, 1 should.\n")


@pytest.mark.parametrize("written", [b"k" * 32, b"k" * 32 + b"\r\n", b"a2tr" * 10 + b"a2s=\n"])
def test_a_key_of_ones_own(written: bytes, tmp_path: Path) -> None:
    """Without the samples' key the vectors are skipped; all else is checked with the given one."""
    (tmp_path / "key").write_bytes(written)
    ring = {
        "keys": [
            {
                "id": "mine",
                "key": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
                "activation_date": "2026-01-01T00:00:00Z",
            }
        ]
    }
    (tmp_path / "ring.json").write_text(json.dumps(ring))
    with codec_server({"CODEC_KEYRING": f"file:{tmp_path}/ring.json"}) as server:
        more = ("--key-id", "mine", "--key-file", tmp_path / "key")
        done = temporal_codec("conformance", server.url, *more)
    assert done.returncode == 0, done.stdout
    assert " 14  must      skipped" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("not a url",),
        ("http://127.0.0.1:1",),
        ("http://127.0.0.1:1", "--key-file", "missing"),
        ("http://127.0.0.1:1", "--key-file", __file__),
        ("http://127.0.0.1:1", "--origin", "nothing"),
    ],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...]) -> None:
    done = temporal_codec("conformance", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_vectors_ship_with_the_command() -> None:
    """If this fails, run `make conformance` and commit the file."""
    assert vectors() == shipped()
