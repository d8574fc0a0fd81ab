"""The tables of docs/performance.md, and the goals beside what was measured."""

from collections.abc import Iterable, Mapping
from itertools import product

from benchmarks.cases import CASES
from benchmarks.in_process import Result
from benchmarks.over_http import CONCURRENCIES, Comparison

OPERATIONS = ("decode", "encode")
CONTESTANTS = ("samples", "bare", "ours")
SERVERS = ("Go", "samples", "nothing", "ours", "ours, token and audit")
TIMES_FASTER = {"a": 3.0, "b": 3.0, "c": 7.0, "d": 8.0, "e": 2.0}
"""How many times less CPU than Go in process is aimed at."""
SHARE_OF_GO = {"a": 1.3, "b": 0.5, "c": 0.5, "d": 0.5, "e": 0.5}
"""And at most what part of Go's over HTTP."""


def _row(title: str, values: Iterable[float], form: str = ",.1f") -> str:
    return f"| {title} | " + " | ".join(format(value, form) for value in values) + " |"


def _head(title: str) -> list[str]:
    return [f"| {title} | {' | '.join(case.name for case in CASES)} |", "|---" * 6 + "|"]


def _goals(title: str, ratios: Iterable[float], goals: Mapping[str, float], *, most: bool) -> str:
    marked = [
        f"{ratio:.2f} {'✓' if (ratio <= goal if most else ratio >= goal) else '✗'}"
        for ratio, goal in zip(ratios, goals.values(), strict=True)
    ]
    return f"| {title} | {' | '.join(marked)} |"


def in_process(result: Result, operation: str) -> str:
    """One operation, with the ratios that count."""
    names = [name for name in ("Go", *CONTESTANTS) if (operation, "a", name) in result]
    lines = _head(f"{operation}, µs of CPU")
    for name in names:
        lines.append(_row(name, (result[operation, case.name, name] for case in CASES)))
    for title, of, to in (
        ("times faster than Go", "Go", "ours"),
        ("times faster than samples", "samples", "ours"),
        ("times the bare calls", "ours", "bare"),
    ):
        if of in names:
            ratios = [result[operation, c.name, of] / result[operation, c.name, to] for c in CASES]
            lines.append(_row(f"**{title}**", ratios))
    return "\n".join(lines)


def over_http(found: Comparison, operation: str) -> str:
    """One operation at every concurrency."""
    lines = _head(f"{operation}, µs of CPU")
    for name in filter(found.peak.__contains__, SERVERS):
        for at_once in CONCURRENCIES:
            values = (found.cpu[operation, case.name, at_once, name] for case in CASES)
            lines.append(_row(f"{name}, {at_once} at once", values, ",.0f"))
    return "\n".join(lines)


def memory(found: Comparison) -> str:
    """The most that each server ever had resident."""
    lines = ["| peak resident memory | MiB |", "|---|---|"]
    return "\n".join([*lines, *(_row(name, [peak], ".0f") for name, peak in found.peak.items())])


def goals(result: Result, found: Comparison) -> str:
    """What was aimed at, what was measured, and whether it was reached (✓) or missed (✗)."""
    if "Go" not in found.peak:
        return "There is no Go here to compare with."
    lines = _head("goal")
    lines.append(_row("in process, times faster than Go, at least", TIMES_FASTER.values()))
    for operation in OPERATIONS:
        ratios = [
            result[operation, case.name, "Go"] / result[operation, case.name, "ours"]
            for case in CASES
        ]
        lines.append(_goals(operation, ratios, TIMES_FASTER, most=False))
    lines.append(_row("over HTTP, part of Go's CPU, at most", SHARE_OF_GO.values()))
    for operation, at_once in product(OPERATIONS, CONCURRENCIES):
        ratios = [
            found.cpu[operation, case.name, at_once, "ours"]
            / found.cpu[operation, case.name, at_once, "Go"]
            for case in CASES
        ]
        lines.append(_goals(f"{operation}, {at_once} at once", ratios, SHARE_OF_GO, most=True))
    less = found.peak["ours"] < found.peak["Go"]
    memory = f"Peak memory below Go's: {'✓' if less else '✗'}."
    return "\n".join([*lines, "", memory])
