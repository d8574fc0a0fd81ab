"""docs/README.md is the map: it leads to every page, and every page's links lead somewhere."""

import re

import pytest

from tests.docs.pages import FENCED, anchors, dead_links
from tests.rigs.processes import ROOT

DOCS = sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))
AT_THE_TOP = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]


@pytest.mark.parametrize("page", DOCS + AT_THE_TOP)
def test_links_lead_somewhere(page: str) -> None:
    assert dead_links(page) == []


def test_the_map_leads_to_every_page() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    listed = set(re.findall(r"^\| \[([^]]+)\]\(\1\) \|", text, re.MULTILINE))
    assert {page.removeprefix("docs/") for page in DOCS} - {"README.md"} <= listed


@pytest.mark.parametrize("page", [*DOCS, "CONTRIBUTING.md"])
def test_a_page_with_many_sections_lists_them(page: str) -> None:
    """A reader finds the section on the first screen."""
    text = FENCED.sub("", (ROOT / page).read_text())
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    if len(headings) < 4:
        return
    before = text.split("\n## ", 1)[0]
    linked = re.findall(r"\[[^]]+\]\(#([^)]+)\)", before)
    assert set(linked) == {each for heading in headings for each in anchors(f"## {heading}")}
