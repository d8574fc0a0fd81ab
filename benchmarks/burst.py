"""`make bench SUITE=burst`: what a page of the Web UI asks, until its last field is answered.

One preflight, then 30 requests at once, then 120 more, each of one payload. They go to
environments of Lambda's runtime, each of which takes one event at a time, as on AWS. There each has
a core of its own; here they share this machine's, and as many start at a time as it has cores. So
the CPU of the busiest one is reported too: with a core each, a page takes little longer than that.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from threading import BoundedSemaphore

from benchmarks import growth, page
from benchmarks.cases import Case
from benchmarks.cold_contestants import COMPILED, ORIGIN, Contestant, compiled, contestants
from benchmarks.cold_start import surroundings
from benchmarks.resident import session
from tests.rigs.issuer import token
from tests.rigs.lambda_events import Event, Request, http_api
from tests.rigs.lambda_runtime import RUNTIME, Function, function_in
from tests.rigs.sam import make

TURNS = 3
COLD = 20
# Of ten fields that a page shows: most are small.
SIZES = (200, 200, 200, 200, 200, 200, 1024, 1024, 10 * 1024, 100 * 1024)
WAVES = (30, 120)


@dataclass(frozen=True)
class Burst:
    """Seconds of one page."""

    preflight: float
    waves: tuple[float, ...]
    """Until the last answer of each."""
    longest: float
    """CPU of the environment that took most: how long the page takes where each has a core."""
    alone: float
    """One environment's, for what is compared with: see `measure`."""

    @property
    def whole(self) -> float:
        """From the page's first question to its last answer."""
        return self.preflight + sum(self.waves)


def events() -> list[Event]:
    """One for each size, as the gateway hands them on."""
    headers = {
        "content-type": "application/json",
        "x-namespace": "default",
        "origin": ORIGIN,
        "authorization": f"Bearer {token()}",
    }
    bodies = {size: Case("", 1, size, 1).sealed() for size in SIZES}
    return [http_api(Request("POST", "/decode", headers, bodies[size])) for size in SIZES]


@contextmanager
def environments(
    contestant: Contestant, settings: Mapping[str, str], runtime: Path, number: int
) -> Iterator[list[Function]]:
    """So many of one function; each starts at its first event."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                function_in(contestant.folder, contestant.handler, settings, runtime)
            )
            for _ in range(number)
        ]


def ask(function: Function, event: Event, status: int = 200) -> float:
    """Seconds until it is answered; raises RuntimeError if it is not."""
    start = time.perf_counter()
    answer = function.invoke(event)
    took = time.perf_counter() - start
    if answer.get("statusCode") != status:
        raise RuntimeError(f"a function failed: {answer}\n{function.log()}")
    return took


def wave(functions: Sequence[Function], asked: Sequence[Event]) -> float:
    """Seconds until the last of these is answered; each has one, who is free takes the next."""
    waiting: SimpleQueue[Event | None] = SimpleQueue()
    for each in (*asked[len(functions) :], *[None] * len(functions)):
        waiting.put(each)
    starts = BoundedSemaphore(len(os.sched_getaffinity(0)))

    def serve(function: Function, first: Event) -> None:
        # More starts than cores at once would time out on each other: each would have its own.
        with starts:
            ask(function, first)
        while (event := waiting.get()) is not None:
            ask(function, event)

    start = time.perf_counter()
    with ThreadPoolExecutor(len(functions)) as pool:
        list(pool.map(serve, functions, asked))
    return time.perf_counter() - start


def cpu(function: Function) -> float:
    """Seconds of CPU that an environment has used: the runtime's and the function's process."""
    pids = session(function.running.process.pid)
    # The clock of another process, as clock_getcpuclockid(3) names it.
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def page_of(functions: Sequence[Function], preflight: float, alone: float) -> Burst:
    """Ask what a page asks."""
    asked = events()
    before = [cpu(each) for each in functions]
    waves = tuple(wave(functions, (asked * (size // len(asked)))) for size in WAVES)
    used = [cpu(each) - start for each, start in zip(functions, before, strict=True)]
    return Burst(preflight, waves, max(used), alone)


def warm(contestant: Contestant, settings: Mapping[str, str], runtime: Path) -> Burst:
    """One environment that has served before; beside it, the sum of the same, one by one."""
    asked = events()
    with environments(contestant, settings, runtime, 1) as functions:
        singles = [[ask(functions[0], event) for event in asked] for _ in range(4)]
        alone = sum(map(median, zip(*singles[1:], strict=True))) * sum(WAVES) / len(asked)
        return page_of(functions, 0.0, alone)


def cold(
    contestant: Contestant,
    preflight: Contestant,
    settings: Mapping[str, str],
    runtime: Path,
    number: int,
) -> Burst:
    """So many new environments; beside them, one alone that is asked once."""
    with environments(preflight, settings, runtime, 1) as functions:
        asked = ask(functions[0], http_api(preflight.request), preflight.status)
    with environments(contestant, settings, runtime, 1) as functions:
        alone = ask(functions[0], events()[0])
    with environments(contestant, settings, runtime, number) as functions:
        return page_of(functions, asked, alone)


Result = dict[str, list[Burst]]


def measure(
    named: Mapping[str, Contestant],
    settings: Mapping[str, str],
    runtime: Path,
    turns: int = TURNS,
    number: int = COLD,
) -> Result:
    """A page for each kind of environments, in turns."""
    result: Result = {}
    for _ in range(turns):
        pages = {"one, warm": warm(named["decode"], settings, runtime)}
        for name in ("decode", COMPILED):
            one = cold(named[name], named["preflight"], settings, runtime, number)
            pages[f"{number} cold, {name}"] = one
        for name, burst in pages.items():
            result.setdefault(name, []).append(burst)
    return result


def table(result: Result) -> str:
    """Medians in milliseconds."""
    lines = [
        "| ms | preflight | 30 at once | 120 more | together | alone | ratio | busiest CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, bursts in result.items():
        columns = [(b.preflight, *b.waves, b.whole, b.alone) for b in bursts]
        cells = [f"{median(each) * 1000:,.0f}" for each in zip(*columns, strict=True)]
        ratio = median(b.whole / b.alone for b in bursts)
        busiest = f"{median(b.longest for b in bursts) * 1000:,.0f}"
        lines.append(f"| {name} | {' | '.join(cells)} | **{ratio:.1f}** | {busiest} |")
    ours, theirs = (
        median(b.whole for name, bursts in result.items() if name.endswith(end) for b in bursts)
        for end in (", decode", f", {COMPILED}")
    )
    cores = len(os.sched_getaffinity(0))
    told = f"On {cores} cores the cold page takes **{ours / theirs:.0%}** of the reference's time."
    return "\n".join([*lines, "", told])


def main() -> None:
    """Measure and show."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make("lambda-runtime")
        runtime = compiled(RUNTIME, folder / "runtime")
        with surroundings(folder) as settings:
            named = {each.name: each for each in contestants(folder)}
            result = measure(named, settings, runtime)
            with environments(named["decode"], settings, runtime, 1) as functions:
                grown = growth.measure(functions[0])
    texts = {"burst": table(result), "growth": growth.table(grown)}
    page.show(texts, growth.plots(grown))


if __name__ == "__main__":
    main()
