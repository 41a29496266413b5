"""Charts as plain numbers in SVG units; `_chart.html` draws them, in the page's own colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from medrec.reporting.render import Verbatim

if TYPE_CHECKING:
    from collections.abc import Sequence

Anchor = Literal["start", "middle", "end"]
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 18.0, 46.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis, `at` SVG units."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Path:
    """A line or, when `closed`, an area; `points` as an SVG polyline wants them."""

    points: Verbatim
    kind: str
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """A point, with the radius of its circle."""

    x: float
    y: float
    kind: str
    title: str = ""
    radius: float = 3.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line, such as an interval."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str


@dataclass(frozen=True, slots=True)
class Text:
    """A word in the chart."""

    x: float
    y: float
    text: str
    kind: str = ""
    anchor: Anchor = "start"


@dataclass(frozen=True, slots=True)
class Frame:
    """Maps data to SVG units: the box of the plot and the ranges of both axes."""

    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    @property
    def left(self) -> float:
        """Left edge of the plot."""
        return _LEFT

    @property
    def right(self) -> float:
        """Right edge of the plot."""
        return self.width - _RIGHT

    @property
    def top(self) -> float:
        """Upper edge of the plot."""
        return _TOP

    @property
    def bottom(self) -> float:
        """Lower edge of the plot."""
        return self.height - _BOTTOM

    def x(self, value: float) -> float:
        """SVG units of a data value."""
        low, high = self.x_range
        return round(self.left + (value - low) / (high - low) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        """SVG units of a data value."""
        low, high = self.y_range
        return round(self.bottom - (value - low) / (high - low) * (self.bottom - self.top), 1)

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> Verbatim:
        """Points of a polyline; neighbours that fall on one spot are drawn once."""
        spots = [f"{self.x(x):g},{self.y(y):g}" for x, y in zip(xs, ys, strict=True)]
        moving = (spot for n, spot in enumerate(spots) if n == 0 or spot != spots[n - 1])
        return Verbatim(" ".join(moving))


@dataclass(frozen=True)
class Chart:
    """Everything a chart shows; `title` is what a screen reader says of it."""

    frame: Frame
    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    paths: tuple[Path, ...] = ()
    rules: tuple[Rule, ...] = ()
    dots: tuple[Dot, ...] = ()
    texts: tuple[Text, ...] = field(default=())


def share_ticks(frame: Frame, *, axis: Literal["x", "y"]) -> tuple[Tick, ...]:
    """Ticks at 0, 0.2, ... 1."""
    place = frame.x if axis == "x" else frame.y
    return tuple(Tick(place(step / 5), f"{step / 5:.1f}") for step in range(6))


def count_ticks(
    frame: Frame, *, axis: Literal["x", "y"], highest: float, lowest: float = 0.0
) -> tuple[Tick, ...]:
    """At most about ten ticks at round whole numbers."""
    place = frame.x if axis == "x" else frame.y
    step = _round_step((highest - lowest) / 10.0)
    first = int(-(-lowest // step)) * step
    values = range(first, int(highest) + 1, step)
    return tuple(Tick(place(value), str(value)) for value in values)


def value_ticks(frame: Frame, *, axis: Literal["x", "y"]) -> tuple[Tick, ...]:
    """Five ticks over whatever range the axis has."""
    place, (low, high) = (frame.x, frame.x_range) if axis == "x" else (frame.y, frame.y_range)
    values = [low + step * (high - low) / 4 for step in range(5)]
    return tuple(Tick(place(value), f"{value:.1f}") for value in values)


def _round_step(step: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, ... that is not below `step`."""
    magnitude = 1
    while True:
        for factor in (1, 2, 5):
            if factor * magnitude >= step:
                return factor * magnitude
        magnitude *= 10
