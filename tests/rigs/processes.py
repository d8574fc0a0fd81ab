"""Processes that tests start: waited for until they answer, and never left behind."""

import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A port of loopback that nobody listens on.

    The system gives none of these to connections, and each test process has its own thousands.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20000 + worker % 4 * 3000
    for port in random.SystemRandom().sample(range(first, first + 3000), 3000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("every port is in use")


def listens(port: int) -> bool:
    """Whether something on loopback accepts connections at this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings of ours, and with those given."""
    ours = ("CODEC_", "TEMPORAL_", "AWS_LAMBDA", "AWS_SAM")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


@dataclass
class Running:
    """A process that answers, and what it wrote so far."""

    process: subprocess.Popen[bytes]
    output: Path

    def log(self) -> str:
        """Everything that it wrote to stdout and stderr."""
        return self.output.read_text(errors="replace")


@contextmanager
def running(
    command: Sequence[str | Path],
    ready: Callable[[], bool],
    environment: Mapping[str, str],
    *,
    seconds: float = 60,
    folder: Path = ROOT,
) -> Iterator[Running]:
    """Start a command and wait until it is ready; its whole process group ends with the block."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "output"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                list(command),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = Running(process, output)
        try:
            deadline = time.monotonic() + seconds
            while not ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start:\n{started.log()}")
                time.sleep(0.05)
            yield started
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait(10)
