"""A real Temporal: its development server, its command line, and a worker that encrypts.

`make temporal` installs server and command line, which are one program, if there is Go.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, Running, clean_environment, free_port, listens, running
from tests.rigs.sam import make


@cache
def temporal() -> Path:
    """The program: the one that the Makefile installs, else whatever is on the PATH."""
    make("temporal")
    installed = ROOT / ".tools/bin/temporal"
    found = str(installed) if installed.exists() else shutil.which("temporal")
    return Path(found) if found else lack("Temporal", "install Go or the temporal CLI")


@dataclass
class DevServer:
    """A Temporal Service that forgets everything when it ends."""

    address: str
    home: str

    def try_cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against this server, whether it succeeds or not."""
        return subprocess.run(
            [temporal(), *arguments, "--address", self.address],
            env=cli_environment(self.home),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def cli(self, *arguments: str) -> str:
        """What a command prints; raises where it fails or complains."""
        done = self.try_cli(*arguments)
        if done.returncode or done.stderr:
            raise RuntimeError(f"temporal {arguments} ended {done.returncode}:\n{done.stderr}")
        return done.stdout

    def knows(self, namespace: str) -> bool:
        """Whether it is there, and ready for work in this namespace."""
        return self.try_cli("workflow", "list", "--namespace", namespace).returncode == 0


def cli_environment(home: str) -> dict[str, str]:
    """An environment in which the command line finds no settings, and writes none to the user's."""
    return clean_environment({"HOME": home, "XDG_CONFIG_HOME": home, "NO_COLOR": "1"})


@contextmanager
def dev_server(*namespaces: str, ui_port: int | None = None) -> Iterator[DevServer]:
    """Run a development server; beside `default` it has these namespaces.

    Its Web UI is there where a port is given for it.
    """
    port = free_port()
    command: list[str | Path] = [
        temporal(),
        *("server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)),
        *(("--ui-port", str(ui_port)) if ui_port else ("--headless",)),
        *(part for name in namespaces for part in ("--namespace", name)),
    ]
    with tempfile.TemporaryDirectory() as home:
        server = DevServer(f"127.0.0.1:{port}", home)

        def answers() -> bool:
            # It listens a moment before it knows its namespaces.
            return listens(port) and all(map(server.knows, ("default", *namespaces)))

        with running(command, answers, cli_environment(home)):
            yield server


@contextmanager
def sample_worker(server: DevServer) -> Iterator[Running]:
    """Run the worker that encrypts as the official sample does; its log is what it received."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        module = "tests.rigs.sample_worker"
        command: list[str | Path] = [sys.executable, "-m", module, server.address, ready]
        with running(command, ready.exists, clean_environment({})) as process:
            yield process
