"""How the time of one request grows with its payloads, and with their size."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log

from benchmarks import plot
from benchmarks.cases import Case
from benchmarks.cold_contestants import ORIGIN
from tests.rigs.issuer import token
from tests.rigs.lambda_events import Request, http_api
from tests.rigs.lambda_runtime import Function

TURNS = 15
NUMBERS = (1, 10, 100, 1000)
"""Payloads of 1 KiB in one request."""
SIZES = (1, 4, 16, 64, 256, 1024, 3072)
"""KiB of one payload."""
Grown = dict[str, dict[int, float]]
"""Milliseconds by what grows, and how much of it there is."""


def measure(function: Function, turns: int = TURNS) -> Grown:
    """The least time that a warm environment takes to answer each, in turns."""
    cases = {
        "payloads": {number: Case("", number, 1024, 1) for number in NUMBERS},
        "KiB": {size: Case("", 1, size * 1024, 1) for size in SIZES},
    }
    headers = {
        "content-type": "application/json",
        "x-namespace": "default",
        "origin": ORIGIN,
        "authorization": f"Bearer {token()}",
    }
    asked = {
        (kind, much): http_api(Request("POST", "/decode", headers, case.sealed()))
        for kind, those in cases.items()
        for much, case in those.items()
    }
    grown: Grown = {kind: {} for kind in cases}
    for turn in range(turns + 1):
        for (kind, much), event in asked.items():
            start = time.perf_counter()
            answer = function.invoke(event)
            took = (time.perf_counter() - start) * 1000
            if answer.get("statusCode") != 200:
                raise RuntimeError(f"the function failed: {function.log()}")
            if turn:
                grown[kind][much] = min(took, grown[kind].get(much, took))
    return grown


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The steepest power with which y grows from one point to the next; 1 is linear."""
    return max(log(y2 / y1) / log(x2 / x1) for (x1, y1), (x2, y2) in pairwise(points))


def table(grown: Mapping[str, Mapping[int, float]]) -> str:
    """Milliseconds of each, and the verdict."""
    lines = []
    titles = {"payloads": "payloads of 1 KiB", "KiB": "KiB of one payload"}
    for kind, those in grown.items():
        cells = " | ".join(f"{took:,.1f}" for took in those.values())
        lines += [
            f"| {titles[kind]} | {' | '.join(f'{much:,}' for much in those)} |",
            "|---" * (len(those) + 1) + "|",
            f"| ms | {cells} |",
            "",
            f"At its steepest it grows with the power **{exponent(list(those.items())):.2f}**.",
            "",
        ]
    return "\n".join(lines).rstrip()


def plots(grown: Mapping[str, Mapping[int, float]]) -> dict[str, str]:
    """One for each kind, by file name."""
    drawn = {}
    for kind, title in (("payloads", "payloads in one request"), ("KiB", "KiB of one payload")):
        points = list(grown[kind].items())
        across = plot.logarithmic_axis(title, [x for x, _ in points])
        up = plot.logarithmic_axis("ms until it is answered", [y for _, y in points])
        lines = {"one request": points}
        drawn[f"growth-{kind.lower()}"] = plot.svg(f"Time by {title}", across, up, lines)
    return drawn
