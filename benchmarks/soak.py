"""A hundred thousand requests of every kind, and what they leave behind in memory.

Two homes are soaked: the local server over HTTP, with token, policy and record, and the Lambda
handler with the runtime's JSON around it, in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

from benchmarks import plot, servers
from benchmarks.cases import CASES
from benchmarks.invocation import Handle, invoked, stacks, surroundings
from benchmarks.load import Connection
from benchmarks.resident import resident
from tests.rigs.issuer import issuer, token
from tests.rigs.lambda_events import Request, http_api

REQUESTS = 100_000
SAMPLES = 100
Series = dict[str, list[int]]
"""KiB resident after each hundredth of the requests, by home."""


@dataclass(frozen=True)
class Kind:
    """A request, what is answered, and how many of a hundred are such."""

    weight: int
    status: int
    operation: str
    body: bytes
    token: str | None = None


def kinds() -> list[Kind]:
    """All five cases, both ways, and what is refused or cannot be opened."""
    a, b, c, d, e = CASES
    bearer, forged = token(), token()[:-8] + "AAAAAAAA"
    strange = a.sealed().replace(b"encryption-key-id", b"encryption-key-xx")
    good = [
        *((60, "decode", a.sealed()), (5, "encode", a.plain())),
        *((8, "decode", b.sealed()), (2, "encode", b.plain())),
        *((5, "decode", e.sealed()), (2, "decode", c.sealed()), (1, "encode", c.plain())),
        *((1, "decode", d.sealed()), (2, "decode", strange), (2, "decode", b"{}")),
    ]
    return [
        *(Kind(weight, 200, operation, body, bearer) for weight, operation, body in good),
        Kind(3, 401, "decode", a.sealed()),
        Kind(3, 401, "decode", a.sealed(), forged),
        Kind(3, 400, "decode", a.sealed()[:-1], bearer),
        Kind(3, 404, "elsewhere", a.sealed(), bearer),
    ]


def order(all_kinds: Sequence[Kind], requests: int) -> list[int]:
    """Which kind each request is of: the same for everybody, and no pattern in it."""
    hundred = [place for place, kind in enumerate(all_kinds) for _ in range(kind.weight)]
    return Random(1).choices(hundred, k=requests)


def soak(asks: Sequence[Callable[[], object]], pid: int, places: Sequence[int]) -> list[int]:
    """Make the requests in this order; the process's KiB after each hundredth of them."""
    step = max(1, len(places) // SAMPLES)
    found = []
    for number, place in enumerate(places, 1):
        asks[place]()
        if number % step == 0:
            found.append(resident(pid))
    return found


def over_http(requests: int) -> list[int]:
    """Soak the local server, a kept connection for each kind of request."""
    asked = kinds()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        published = stack.enter_context(issuer(folder))
        server = stack.enter_context(servers.ours_guarded(published, folder))
        lines = []
        for kind in asked:
            bearer = [f"Authorization: Bearer {kind.token}"] if kind.token else []
            line = Connection(server.port, kind.operation, kind.body, bearer, kind.status)
            stack.callback(line.close)
            lines.append(line.ask)
        return soak(lines, server.pid, order(asked, requests))


def as_function(requests: int) -> list[int]:
    """Soak the Lambda handler in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.soak", str(requests)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return list(map(int, told.split()))


def _work(requests: int) -> None:
    asked, out = kinds(), sys.stdout
    with surroundings():
        handle = stacks()[-1]
        asks = [partial(_invoke, handle, kind, _event(kind)) for kind in asked]
        found = soak(asks, os.getpid(), order(asked, requests))
    print(*found, file=out)


def _event(kind: Kind) -> str:
    headers = {"content-type": "application/json", "x-namespace": "default"}
    if kind.token:
        headers["authorization"] = f"Bearer {kind.token}"
    return json.dumps(http_api(Request("POST", f"/{kind.operation}", headers, kind.body)))


def _invoke(handle: Handle, kind: Kind, event: str) -> None:
    answer = invoked(handle, event)
    if f'"statusCode": {kind.status}' not in answer[:100]:
        raise RuntimeError(f"the function answered {answer[:200]}")


HOMES: dict[str, Callable[[int], list[int]]] = {
    "local server": over_http,
    "Lambda handler": as_function,
}


def measure(requests: int = REQUESTS) -> Series:
    """Soak each home."""
    return {name: run(requests) for name, run in HOMES.items()}


def growth(samples: Sequence[int]) -> float:
    """KiB gained over the last four fifths: medians of a tenth at their end and beginning.

    What comes before is filling of caches and of the allocator's pools.
    """
    tenth = max(1, len(samples) // 10)
    return median(samples[-tenth:]) - median(samples[2 * tenth : 3 * tenth])


def told(found: Mapping[str, Sequence[int]], requests: int = REQUESTS) -> str:
    """What each has after all, and how much of it came in the last four fifths."""
    lines = [
        f"| {requests:,} requests | resident after, MiB | growth in the last 80 %, KiB |",
        "|---|---|---|",
    ]
    for name, samples in found.items():
        lines.append(f"| {name} | {samples[-1] / 1024:.0f} | **{growth(samples):,.0f}** |")
    return "\n".join(lines)


def plot_of(found: Mapping[str, Sequence[int]], requests: int = REQUESTS) -> str:
    """Resident memory over the requests."""
    across = plot.linear_axis("requests, thousands", requests / 1000)
    up = plot.linear_axis("MiB resident", max(map(max, found.values())) / 1024)
    step = requests / SAMPLES / 1000
    lines = {
        name: [(step * number, kib / 1024) for number, kib in enumerate(samples, 1)]
        for name, samples in found.items()
    }
    return plot.svg("Memory over 100,000 mixed requests", across, up, lines)


if __name__ == "__main__":
    _work(int(sys.argv[1]))
