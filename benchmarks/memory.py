"""`make bench SUITE=memory`: what a large request takes at its peak, and what 100,000 leave."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import page, servers, soak
from benchmarks.cases import CASES, Case
from benchmarks.load import Connection
from benchmarks.resident import forget_peak, peak, resident, session
from tests.rigs.lambda_events import Request, http_api
from tests.rigs.lambda_runtime import Function, function_in, lambda_function

AT_MOST = 8.0
"""Times its size, which is aimed at."""
_ECHO = """bytes(31 << 20)  # as ours does, to the same end

def handler(event, context):
    return {"statusCode": 200, "headers": {}, "body": event["body"]}
"""
_REQUESTS = {
    "decode": (Case("1,000 payloads", 1000, 3220, 1), Case("one payload", 1, 3_350_000, 1)),
    "encode": (Case("1,000 payloads", 1000, 3320, 1), Case("one payload", 1, 3_370_000, 1)),
}


@dataclass(frozen=True)
class Home:
    """A process that serves, freshly started."""

    pid: int
    ask: Callable[[str, bytes], None]


@contextmanager
def local_server() -> Iterator[Home]:
    """As `make run` starts it."""
    with servers.ours() as server:

        def ask(operation: str, body: bytes) -> None:
            with closing(Connection(server.port, operation, body)) as connection:
                connection.ask()

        yield Home(server.pid, ask)


@contextmanager
def on_lambda() -> Iterator[Home]:
    """The built function under Lambda's runtime: the event's and the answer's JSON are in it."""
    with lambda_function("DecodeFunction", "handlers.decode.handler", {}) as function:
        yield _home(function)


@contextmanager
def echo() -> Iterator[Home]:
    """Lambda's runtime around a function that gives the body back: the least there is."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "echo.py").write_text(_ECHO)
        with function_in(Path(folder), "echo.handler", {}) as function:
            yield _home(function)


def _home(function: Function) -> Home:
    def ask(operation: str, body: bytes) -> None:
        headers = {"content-type": "application/json"}
        answer = function.invoke(http_api(Request("POST", f"/{operation}", headers, body)))
        if answer.get("statusCode") != 200:
            raise RuntimeError(f"the function failed: {function.log()}")

    ask("decode", CASES[0].sealed())  # which starts it
    return Home(session(function.running.process.pid)[-1], ask)


HOMES: dict[str, Callable[[], AbstractContextManager[Home]]] = {
    "the local server": local_server,
    "under Lambda's runtime": on_lambda,
    "that runtime alone": echo,
}


def times_its_size(
    start: Callable[[], AbstractContextManager[Home]], operation: str, case: Case
) -> float:
    """How much a fresh process grows for one large request, in sizes of the request."""
    small, large = (
        each.sealed() if operation == "decode" else each.plain() for each in (CASES[0], case)
    )
    with start() as home:
        for _ in range(20):
            home.ask(operation, small)
        forget_peak(home.pid)
        before = resident(home.pid)
        home.ask(operation, large)
        return (peak(home.pid) - before) * 1024 / len(large)


def table() -> str:
    """A row for each kind of request, with what was aimed at."""
    lines = [
        f"| a request of 4.5 MB, times its size | {' | '.join(HOMES)} |",
        "|---" * (len(HOMES) + 1) + "|",
    ]
    for operation, cases in _REQUESTS.items():
        for case in cases:
            found = [times_its_size(start, operation, case) for start in HOMES.values()]
            cells = (f"{each:.1f} {'✓' if each <= AT_MOST else '✗'}" for each in found)
            lines.append(f"| {operation}, {case.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and show."""
    found = soak.measure()
    texts = {"peaks": table(), "soak": soak.told(found)}
    page.show(texts, {"soak": soak.plot_of(found)})


if __name__ == "__main__":
    main()
