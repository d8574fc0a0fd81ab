"""The servers that are compared over HTTP, each pinned to one core of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import resident
from tests.rigs.interop import built
from tests.rigs.issuer import Issuer, token
from tests.rigs.processes import clean_environment, free_port, listens, running

# A process that runs on one core stays there, whatever it starts.
_PINNED = (
    "import os, sys; os.sched_setaffinity(0, {{{core}}}); os.execvp(sys.argv[1], sys.argv[1:])"
)
POLICY = {
    "grants": [
        {
            "identities": ["sub:auth0|123"],
            "namespaces": ["default"],
            "operations": ["decode", "encode"],
        }
    ]
}


@dataclass(frozen=True)
class Server:
    """A server that answers at a port of loopback."""

    name: str
    port: int
    pid: int
    headers: list[str] = field(default_factory=list)
    """What each request must have beside the usual headers."""

    def cpu(self) -> float:
        """Seconds of CPU that its process and the workers have used, all threads together."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        # The clock of another process, as clock_getcpuclockid(3) names it.
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in (self.pid, *map(int, children)))

    def peak(self) -> float:
        """The most MiB of memory that were ever resident."""
        return resident.peak(self.pid) / 1024


def cores() -> tuple[int, int]:
    """The core of the servers, and that of the load; one alone has to do for both."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


@contextmanager
def ours() -> Iterator[Server]:
    """The local server, without tokens and without a line for each request."""
    command = [sys.executable, "-m", "handlers.local"]
    with started("ours", command, {"ACCESS_LOG": "off"}) as server:
        yield server


@contextmanager
def ours_guarded(issuer: Issuer, folder: Path) -> Iterator[Server]:
    """The local server, which verifies each token, asks the policy and records each request."""
    policy = folder / "policy.json"
    policy.write_text(json.dumps(POLICY))
    settings = {**issuer.settings(), "CODEC_POLICY": f"file:{policy}"}
    command = [sys.executable, "-m", "handlers.local"]
    bearer = [f"Authorization: Bearer {token()}"]
    with started("ours, token and audit", command, settings, bearer) as server:
        yield server


@contextmanager
def samples() -> Iterator[Server]:
    """One on aiohttp, with protobuf's own JSON."""
    with started("samples", [sys.executable, "-m", "benchmarks.samples_server", "{port}"]) as each:
        yield each


@contextmanager
def nothing() -> Iterator[Server]:
    """Uvicorn around an application that gives the body back."""
    with started("nothing", [sys.executable, "-m", "benchmarks.nothing_server", "{port}"]) as each:
        yield each


@contextmanager
def go() -> Iterator[Server]:
    """The Go SDK's remote codec handler."""
    command = [str(built("go") / "codec-server"), "serve", "127.0.0.1:{port}"]
    with started("Go", command, {"GOMAXPROCS": "1"}) as server:
        yield server


def has_go() -> bool:
    """Whether the Go server can be built here."""
    return shutil.which("go") is not None


def go_version() -> str:
    """Of the compiler and of the SDK."""
    if not has_go():
        return "no Go"
    command = ["go", "version", "-m", str(built("go") / "codec-server")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    compiler = told.split()[1].removeprefix("go")
    sdk = re.findall(r"go\.temporal\.io/sdk\s+v(\S+)", told)[0]
    return f"Go {compiler}, its SDK {sdk}"


@contextmanager
def started(
    name: str,
    command: list[str],
    settings: Mapping[str, str] | None = None,
    headers: list[str] | None = None,
) -> Iterator[Server]:
    """Start it, pinned, at a free port."""
    port = free_port()
    pinned = [sys.executable, "-c", _PINNED.format(core=cores()[0])]
    filled = [part.format(port=port) for part in command]
    environment = clean_environment({"PORT": str(port), **(settings or {})})
    with running([*pinned, *filled], lambda: listens(port), environment) as process:
        yield Server(name, port, process.process.pid, headers or [])
