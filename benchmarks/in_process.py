"""Decode and encode side by side: each contestant in a process of its own, in turns.

CPU time is measured, not time on the wall: neighbours on the machine disturb it less.
What they do to caches and clocks only ever adds, so each contestant's least time counts.
A process of its own keeps one contestant's habits of memory from helping another.
"""

import subprocess
import sys
import time

from benchmarks.cases import CASES
from benchmarks.contestants import CONTESTANTS

TURNS = 31
Result = dict[tuple[str, str, str], float]
"""Microseconds of CPU by operation, case and contestant."""


def measure() -> Result:
    """Run every contestant on every case, in alternating turns; the least of all."""
    workers = {name: _start(name) for name in CONTESTANTS}
    result: Result = {}
    try:
        for operation in ("decode", "encode"):
            for case in CASES:
                turns: dict[str, list[float]] = {name: [] for name in workers}
                for _ in range(TURNS):
                    for name, worker in workers.items():
                        turns[name].append(_ask(worker, f"{operation} {case.name}"))
                for name, each in turns.items():
                    result[operation, case.name, name] = min(each)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    return result


def _start(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.in_process", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(worker: subprocess.Popen[str], job: str) -> float:
    assert worker.stdin is not None
    assert worker.stdout is not None
    print(job, file=worker.stdin, flush=True)
    return float(worker.stdout.readline())


def work(name: str) -> None:
    """Do the jobs that come on stdin: an operation and a case; answer with microseconds."""
    serve = {operation: CONTESTANTS[name](operation) for operation in ("decode", "encode")}
    cases = {case.name: case for case in CASES}
    bodies = {("decode", c.name): c.sealed() for c in CASES}
    bodies |= {("encode", c.name): c.plain() for c in CASES}
    for line in sys.stdin:
        operation, case = line.split()
        body, rounds = bodies[operation, case], cases[case].rounds
        if name == "samples":
            rounds = max(1, rounds // 8)
        serve[operation](body)
        start = time.process_time()
        for _ in range(rounds):
            serve[operation](body)
        print((time.process_time() - start) / rounds * 1e6, flush=True)


if __name__ == "__main__":
    work(sys.argv[1])
