"""`temporal-codec doctor`, against servers with one fault each."""

import socket
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Thread

import pytest

from temporal_codec.cli.doctor.finding import Kind
from tests.codec.cli.doctor.doctors import doctor, examine, kinds
from tests.rigs.doctor_faults import (
    CASES,
    GOOD_TOKEN,
    Case,
)
from tests.rigs.processes import free_port

pytestmark = pytest.mark.usefixtures("names")


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_found(name: str, tmp_path: Path) -> None:
    """By its id and its severity; a problem means status 1, and only a problem does."""
    told = examine(CASES[name], tmp_path)
    assert name in told.findings, told.said
    assert told.findings[name]["severity"] == kinds()[name].severity
    problems = told.ids("problem")
    assert told.document["works"] is not bool(problems)
    assert told.code == (1 if problems else 0)


@pytest.mark.parametrize(
    "case", [Case(), Case(token=GOOD_TOKEN, asks=GOOD_TOKEN)], ids=["open", "token"]
)
def test_a_server_without_fault_has_none(case: Case, tmp_path: Path) -> None:
    """Every finding is ok; that loopback is near is said of no server but of the person's page."""
    told = examine(case, tmp_path)
    assert told.ids("warning", "problem") == {"local-address"}
    assert told.code == 0


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.fault])
def test_it_is_the_fault_that_is_found(name: str) -> None:
    """Without it, and with the same arguments, nothing is said."""
    assert name not in without_fault(replace(CASES[name], fault=None))


@cache
def without_fault(case: Case) -> set[str]:
    """What is found of a good server; most cases call the doctor in one way."""
    with tempfile.TemporaryDirectory() as folder:
        return set(examine(case, Path(folder)).findings)


def test_every_finding_is_provoked() -> None:
    """And none is but a name; those that need no HTTP server have a test of their own."""
    without_server = {"connection-refused", "unreachable", "tls-failed"}
    assert set(CASES) | without_server == set(kinds())


def test_nobody_listens() -> None:
    told = doctor(f"https://127.0.0.1:{free_port()}")
    assert told.ids("problem") == {"connection-refused"}
    assert told.code == 1


def test_a_handshake_that_breaks_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:

        def hang_up() -> None:
            caller, _ = server.accept()
            caller.recv(1)
            caller.close()

        closer = Thread(target=hang_up)
        closer.start()
        stack.callback(closer.join)
        told = doctor(f"https://127.0.0.1:{server.getsockname()[1]}", "--timeout", "5")
    assert told.ids("problem") == {"tls-failed"}


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.id)
def test_every_finding_is_a_sentence_and_a_next_step(kind: Kind) -> None:
    for text in (kind.message, kind.next):
        assert text[0].isupper() or text[0] == "{"
        assert text.endswith((".", "{words}", "{fault}", "{reason}", "{url}"))
