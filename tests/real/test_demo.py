"""`make demo` beside another Temporal: it touches nothing of it, and leaves nothing running."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rigs.alone import alone
from tests.rigs.processes import ROOT, clean_environment, free_port, listens
from tests.rigs.temporal import DevServer, dev_server, temporal

pytestmark = pytest.mark.real("Temporal")


def demo(*options: str) -> "subprocess.Popen[str]":
    """Start the demo as `make demo` does, in a session of its own."""
    return subprocess.Popen(
        ["make", "demo", f"DEMO={' '.join(options)}"],
        env={**clean_environment({}), "PATH": f"{temporal().parent}:{os.environ['PATH']}"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: "subprocess.Popen[str]", seconds: float = 120) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def processes_of(ports: list[str]) -> list[str]:
    """Command lines of every process that names one of these ports."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if any(f" {port} " in line for port in ports):
            found.append(line)
    return found


@pytest.fixture(scope="module")
def other() -> Iterator[DevServer]:
    """Somebody else's Temporal."""
    with dev_server() as server:
        yield server


def everything(server: DevServer) -> str:
    """What somebody else's Temporal holds that the demo would make."""
    lists = (("workflow", "list"), ("schedule", "list"), ("operator", "nexus", "endpoint", "list"))
    return "\n".join(server.cli(*each) for each in lists)


def test_a_port_that_is_asked_for_and_in_use_is_refused(other: DevServer) -> None:
    """Before anything starts or is written; the other Temporal holds what it held."""
    before, port = everything(other), other.address.rpartition(":")[2]
    status, out, err = ended(demo("--once", "--port", port))
    assert status != 0
    assert f"make demo: Something listens on port {port} already: choose another --port." in err
    assert "Traceback" not in err
    assert "An order" not in out
    assert everything(other) == before


@contextmanager
def usual_ports_in_use() -> Iterator[None]:
    """Somebody listens on each port that the demo likes best."""
    taken = []
    try:
        for port in (7233, 8233, 8081):
            if not listens(port):
                listener = socket.socket()
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
                listener.listen()
                taken.append(listener)
        yield
    finally:
        for listener in taken:
            listener.close()


def test_it_takes_free_ports_where_the_usual_ones_are_in_use() -> None:
    """It says which, and its links lead there."""
    with alone("ports of the README"), usual_ports_in_use():
        status, out, err = ended(demo("--once"))
    assert status == 0, out + err
    told = dict(re.findall(r"--([a-z-]+) is (\d+)\.", out))
    assert set(told) == {"port", "ui-port", "codec-port"}
    assert f"http://localhost:{told['ui-port']}/namespaces/default/workflows/order-" in out
    assert not processes_of(list(told.values()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_nothing_running(number: signal.Signals) -> None:
    """Temporal, Codec Server and worker end, and the ring's file goes."""
    ports = [str(free_port()) for _ in range(3)]
    names = ("--port", "--ui-port", "--codec-port")
    process = demo(*(each for pair in zip(names, ports, strict=True) for each in pair))
    assert process.stdout
    for line in process.stdout:
        if "Press Ctrl-C to stop everything." in line:
            break
    assert len(processes_of(ports)) >= 2
    os.killpg(process.pid, number)
    ended(process)
    assert not processes_of(ports)
    assert not any(listens(int(port)) for port in ports)


def test_a_temporal_that_came_first_is_never_written_to(other: DevServer) -> None:
    """Between the choice of a port and the start another one may take it: the demo ends."""
    port = int(other.address.rpartition(":")[2])
    script = (
        "import examples.orders.services as services\n"
        "services._is_free = lambda port: True\n"
        "import examples.orders.demo as demo\n"
        "demo.main()"
    )
    before = everything(other)
    done = subprocess.run(
        [
            str(ROOT / ".venv/bin/python"),
            *("-c", script, "--once", "--port", str(port)),
            *("--ui-port", str(free_port()), "--codec-port", str(free_port())),
        ],
        env={**clean_environment({}), "PATH": f"{temporal().parent}:{os.environ['PATH']}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "make demo: a part of it ended at once" in done.stderr
    assert everything(other) == before


def test_without_temporal_it_says_what_to_install(tmp_path: Path) -> None:
    """A sentence, and no traceback."""
    done = subprocess.run(
        [str(ROOT / ".venv/bin/python"), "-m", "examples.orders.demo", "--once"],
        env={**clean_environment({}), "PATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "it needs Temporal's `temporal` program" in done.stderr
    assert "Traceback" not in done.stderr
