"""Somebody with an empty home, who types what the pages say and has nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.rigs.processes import ROOT, Running, free_port, listens, running
from tests.rigs.temporal import temporal


@dataclass
class Newcomer:
    """A shell as `env -i` leaves it, in a home of its own."""

    home: Path
    instead: dict[str, str] = field(default_factory=dict)
    """What stands in a page, and what this person has in its place: ports, names, files."""
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of this process: a home, and where the installed programs are."""
        programs = (Path(sys.executable).parent, temporal().parent, "/usr/bin", "/bin")
        path = ":".join(map(str, programs))
        return {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", **self.variables}

    def reads(self, page: str, text: str) -> str:
        """What a page says, with what this person has in the place of examples."""
        assert text in (ROOT / page).read_text(), f"{page} does not say: {text}"
        for said, own in self.instead.items():
            text = text.replace(said, own)
        return text

    def types(self, page: str, command: str, *, ends: int = 0) -> str:
        """What a command of a page prints, on both ways out; it must end with this status."""
        done = subprocess.run(
            ["bash", "-c", self.reads(page, command)],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == ends, done.stdout
        return done.stdout

    @contextmanager
    def serves(self, **settings: str) -> Iterator[Running]:
        """Leave `make run` on in another terminal, at a port that is free here."""
        port = free_port()
        self.instead["127.0.0.1:8081"] = f"127.0.0.1:{port}"
        environment = {**self.environment, "PORT": str(port), **settings}
        command = ["make", self.reads("README.md", "make run").removeprefix("make ")]
        with running(command, lambda: listens(port), environment) as started:
            yield started
