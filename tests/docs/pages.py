"""What tests of pages share: headings, links, and the lines of a session."""

import re
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker

from tests.rigs.processes import ROOT

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def matches(expected: str, printed: str) -> bool:
    """Whether a session printed what its page shows; `...` stands for anything."""
    return OutputChecker().check_output(expected, printed, ELLIPSIS | NORMALIZE_WHITESPACE)


def anchors(text: str) -> set[str]:
    """The fragments that a page's headings can be linked with, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        for heading in headings
    }


def dead_links(page: str) -> list[str]:
    """The links of a page (a path from the root) that lead to no file or to no heading."""
    file = ROOT / page
    text = file.read_text()
    dead = []
    for link in re.findall(r"\]\(([^) ]+)\)", FENCED.sub("", text)):
        path, _, fragment = link.partition("#")
        target = (file.parent / path) if path else file
        if "://" in link:
            continue
        if not target.exists() or (fragment and fragment not in anchors(target.read_text())):
            dead.append(link)
    return dead
