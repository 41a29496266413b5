"""The chart of what is found by size, here and at home."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from medrec.reporting.figures import Chart, Frame, Path, Text, Tick, share_ticks

if TYPE_CHECKING:
    from medrec.evaluation.acceptance import AcceptanceResult

_SIDE = (460.0, 340.0)
_BASES = (1, 1.5, 2, 3, 5, 7)
_NEAR = 0.01


def curve_chart(result: AcceptanceResult, strength: float) -> Chart:
    """Sensitivity against size at one strength, its band, and the curve at home."""
    found = result.detectability
    assert found is not None  # noqa: S101 (the page draws what was fitted)
    points = [point for point in found.points if point.strength == strength]
    x = [math.log2(point.size) for point in points]
    frame = Frame(*_SIDE, (x[0], x[-1]), (0.0, 1.0))
    known = [
        (at, point.share.low, point.share.high)
        for at, point in zip(x, points, strict=True)
        if point.share.low is not None and point.share.high is not None
    ]
    paths = [Path(frame.points(x, [point.share.value for point in points]), "line")]
    if known:
        across = [at for at, _, _ in known]
        band = frame.points(
            [*across, *reversed(across)],
            [*(low for _, low, _ in known), *reversed([high for _, _, high in known])],
        )
        paths.insert(0, Path(band, "area", closed=True))
    home = sorted(
        (size, share.value)
        for size, each, share in (result.home.points if result.home else ())
        if each == strength
    )
    texts = [Text(frame.right - 4, frame.y(0.06), "here: blue", "", "end")]
    if home:
        line = frame.points([math.log2(size) for size, _ in home], [value for _, value in home])
        paths.append(Path(line, "second"))
        texts = [Text(frame.right - 4, frame.y(0.06), "blue: here · orange: at home", "", "end")]
    return Chart(
        frame=frame,
        title=f"Sensitivity by size at strength {strength:g}",
        x_label="size, % of the width",
        y_label="share found",
        x_ticks=tuple(Tick(frame.x(at), f"{100 * 2**at:.3g}") for at in _marks(x[0], x[-1])),
        y_ticks=share_ticks(frame, axis="y"),
        paths=tuple(paths),
        texts=tuple(texts),
    )


def _marks(low: float, high: float) -> list[float]:
    """Sizes of 1, 2, 5, 10 ... per cent and the like between two ends, as log2 of the share."""
    found = [math.log2(base * 10.0**power) for power in (-3, -2, -1) for base in _BASES]
    return [at for at in found if low - _NEAR <= at <= high + _NEAR]
