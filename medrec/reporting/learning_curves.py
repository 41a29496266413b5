"""The learning curves of all networks of a run, as a picture."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_SIZE_INCHES = (10.0, 4.2)
_DPI = 110
_COLOURS = "tab10"


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The epochs of one network, counted from 1, and what was measured in each.

    `loss` is the mean loss of training; `watched_loss` and `watched_auroc` are the log-loss and
    the AUROC of rows that it did not learn from. None, or a number that is not finite, is a gap.
    """

    network: str
    epochs: tuple[int, ...]
    loss: tuple[float | None, ...]
    watched_loss: tuple[float | None, ...]
    watched_auroc: tuple[float | None, ...]


def draw_learning_curves(curves: Sequence[LearningCurve]) -> bytes:
    """Draw a PNG: on the left losses, on the right the AUROC of watched rows.

    One colour a network; a solid line is what it learned from, a dashed one what was watched.
    """
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    losses, areas = figure.subplots(1, 2)
    colours = colormaps[_COLOURS]
    for number, curve in enumerate(curves):
        colour = colours(number % colours.N)
        _line(losses, curve, curve.loss, colour, style="o-", label=curve.network)
        _line(losses, curve, curve.watched_loss, colour, style="s--")
        _line(areas, curve, curve.watched_auroc, colour, style="s--")
    _label(losses, "loss (solid: trained on, dashed: watched)")
    _label(areas, "AUROC of watched rows")
    if not any(_finite(curve.watched_auroc) for curve in curves):
        areas.text(0.5, 0.5, "no rows were watched", ha="center", transform=areas.transAxes)
    areas.set_ylim(0, 1.02)
    if curves:
        figure.legend(loc="outside right upper", fontsize="small", frameon=False)
    stream = io.BytesIO()
    # Without a note of matplotlib's version equal curves give equal files.
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _line(
    axes: Axes,
    curve: LearningCurve,
    values: Sequence[float | None],
    colour: tuple[float, float, float, float],
    *,
    style: str,
    label: str | None = None,
) -> None:
    if not _finite(values) and label is None:
        return
    heights = [math.nan if value is None else value for value in values]
    axes.plot(
        curve.epochs, heights, style, color=colour, markersize=3.5, linewidth=1.4, label=label
    )


def _label(axes: Axes, text: str) -> None:
    axes.set_xlabel("epoch")
    axes.set_ylabel(text)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _finite(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
