"""The page that tells of the measurements: docs/performance.md."""

import sys
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def show(texts: Mapping[str, str]) -> None:
    """Print the sections; with `--write`, put each between its marks in the page, too."""
    print("\n\n".join(texts.values()))
    if "--write" in sys.argv[1:]:
        page = PAGE.read_text()
        for name, text in texts.items():
            begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
            before, rest = page.split(begin)
            page = before + begin + text + "\n" + end + rest.split(end)[1]
        PAGE.write_text(page)
        print(f"written to {PAGE.name}", file=sys.stderr)
