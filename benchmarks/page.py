"""The page that tells of the measurements: docs/performance.md, and its plots."""

import sys
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def show(
    texts: Mapping[str, str], plots: Mapping[str, str] | None = None, page: Path = PAGE
) -> None:
    """Print the sections; with `--write`, put each between its marks in the page, too.

    Plots, by name, are written as `images/NAME.svg` beside the page.
    """
    print("\n\n".join(texts.values()))
    if "--write" in sys.argv[1:]:
        write(texts, plots or {}, page)
        print(f"written to {page.name}", file=sys.stderr)


def write(texts: Mapping[str, str], plots: Mapping[str, str], page: Path = PAGE) -> None:
    """Put each section between its marks; raises ValueError if a mark is missing."""
    whole = page.read_text()
    for name, text in texts.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, rest = whole.split(begin)
        whole = before + begin + text + "\n" + end + rest.split(end)[1]
    page.write_text(whole)
    images = page.with_name("images")
    images.mkdir(exist_ok=True)
    for name, plot in plots.items():
        (images / f"{name}.svg").write_text(plot)
