"""`make bench SUITE=instructions`: how many instructions the processor runs for one decode.

Times are noisy, and this number is not: it differs by less than a hundredth from run to run.
A process decodes so many times, and another twice as many: the difference is theirs alone, and
what it takes to start is not in it. `perf` counts where the processor lets it, else Callgrind.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import page
from benchmarks.cases import CASES
from benchmarks.contestants import CONTESTANTS
from benchmarks.machine import libraries, processor

NAMES = ("ours", "bare")
LIBRARIES = ("cryptography", "msgspec", "protobuf", "pybase64")
DECODES: Mapping[str, int] = {"a": 200, "b": 20, "c": 4, "d": 4, "e": 10}
Counter = Callable[[list[str]], int]
"""Runs a command, and tells how many instructions it took."""
_REMEDY = (
    "Instructions cannot be counted here: `perf` is missing or its counters are, and so is "
    "Callgrind. On Debian: apt-get install valgrind."
)


def _run(command: list[str]) -> str:
    # The same order of every set and dictionary in each process.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr}")
    return done.stderr


def perf(command: list[str]) -> int:
    """Counted by the processor; raises RuntimeError if it has no counter for it."""
    told = _run(["perf", "stat", "-x", ",", "-e", "instructions:u", *command])
    found = re.search(r"^(\d+),.*instructions:u", told, re.MULTILINE)
    if not found:
        raise RuntimeError(f"perf has not counted:\n{told}")
    return int(found[1])


def callgrind(command: list[str]) -> int:
    """Counted by running it on a processor of Valgrind's own."""
    told = _run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command])
    found = re.search(r"Collected : (\d+)", told)
    if not found:
        raise RuntimeError(f"Callgrind has not counted:\n{told}")
    return int(found[1])


TOOLS: dict[Counter, str] = {perf: "perf", callgrind: "Callgrind"}


def counter() -> Counter:
    """The first that counts here; raises SystemExit, which says how to get one."""
    for count in TOOLS:
        try:
            count([sys.executable, "-c", "pass"])
        except (OSError, RuntimeError):
            continue
        return count
    raise SystemExit(_REMEDY)


def one(count: Counter, name: str, body: Path, decodes: int) -> float:
    """Instructions of one decode of this body."""
    command = [sys.executable, "-m", "benchmarks.instructions", name, str(body)]
    once, twice = (count([*command, str(times)]) for times in (decodes, 2 * decodes))
    return (twice - once) / decodes


def measure(count: Counter) -> dict[tuple[str, str], float]:
    """Instructions by contestant and case; what is counted is not disturbed by neighbors."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        found = {}
        for case in CASES:
            body = Path(folder) / case.name
            body.write_bytes(case.sealed())
            for name in NAMES:
                counted = pool.submit(one, count, name, body, DECODES[case.name])
                found[name, case.name] = counted
        return {which: counted.result() for which, counted in found.items()}


def table(found: Mapping[tuple[str, str], float], count: Counter) -> str:
    """Thousands of instructions, and what they were counted with."""
    cases = [case.name for case in CASES]
    lines = [
        f"| decode, thousands of instructions | {' | '.join(cases)} |",
        "|---" * 6 + "|",
    ]
    for name in NAMES:
        cells = (f"{found[name, case] / 1000:,.0f}" for case in cases)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    ratios = (f"{found['ours', case] / found['bare', case]:.2f}" for case in cases)
    lines.append(f"| **times the bare calls** | {' | '.join(ratios)} |")
    told = f"Counted with {TOOLS[count]}: {processor()}; {libraries(LIBRARIES)}."
    return "\n".join([*lines, "", told])


def work(name: str, body: Path, decodes: int) -> None:
    """What is counted."""
    serve, request = CONTESTANTS[name]("decode"), body.read_bytes()
    for _ in range(decodes):
        serve(request)


def main() -> None:
    """Count and show."""
    count = counter()
    page.show({"instructions": table(measure(count), count)})


if __name__ == "__main__":
    if len(sys.argv) == 4:
        work(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
