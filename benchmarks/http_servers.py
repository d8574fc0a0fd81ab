"""HTTP servers around the same app, in turns: the CPU of all their processes for one request.

`make bench SUITE=servers`. The app is ours, as on a laptop: without tokens and without a line for
each request. *Fewer headers* and *one write* are not servers: they show what changing uvicorn's
answers would save.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from benchmarks import over_http, page, servers
from benchmarks.cases import CASES
from benchmarks.machine import libraries, processor
from handlers.local import worker
from handlers.server.asgi import App, Send
from handlers.server.request import Message, Receive, Scope

TURNS = 15
REFERENCE = "ours"
LIBRARIES = ("granian", "h11", "httptools", "hypercorn", "uvicorn", "uvloop", "zttp")
_UVICORN = [sys.executable, "-m", "benchmarks.http_servers", "{port}"]
_ASGI = [sys.executable, "-m"]
CONTESTANTS = {
    REFERENCE: [sys.executable, "-m", "handlers.local"],
    "uvicorn, httptools": [*_UVICORN, "httptools"],
    "uvicorn, h11": [*_UVICORN, "h11"],
    "uvicorn, zttp": [*_UVICORN, "zttp"],
    "uvicorn, fewer headers": [*_UVICORN, "fewer"],
    "uvicorn, one write": [*_UVICORN, "joined"],
    "uvicorn, both": [*_UVICORN, "fewer,joined"],
    "granian": [
        *(*_ASGI, "granian", "--interface", "asginl", "--factory", "--loop", "uvloop", "--no-ws"),
        *("--http", "1", "--log-level", "error", "--port", "{port}", "handlers.local:worker"),
    ],
    "hypercorn": [
        *(*_ASGI, "hypercorn", "--worker-class", "uvloop", "--workers", "1"),
        *("--bind", "127.0.0.1:{port}", "handlers.local:worker()"),
    ],
}


@contextmanager
def _all() -> Iterator[list[servers.Server]]:
    with ExitStack() as stack:
        running = [
            stack.enter_context(servers.started(name, command, {"ACCESS_LOG": "off"}))
            for name, command in CONTESTANTS.items()
        ]
        if servers.has_go():
            running.append(stack.enter_context(servers.go()))
        yield running


def table(turns: int = TURNS) -> str:
    """Microseconds, and how much that is of ours."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    available = os.sched_getaffinity(0)
    with _all() as running:
        os.sched_setaffinity(0, {servers.cores()[1]})
        for case in CASES[:2]:
            for at_once in over_http.CONCURRENCIES:
                taken = over_http.take_turns(running, "decode", case, at_once, turns)
                found[case.name, at_once] = taken
        names = [server.name for server in running]
        os.sched_setaffinity(0, available)
    heads = [f"{case}, {at_once} at once | %" for case, at_once in found]
    rows = [f"| µs of CPU | {' | '.join(heads)} |", "|---" * (1 + 2 * len(heads)) + "|"]
    for name in names:
        cells = [f"{by[name]:.0f} | {by[name] / by[REFERENCE]:.0%}" for by in found.values()]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


class _Joined:
    """A transport that keeps an answer's head until the first of its body."""

    def __init__(self, transport: Any) -> None:  # noqa: ANN401 — whatever uvicorn has
        self._transport, self._head = transport, b""

    def write(self, data: bytes) -> None:
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        else:
            self._head = data

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


class _OneWrite(HttpToolsProtocol):
    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 — as uvicorn has it
        super().connection_made(_Joined(transport))  # type: ignore[arg-type]


def _with_fewer_headers(app: App) -> App:
    async def fewer(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if "headers" in message:
                kept = [each for each in message["headers"] if each[0].startswith(b"content-")]
                message = {**message, "headers": kept}
            await send(message)

        await app(scope, receive, sent)

    return fewer


def _serve(port: int, how: str) -> None:
    app, http = worker(), how if how in {"h11", "zttp"} else "httptools"
    uvicorn.run(
        _with_fewer_headers(app) if "fewer" in how else app,
        port=port,
        http=_OneWrite if "joined" in how else http,
        ws="none",
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header="fewer" not in how,
        proxy_headers=False,
    )


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].isdecimal():
        _serve(int(sys.argv[1]), sys.argv[2])
    else:
        about = f"{processor()}, {libraries(LIBRARIES)}; {servers.go_version()}."
        page.show({"servers machine": about, "servers": table()})
