"""Line plots as SVG: drawn by hand, so that a file changes only where its figures do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from xml.sax.saxutils import escape

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 64, 16, 44, 48
# Each can be told from a white page and from a black one, and from the other two.
COLORS = ("#3b82c4", "#d9742b", "#4a9e5c")
_GREY = "#808080"

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """One direction: what it shows, and where its marks are; the outer two are its ends."""

    title: str
    marks: Sequence[float]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value is: 0 at the first mark, 1 at the last."""
        low, high, value = map(self._scaled, (self.marks[0], self.marks[-1], value))
        return (value - low) / (high - low)

    def _scaled(self, value: float) -> float:
        return log10(value) if self.logarithmic else value


def linear_axis(title: str, most: float) -> Axis:
    """From 0 to a round number not below this."""
    step = 10 ** int(log10(most))
    step = next(s for s in (step / 5, step / 2, step, step * 2, step * 5) if s * 6 >= most)
    return Axis(title, [step * number for number in range(int(-(-most // step)) + 1)])


def logarithmic_axis(title: str, values: Sequence[float]) -> Axis:
    """Powers of ten around these."""
    exponents = [log10(value) for value in values]
    return Axis(
        title, [10.0**e for e in range(_floor(min(exponents)), -_floor(-max(exponents)) + 1)], True
    )


def _floor(value: float) -> int:
    return int(value // 1)


def svg(title: str, across: Axis, up: Axis, lines: Mapping[str, Points]) -> str:
    """The plot, in grey on nothing, so that it can be read on light and dark pages."""
    parts = [_text(LEFT, 18, title, "start")]
    parts += [_grid_across(across, mark) for mark in across.marks]
    parts += [_grid_up(up, mark) for mark in up.marks]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across.title))
    parts.append(_text(LEFT, 36, up.title, "start"))
    for place, ((name, points), color) in enumerate(zip(lines.items(), COLORS, strict=False)):
        parts.append(_line(across, up, points, color))
        parts.append(_text(WIDTH - RIGHT, 18 * (place + 1), name, "end", color))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    style = 'font-family="sans-serif" font-size="12"'
    return "\n".join([f"{head} {style}>", f"<title>{escape(title)}</title>", *parts, "</svg>\n"])


def _line(across: Axis, up: Axis, points: Points, color: str) -> str:
    places = " ".join(f"{_x(across, x):.1f},{_y(up, y):.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2"/>'


def _grid_across(axis: Axis, mark: float) -> str:
    x = _x(axis, mark)
    anchor = "end" if mark == axis.marks[-1] else "middle"  # or its text would be cut off
    return _rule(x, TOP, x, HEIGHT - BOTTOM) + _text(x, HEIGHT - BOTTOM + 16, f"{mark:,g}", anchor)


def _grid_up(axis: Axis, mark: float) -> str:
    y = _y(axis, mark)
    return _rule(LEFT, y, WIDTH - RIGHT, y) + _text(LEFT - 6, y + 4, f"{mark:,g}", "end")


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{_GREY}" stroke-opacity="0.35"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", fill: str = _GREY) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{fill}">{escape(text)}</text>'


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)
