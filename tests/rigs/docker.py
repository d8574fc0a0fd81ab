"""A Docker of the tests' own, with the image that the SAM CLI runs functions in."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, running
from tests.rigs.sam import make

IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
_TAR = ROOT / ".tools" / "lambda-image.tar"


@contextmanager
def docker() -> Iterator[dict[str, str]]:
    """Run a daemon; gives the variables with which its clients find it."""
    for program in ("dockerd", "docker", "debootstrap"):
        if shutil.which(program) is None:
            lack(program, "install Debian's docker.io and debootstrap, for `sam local`")
    if os.geteuid() != 0:
        lack("root", "a Docker of one's own needs it, for `sam local`")
    make("lambda-image")
    # Its socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="docker-", dir="/tmp"))
    socket = folder / "socket"
    command: list[str | Path] = [
        *("dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec"),
        *("--pidfile", folder / "pid", "--host", f"unix://{socket}"),
    ]
    environment = {"DOCKER_HOST": f"unix://{socket}"}
    try:
        with running(command, socket.exists, dict(os.environ)):
            _run("import", _TAR, IMAGE, **environment)
            yield environment
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(*arguments: str | Path, **environment: str) -> None:
    subprocess.run(
        ["docker", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        timeout=120,
    )
