"""What is measured is written into docs/performance.md, each section between its marks."""

import re
from pathlib import Path

import pytest

from benchmarks import page
from tests.rigs.processes import ROOT


def test_a_section_is_put_between_its_marks(tmp_path: Path) -> None:
    """Nothing around it changes, however often it is written; plots lie beside the page."""
    file = tmp_path / "page.md"
    file.write_text("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n")
    for text in ("new", "newer"):
        page.write({"x": text}, {"plot": "<svg/>"}, file)
    assert file.read_text() == "a\n<!-- x: begin -->\nnewer\n<!-- x: end -->\nb\n"
    assert (tmp_path / "images/plot.svg").read_text() == "<svg/>"


def test_a_section_without_marks_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("nothing\n")
    with pytest.raises(ValueError, match="unpack"):
        page.write({"x": "new"}, {}, file)


def test_the_page_has_every_section_and_plot_and_names_every_command() -> None:
    text = page.PAGE.read_text()
    marks = re.findall(r"<!-- (.*?): begin -->\n", text)
    assert marks == re.findall(r"<!-- (.*?): end -->", text)
    sources = "\n".join(each.read_text() for each in (ROOT / "benchmarks").glob("*.py"))
    assert all(f'"{mark}": ' in sources for mark in marks)
    for image in re.findall(r"\]\((images/.*?)\)", text):
        assert (page.PAGE.parent / image).is_file()
    suites = re.findall(r"^suite-(\w+) =", (ROOT / "Makefile").read_text(), re.MULTILINE)
    commands = [f"`make bench SUITE={suite}`" for suite in suites if suite != "speed"]
    assert len(commands) >= 4
    assert all(command in text for command in ["`make bench`", *commands])
