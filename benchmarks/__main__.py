"""`make bench`: measure, print, and write the tables into docs/performance.md.

``--write`` writes them, ``--long`` takes three times as many turns.
"""

import sys
from collections.abc import Iterable

from benchmarks import in_process, jwks_faults, over_http, page, tables
from benchmarks.machine import libraries, processor
from benchmarks.servers import go_version
from benchmarks.unknown_ids import Flood, flood

LIBRARIES = ("aiohttp", "cryptography", "msgspec", "protobuf", "pybase64", "uvicorn", "uvloop")


def machine() -> str:
    """What it was measured on."""
    return f"{processor()}, {libraries(LIBRARIES)}; {go_version()}."


def told(result: Flood) -> str:
    """A flood of unknown key ids in a sentence."""
    return (
        f"A known key takes {result.usual:.1f} µs alone, {result.flooded:.1f} µs between unknown "
        f"ones: **{result.flooded / result.usual:.2f} times** as long. "
        f"The source was asked {result.fetches} times."
    )


def _both(parts: Iterable[str]) -> str:
    return "\n\n".join(parts)


def main() -> None:
    """Measure and show; with `--write`, put it into the page too."""
    times = 3 if "--long" in sys.argv[1:] else 1
    inside = in_process.measure(in_process.TURNS * times)
    outside = over_http.measure(over_http.TURNS * times)
    texts = {
        "machine": machine(),
        "goals": tables.goals(inside, outside),
        "in process": _both(tables.in_process(inside, each) for each in tables.OPERATIONS),
        "over HTTP": _both(tables.over_http(outside, each) for each in tables.OPERATIONS),
        "memory": tables.memory(outside),
        "unknown ids": told(flood()),
        "jwks": jwks_faults.table(),
    }
    page.show(texts)


if __name__ == "__main__":
    main()
