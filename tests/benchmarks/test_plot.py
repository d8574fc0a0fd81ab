"""The plots of docs/performance.md."""

import re
from xml.etree import ElementTree as ET

import pytest

from benchmarks import plot


def drawn() -> str:
    across = plot.logarithmic_axis("payloads", [1, 1000])
    up = plot.linear_axis("ms <of one>", 47)
    return plot.svg("Time & payloads", across, up, {"ours": [(1, 3), (10, 5), (1000, 47)]})


def test_a_plot_is_a_picture_that_changes_with_its_figures_alone() -> None:
    assert drawn() == drawn()
    root = ET.fromstring(drawn())  # titles are escaped, or this would fail
    assert root.tag.endswith("svg")
    assert len(root.findall("{*}polyline")) == 1


def test_every_point_lies_within_the_picture() -> None:
    """The first point is at the left edge of the grid, the last at its right."""
    points = re.findall(r'points="(.*?)"', drawn())[0].split()
    places = [tuple(map(float, point.split(","))) for point in points]
    assert places[0][0] == plot.LEFT
    assert places[-1][0] == plot.WIDTH - plot.RIGHT
    assert all(plot.TOP <= y <= plot.HEIGHT - plot.BOTTOM for _, y in places)


def test_a_plot_has_no_ground_of_its_own() -> None:
    """It is read on light pages and dark ones: no white, no black, nothing filled behind it."""
    assert "<rect" not in drawn()
    assert not re.search(r"#(000|fff)", drawn(), re.IGNORECASE)


@pytest.mark.parametrize("most", [0.3, 1, 47, 99, 100, 101, 5500])
def test_a_linear_axis_reaches_beyond_the_largest_value(most: float) -> None:
    axis = plot.linear_axis("x", most)
    assert axis.marks[0] == 0
    assert most <= axis.marks[-1] <= 2 * most
    assert 3 <= len(axis.marks) <= 8


@pytest.mark.parametrize("values", [[1, 1000], [0.4, 3], [5, 5]])
def test_a_logarithmic_axis_holds_its_values(values: list[float]) -> None:
    axis = plot.logarithmic_axis("x", values)
    assert axis.marks[0] <= min(values)
    assert axis.marks[-1] >= max(values)
    assert len(axis.marks) > 1
