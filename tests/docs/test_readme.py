"""README.md and docs/local.md: their sessions run as they are written, and print what they show.

A block marked `console` is a session: a line after `$ ` is a command, the rest is what it prints,
and `...` stands for whatever is left out. All blocks of both pages are one session, in their order.
"""

import re
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx
import pytest

from tests.docs.pages import FENCED, dead_links, matches
from tests.rigs.alone import alone
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, listens, running
from tests.rigs.sam import make
from tests.rigs.temporal import DevServer, cli_environment, temporal

PAGES = ("README.md", "docs/local.md")
TEXT = "".join((ROOT / page).read_text() for page in PAGES)
CODEC_SERVER = "http://127.0.0.1:8081"
# These go on until they are stopped, and have the ports that a newcomer will meet.
SERVERS = {"make run": (8081,), "temporal server start-dev": (7233, 8233)}


@dataclass
class Step:
    """A command and what its page says that it prints."""

    command: str
    expected: str

    @property
    def server(self) -> str | None:
        """The server that the command starts, if it does."""
        return next((name for name in SERVERS if name in self.command), None)


def steps() -> list[Step]:
    """Every command of the pages, in order."""
    sessions = [text for kind, text in FENCED.findall(TEXT) if kind == "console"]
    # What comes before the first command is nothing, in a block that starts with one.
    parts = [re.split(r"^\$ ", text, flags=re.MULTILINE) for text in sessions]
    assert {before for before, *_ in parts} == {""}
    return [Step(*part.split("\n", 1)) for _, *commands in parts for part in commands]


@dataclass
class Shell:
    """Terminals of somebody who follows the pages: one home, and the servers that still run."""

    environment: Mapping[str, str]
    servers: dict[str, ExitStack] = field(default_factory=dict)

    def follow(self, step: Step) -> None:
        """Do what a step says, and see that it prints what the page shows."""
        if step.server:
            self._start(step, step.server)
        else:
            printed = self.run(step.command)
            assert matches(step.expected, printed), printed

    def run(self, command: str) -> str:
        """What a command prints on both ways out; it must succeed."""
        done = subprocess.run(
            ["bash", "-c", command],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _start(self, step: Step, server: str) -> None:
        if server in self.servers:
            self.servers[server].close()
        self.servers[server] = ExitStack()
        command = ["bash", "-c", step.command]
        started = self.servers[server].enter_context(
            running(command, lambda: self._answers(server), self.environment)
        )
        # It may answer a moment before it says so.
        until(lambda: matches(step.expected, started.log()))
        assert matches(step.expected, started.log()), started.log()

    def _answers(self, server: str) -> bool:
        temporal_service = DevServer("127.0.0.1:7233", self.environment["HOME"])
        return all(map(listens, SERVERS[server])) and (
            7233 not in SERVERS[server] or temporal_service.knows("default")
        )


def until(fact: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something that is bound to happen, for a while."""
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A newcomer's shell; the README names ports, which must be free."""
    with alone("ports of the README"):
        yield from _shell()


def _shell() -> Iterator[Shell]:
    for port in (port for ports in SERVERS.values() for port in ports):
        if listens(port):
            lack(f"a free port {port}", "stop what listens there: the README names it")
    program = temporal()
    # Setting up prints what it does, the first time.
    make(".venv/.synced")
    with tempfile.TemporaryDirectory() as home:
        environment = {
            name: value
            for name, value in cli_environment(home).items()
            if not name.startswith(("MAKE", "PYTEST"))
        }
        environment["PATH"] = f"{program.parent}:{environment['PATH']}"
        # `make test` is a step, too: it must not run this test, nor the others, again.
        environment["PYTEST_ADDOPTS"] = "-p no:cacheprovider tests/codec/test_protobuf.py"
        own = Shell(environment)
        try:
            yield own
        finally:
            for server in own.servers.values():
                server.close()


@pytest.mark.real("Temporal")
def test_the_session_runs_and_prints_what_it_shows(shell: Shell) -> None:
    """Every command, in order, with the ports, the keys and the output of the pages."""
    for step in steps():
        shell.follow(step)
    # What the sentences around them say: of the Web UI,
    settings = httpx.get("http://localhost:8233/api/v1/settings", trust_env=False).json()
    assert settings["Codec"]["Endpoint"] == CODEC_SERVER
    # of the environment, of a ring of one's own,
    read = f"TEMPORAL_CODEC_ENDPOINT={CODEC_SERVER}"
    start = "temporal workflow start --type Greeting --task-queue demo --workflow-id own"
    shell.run(f"{read} {start} --input '\"canary\"'")
    show = "temporal workflow show --detailed --workflow-id"
    assert key_id("mine") in shell.run(f"{show} own")
    assert "input[0]: canary" in shell.run(f"{read} {show} own")
    # and of what it cannot open.
    assert key_id("test-key-id") in shell.run(f"{read} {show} greeting")
    assert shell.run("find ~/ring.json -perm 600")


def key_id(name: str) -> str:
    return f"encryption-key-id: {b64encode(name.encode()).decode()}\n"


def test_every_block_with_a_command_is_run() -> None:
    """Text in a fence is a session, or a picture without commands."""
    blocks = FENCED.findall(TEXT)
    assert {kind for kind, _ in blocks} == {"console", ""}
    assert [text for kind, text in blocks if not kind and "$ " in text] == []
    commands = [step.command for step in steps()]
    assert commands[:2] == ["make run", "make test"]
    assert len(commands) == TEXT.count("\n$ ")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    assert dead_links(page) == []


def test_the_readme_is_one_screen_or_two() -> None:
    """A newcomer reads it in one go; everything else has a page of its own."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 92


@pytest.mark.parametrize(
    ("printed", "fits"),
    [
        ("Server: x\nUI: y\n", True),
        ("CLI\nServer: x\nUI: y\nmore\n", False),
        ("Server: z\nUI: y\n", False),
        ("", False),
    ],
)
def test_output_is_compared_but_for_what_is_left_out(printed: str, fits: bool) -> None:
    assert matches("Server: x\n...UI: y\n", printed) is fits
