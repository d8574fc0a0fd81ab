"""What the demo runs beside its worker: a Temporal Service and a Codec Server of its own."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_STOP_SECONDS = 20


@dataclass(frozen=True)
class Ports:
    """Where everything listens; nobody else listened there when they were chosen."""

    temporal: int
    ui: int
    codec: int


def choose(name: str, wanted: int | None, usual: int) -> int:
    """The port that somebody wants, or else the usual one, or any that is free.

    Ends the demo where the wanted one is in use.
    """
    if wanted is not None and not _is_free(wanted):
        refuse(f"Something listens on port {wanted} already: choose another --{name}.")
    port = wanted or (usual if _is_free(usual) else _any_free())
    if wanted is None and port != usual:
        print(f"Something listens on port {usual} already: --{name} is {port}.", flush=True)
    return port


def _is_free(port: int) -> bool:
    for family, host in LOOPBACK:
        with socket.socket(family) as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, port)) == 0:
                return False
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refuse(sentence: str) -> NoReturn:
    """End the demo with what is wrong and what to do."""
    sys.exit(f"make demo: {sentence}")


@contextmanager
def codec_server(ports: Ports, ring: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Codec Server that the Web UI's pages may ask."""
    pages = (f"http://{host}:{ports.ui}" for host in ("localhost", "127.0.0.1"))
    settings = {
        "PORT": str(ports.codec),
        "CODEC_KEYRING": ring,
        "CODEC_ORIGINS": ",".join(pages),
    }
    with _running([sys.executable, "-m", "handlers.local"], settings) as process:
        yield process


@contextmanager
def temporal_service(ports: Ports, mark: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Temporal Service with a namespace that no other service has."""
    if shutil.which("temporal") is None:
        refuse("it needs Temporal's `temporal` program. Install it, or install Go and try again.")
    command = ["temporal", "server", "start-dev", "--log-level", "error", "--namespace", mark]
    command += ["--port", str(ports.temporal), "--ui-port", str(ports.ui)]
    command += ["--ui-codec-endpoint", f"http://127.0.0.1:{ports.codec}"]
    with _running(command, {}) as process:
        yield process


@contextmanager
def _running(
    command: Sequence[str], settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    # A group of its own: Ctrl-C is for the demo, which stops them in order.
    process = subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
