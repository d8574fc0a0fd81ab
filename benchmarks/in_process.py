"""Decode and encode side by side: each contestant in a process of its own, in turns.

CPU time is measured, not time on the wall: neighbors on the machine disturb it less.
What they do to caches and clocks only ever adds, so each contestant's least time counts.
A process of its own keeps one contestant's habits of memory from helping another.
Go's is a program of its own, which speaks as the others do.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.contestants import CONTESTANTS
from benchmarks.servers import has_go
from tests.rigs.interop import built

TURNS = 15
Result = dict[tuple[str, str, str], float]
"""Microseconds of CPU by operation, case and contestant."""


def measure(turns: int = TURNS) -> Result:
    """Run every contestant on every case, in alternating turns; the least of all."""
    with tempfile.TemporaryDirectory() as folder:
        workers = {name: _start(_python(name)) for name in CONTESTANTS}
        if has_go():
            workers["Go"] = _start(_go(Path(folder)))
        try:
            return _take_turns(workers, turns)
        finally:
            for worker in workers.values():
                worker.kill()
                worker.wait()


def _take_turns(workers: dict[str, subprocess.Popen[str]], turns: int) -> Result:
    result: Result = {}
    for operation in ("decode", "encode"):
        for case in CASES:
            job = f"{operation} {case.name} {case.rounds}"
            for _ in range(turns):
                for name, worker in workers.items():
                    took = _ask(worker, job)
                    least = result.get((operation, case.name, name), took)
                    result[operation, case.name, name] = min(took, least)
    return result


def _python(name: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.in_process", name]


def _go(folder: Path) -> list[str]:
    for case in CASES:
        (folder / f"decode-{case.name}").write_bytes(case.sealed())
        (folder / f"encode-{case.name}").write_bytes(case.plain())
    return [str(built("go") / "codec-server"), "time", str(folder)]


def _start(command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "GOMAXPROCS": "1"}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def _ask(worker: subprocess.Popen[str], job: str) -> float:
    assert worker.stdin is not None
    assert worker.stdout is not None
    print(job, file=worker.stdin, flush=True)
    return float(worker.stdout.readline())


def work(name: str) -> None:
    """Do the jobs that come on stdin: each an operation, a case and how often; answer with µs."""
    serve = {operation: CONTESTANTS[name](operation) for operation in ("decode", "encode")}
    bodies = {("decode", c.name): c.sealed() for c in CASES}
    bodies |= {("encode", c.name): c.plain() for c in CASES}
    for line in sys.stdin:
        operation, case, times = line.split()
        body, rounds = bodies[operation, case], int(times)
        if name == "samples":
            rounds = max(1, rounds // 8)
        serve[operation](body)
        start = time.process_time()
        for _ in range(rounds):
            serve[operation](body)
        print((time.process_time() - start) / rounds * 1e6, flush=True)


if __name__ == "__main__":
    work(sys.argv[1])
