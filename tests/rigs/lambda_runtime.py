"""The built artifacts under Lambda's own runtime: the emulator that the SAM CLI ships.

Its other half, the runtime's interpreter side, is `awslambdaric`; `make lambda-runtime` has both,
and builds the artifacts where they are outdated.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, Running, free_port, listens, running
from tests.rigs.sam import make

_INVOCATIONS = "/2015-03-31/functions/function/invocations"
RUNTIME = ROOT / ".tools" / "lambda-runtime"


@dataclass
class Function:
    """A Lambda function that takes one event at a time."""

    client: httpx.Client
    running: Running

    def invoke(self, event: object) -> Any:
        """What the function returns for an event; what the runtime says where it failed."""
        return self.client.post(_INVOCATIONS, json=event).json()

    def log(self) -> str:
        """What the function and the runtime have written."""
        return self.running.log()


@contextmanager
def lambda_function(
    name: str, handler: str, settings: Mapping[str, str], *, sam_local: bool = True
) -> Iterator[Function]:
    """Run a function of the template; `sam_local` lets it start without a token and real keys."""
    more = {"AWS_SAM_LOCAL": "true"} if sam_local else {}
    with function_in(artifact(name), handler, {**settings, **more}) as function:
        yield function


@contextmanager
def function_in(
    folder: Path, handler: str, settings: Mapping[str, str], runtime: Path = RUNTIME
) -> Iterator[Function]:
    """Run a function whose package is this folder; it starts at the first event."""
    port = free_port()
    command: list[str | Path] = [
        *(_emulator(), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{free_port()}"),
        *(*interpreter(), "-m", "awslambdaric", handler),
    ]
    environment = bare_environment({"PYTHONPATH": str(runtime), **settings})
    with (
        running(command, lambda: listens(port), environment, folder=folder) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
    ):
        yield Function(client, process)


def artifact(name: str) -> Path:
    """The folder that becomes a function's package."""
    make("build")
    return ROOT / ".aws-sam" / "build" / name


@cache
def interpreter() -> list[str]:
    """Python 3.13, which the artifacts are for; it sees no packages but those it is given."""
    names = [
        f"{sys.base_prefix}/bin/python3.13",
        "python3.13",
        *map(str, Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13")),
    ]
    found = next(filter(_answers, names), None)
    return [found, "-S"] if found else lack("Python 3.13", "install it, for Lambda's runtime")


def bare_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """An environment as empty as Lambda's; an artifact stays as it was built."""
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **settings}


def _answers(python: str) -> bool:
    # A shim may be on the PATH and yet lead nowhere.
    try:
        return subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _emulator() -> Path:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        lack("Lambda's runtime", "these artifacts and the emulator are for Linux on x86_64")
    make("lambda-runtime")
    return next((ROOT / ".tools/sam").glob("lib/*/site-packages/samcli/local/rapid/*-x86_64"))
