"""A Docker of the tests' own, with the images that tests start from."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, running
from tests.rigs.sam import make

LAMBDA = "public.ecr.aws/lambda/python:3.13-x86_64"


@dataclass(frozen=True)
class Docker:
    """A daemon, and the variables with which its clients find it."""

    environment: Mapping[str, str]

    def run(self, *arguments: str | Path, seconds: float = 300) -> str:
        """What a command of the client prints; raises where it fails."""
        done = self.attempt(*arguments, seconds=seconds)
        if done.returncode:
            raise RuntimeError(f"docker {arguments} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def attempt(
        self, *arguments: str | Path, seconds: float = 300
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of the client, whether it succeeds or not."""
        return subprocess.run(
            ["docker", *arguments],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def make(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run make with this daemon."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        return subprocess.run(
            ["make", *arguments],
            env={**kept, **self.environment, **variables},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def load(self, archive: str, name: str) -> None:
        """Make an image of a root file system that the Makefile makes in `.tools`."""
        self.run("import", ROOT / ".tools" / archive, name)


@contextmanager
def docker() -> Iterator[Docker]:
    """Run a daemon."""
    for program in ("dockerd", "docker", "debootstrap"):
        if shutil.which(program) is None:
            lack(program, "install Debian's docker.io and debootstrap")
    if os.geteuid() != 0:
        lack("root", "a Docker of one's own needs it")
    make("lambda-image")
    # Its socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="docker-", dir="/tmp"))
    socket = folder / "socket"
    command: list[str | Path] = [
        *("dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec"),
        *("--pidfile", folder / "pid", "--host", f"unix://{socket}"),
    ]
    try:
        with running(command, socket.exists, dict(os.environ)):
            yield Docker({"DOCKER_HOST": f"unix://{socket}"})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
