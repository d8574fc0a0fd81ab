"""docs/operations.md: its sessions are run, its other commands are held against what they call.

A block marked `console` is a session in one folder: a line after `$ ` is a command, the rest is
what it prints, and `...` stands for what is left out. A block marked `sh` is about AWS.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

from temporal_codec.keys.key import ROTATION_WAIT
from temporal_codec.keys.sources import RING_LIFE
from tests.codec.cli.terminal import PROGRAM, temporal_codec
from tests.rigs.processes import ROOT, clean_environment
from tests.rigs.secrets_manager import Gate, client, environment

PAGE = (ROOT / "docs" / "operations.md").read_text()
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sessions() -> Iterator[tuple[str, str]]:
    """Every command of a session, in order, and what it prints."""
    for kind, text in FENCED.findall(PAGE):
        if kind == "console":
            before, *commands = re.split(r"^\$ ", text, flags=re.MULTILINE)
            assert before == ""
            for each in commands:
                command, _, expected = each.partition("\n")
                yield command, expected


def lines(program: str) -> list[list[str]]:
    """The lines of the blocks about AWS that start this program, split into words."""
    blocks = [text for kind, text in FENCED.findall(PAGE) if kind == "sh"]
    words = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert {each[0] for each in words} == {"aws", "temporal-codec"}
    return [each[1:] for each in words if each[0] == program]


def test_the_sessions_run_and_print_what_they_show(tmp_path: Path) -> None:
    path = {"PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"}
    for command, expected in sessions():
        done = subprocess.run(
            ["bash", "-c", command],
            env=clean_environment(path),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        fits = OutputChecker().check_output(expected, done.stdout, ELLIPSIS | NORMALIZE_WHITESPACE)
        assert fits, f"$ {command}\n{done.stdout}"


def test_every_block_is_a_session_or_about_aws() -> None:
    assert {kind for kind, _ in FENCED.findall(PAGE)} == {"console", "sh"}
    assert len(list(sessions())) == PAGE.count("\n$ ")


def test_the_rings_in_secrets_manager_obey(secrets: Gate, moto: int) -> None:
    """Every command on a secret, in order; a ring that waits to seal is begun again."""
    aws = client(moto)
    for words in lines("temporal-codec"):
        if words[1] == "enroll":
            continue  # it needs a stack: tests/deploy/test_bulk.py
        if words[1] == "rotate":
            aws.put_secret_value(SecretId="temporal-codec/orders", SecretString='{"keys":[]}')
            aws.put_secret_value(SecretId="temporal-codec/orders", SecretString='{"keys":[]}')
        done = temporal_codec(*words, environment=environment(secrets))
        assert done.returncode == 0, done.stderr
    assert len(lines("temporal-codec")) >= 4


def test_the_figures_are_those_of_the_code() -> None:
    assert f"{2**32:,}" in PAGE
    assert f"{2**32 // 90 // 100_000 * 100_000:,} payloads a day" in PAGE
    assert f"encrypts {ROTATION_WAIT.total_seconds() / 3600:.0f} hours later" in PAGE
    assert f"every {RING_LIFE.fresh / 60:.0f} minutes" in PAGE
    assert f"last good one for {RING_LIFE.last_good / 3600:.0f} hours" in PAGE
    assert f"at most once in {RING_LIFE.cooldown:.0f} seconds" in PAGE


def test_what_the_commands_refer_to_is_there() -> None:
    """Their sentences name parts of this page."""
    texts = "".join(path.read_text() for path in (ROOT / "codec" / "temporal_codec").rglob("*.py"))
    for heading in ("A key leaked", "A ring is broken"):
        assert f'"{heading}"' in texts
        assert f"\n## {heading}\n" in PAGE
