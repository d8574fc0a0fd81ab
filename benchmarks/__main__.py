"""`make bench`: measure, print, and write the tables into docs/performance.md."""

import platform
import re
from importlib.metadata import version
from pathlib import Path

from benchmarks import jwks_faults, page
from benchmarks.cases import CASES
from benchmarks.in_process import Result, measure
from benchmarks.unknown_ids import Flood, flood

LIBRARIES = ("cryptography", "msgspec", "protobuf", "pybase64", "temporalio")


def table(result: Result, operation: str) -> str:
    """A table of one operation, with the two ratios that count."""
    lines = [
        f"| {operation}, µs of CPU | " + " | ".join(case.name for case in CASES) + " |",
        "|---|" + "---|" * len(CASES),
    ]
    for name in ("samples", "bare", "ours"):
        times = [result[operation, case.name, name] for case in CASES]
        lines.append(f"| {name} | " + " | ".join(f"{each:,.1f}" for each in times) + " |")
    for title, of, to in (
        ("times faster than samples", "samples", "ours"),
        ("times the bare calls", "ours", "bare"),
    ):
        ratios = [result[operation, c.name, of] / result[operation, c.name, to] for c in CASES]
        lines.append(f"| **{title}** | " + " | ".join(f"**{each:.1f}**" for each in ratios) + " |")
    return "\n".join(lines)


def machine() -> str:
    """What it was measured on."""
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    name = processor[1] if processor else platform.processor()
    libraries = ", ".join(f"{each} {version(each)}" for each in LIBRARIES)
    return f"{name}, Python {platform.python_version()}; {libraries}."


def told(result: Flood) -> str:
    """A flood of unknown key ids in a sentence."""
    return (
        f"A known key takes {result.usual:.1f} µs alone, {result.flooded:.1f} µs between unknown "
        f"ones: **{result.flooded / result.usual:.2f} times** as long. "
        f"The source was asked {result.fetches} times."
    )


def main() -> None:
    """Measure and show; with `--write`, put it into the page too."""
    result = measure()
    texts = {
        "in process": "\n\n".join([machine(), table(result, "decode"), table(result, "encode")]),
        "unknown ids": told(flood()),
        "jwks": jwks_faults.table(),
    }
    page.show(texts)


if __name__ == "__main__":
    main()
