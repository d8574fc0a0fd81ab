"""The servers side by side over HTTP: CPU of the server's process for one request.

One core is the server's and another the load's; only one server is asked at a time, in turns.
Again the least of all turns counts.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import servers
from benchmarks.cases import CASES, Case
from benchmarks.load import Connection, load
from benchmarks.servers import Server
from tests.rigs.issuer import issuer

TURNS = 5
CONCURRENCIES = (1, 8)
# How many requests a turn has, so that each takes some tens of milliseconds.
_REQUESTS = {"a": 800, "b": 240, "c": 32, "d": 16, "e": 80}


@dataclass(frozen=True)
class Comparison:
    """What came of it."""

    cpu: dict[tuple[str, str, int, str], float]
    """Microseconds of CPU by operation, case, concurrency and server."""
    peak: dict[str, float]
    """The most MiB that each server's process ever had resident."""


def measure(turns: int = TURNS) -> Comparison:
    """Ask every server for every case, one connection and eight, decode and encode."""
    available = os.sched_getaffinity(0)
    cpu: dict[tuple[str, str, int, str], float] = {}
    with _all_servers() as running:
        os.sched_setaffinity(0, {servers.cores()[1]})
        try:
            for operation in ("decode", "encode"):
                for case in CASES:
                    for at_once in CONCURRENCIES:
                        taken = take_turns(running, operation, case, at_once, turns)
                        for name, least in taken.items():
                            cpu[operation, case.name, at_once, name] = least
        finally:
            os.sched_setaffinity(0, available)
        return Comparison(cpu, {server.name: server.peak() for server in running})


def take_turns(
    running: list[Server], operation: str, case: Case, at_once: int, turns: int
) -> dict[str, float]:
    """Ask each server in each turn; the least microseconds that a request took it."""
    body = case.sealed() if operation == "decode" else case.plain()
    least: dict[str, float] = {}
    for _ in range(turns):
        for server in running:
            took = _turn(server, operation, body, at_once, _REQUESTS[case.name])
            least[server.name] = min(took, least.get(server.name, took))
    return least


def _turn(server: Server, operation: str, body: bytes, at_once: int, requests: int) -> float:
    # New connections each time: a server hangs up on those that wait for long.
    with ExitStack() as stack:
        lines = [Connection(server.port, operation, body, server.headers) for _ in range(at_once)]
        for line in lines:
            stack.callback(line.close)
        load(lines, at_once)
        before = server.cpu()
        load(lines, requests)
        return (server.cpu() - before) / requests * 1e6


@contextmanager
def _all_servers() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        published = stack.enter_context(issuer(folder))
        guarded = servers.ours_guarded(published, folder)
        contexts = [servers.ours(), servers.samples(), guarded, servers.nothing()]
        if servers.has_go():
            contexts.append(servers.go())
        yield [stack.enter_context(each) for each in contexts]
