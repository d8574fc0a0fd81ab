"""docs/doctor.md: its session is run, and its tables are the findings that there are."""

import re
import shlex
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker

import pytest

from temporal_codec.cli.doctor.finding import Kind
from tests.codec.cli.doctor.doctors import kinds
from tests.codec.cli.terminal import temporal_codec
from tests.rigs.codec_server import CodecServer
from tests.rigs.processes import ROOT

PAGE = (ROOT / "docs" / "doctor.md").read_text()
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OURS = "http://127.0.0.1:8081"


def row(kind: Kind) -> str:
    """A finding as the page shows it: facts stand there in capitals."""
    message, following = (
        re.sub(r"\{(\w+)\}", lambda fact: fact[1].upper(), text)
        .replace("{{", "{")
        .replace("}}", "}")
        for text in (kind.message, kind.next)
    )
    cells = [f"`{kind.id}`", kind.severity, message.replace(" WORDS", ""), following]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.id)
def test_every_finding_is_explained(kind: Kind) -> None:
    """In the words of the command."""
    assert f"\n{row(kind)}\n" in PAGE


def test_what_is_explained_is_found() -> None:
    assert sorted(
        re.findall(r"^\| `([a-z0-9-]+)` \| (?:ok|warning|problem) \|", PAGE, re.MULTILINE)
    ) == sorted(kinds())


def test_the_session_runs_and_prints_what_it_shows(development_server: CodecServer) -> None:
    """With the port of this test's server in place of the usual one."""
    sessions = [text for kind, text in FENCED.findall(PAGE) if kind == "console"]
    commands = [
        each for text in sessions for each in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    ]
    assert commands
    for each in commands:
        command, _, expected = each.replace(OURS, development_server.url).partition("\n")
        program, *words = shlex.split(command)
        assert program == "temporal-codec"
        done = temporal_codec(*words)
        fits = OutputChecker().check_output(expected, done.stdout, ELLIPSIS | NORMALIZE_WHITESPACE)
        assert fits, done.stdout


def test_the_options_that_are_named_are_there() -> None:
    said = re.sub(r"\s", "", temporal_codec("doctor", "--help").stdout)
    named = set(re.findall(r"`(--[a-z-]+)", PAGE)) - {"--codec-auth"}
    assert len(named) >= 6
    assert [option for option in named if option not in said] == []
