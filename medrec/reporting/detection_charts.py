"""The charts of boxes: FROC, precision against recall, and one image's boxes to scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.froc import RATES
from medrec.reporting.evaluation_charts import thin
from medrec.reporting.figures import Chart, Dot, Frame, Path, Rule, Tick, share_ticks
from medrec.reporting.render import format_number

if TYPE_CHECKING:
    from medrec.domain.box import Box
    from medrec.evaluation.detection_result import DetectionCurves, Froc, JudgedImage

_SIDE = (460.0, 420.0)
_UNIT = (0.0, 1.0)
_OCTAVES = (-4.0, 4.0)
_RATE_WORDS = ("1/8", "1/4", "1/2", "1", "2", "4", "8")
_MARGIN = 0.08
_LONGEST_SIDE = 420.0


def froc_chart(curves: DetectionCurves, froc: Froc) -> Chart:
    """Sensitivity against false positives an image, on a scale of octaves, with intervals."""
    frame = Frame(*_SIDE, _OCTAVES, _UNIT)
    shown = curves.froc.rate > 2.0 ** _OCTAVES[0]
    before = curves.froc.sensitivity[~shown][-1]  # the first point, (0, 0), is never shown
    rate = np.log2(np.minimum(curves.froc.rate[shown], 2.0 ** _OCTAVES[1]))
    x, y = thin(
        np.concatenate([[_OCTAVES[0]], rate]),
        np.concatenate([[before], curves.froc.sensitivity[shown]]),
    )
    read = [
        (frame.x(float(np.log2(at))), one)
        for at, one in zip(RATES, froc.sensitivity, strict=True)
        if one is not None
    ]
    return Chart(
        frame=frame,
        title="FROC curve: sensitivity for lesions against false positives an image",
        x_label="false positives an image",
        y_label="sensitivity for lesions",
        x_ticks=tuple(
            Tick(frame.x(float(np.log2(at))), word)
            for at, word in zip(RATES, _RATE_WORDS, strict=True)
        ),
        y_ticks=share_ticks(frame, axis="y"),
        paths=(Path(frame.points(x, y), "line"),),
        rules=tuple(
            Rule(at, frame.y(one.low), at, frame.y(one.high), "interval")
            for at, one in read
            if one.low is not None and one.high is not None
        ),
        dots=tuple(
            Dot(at, frame.y(one.value), "point", f"sensitivity {format_number(one.value)}", 4.5)
            for at, one in read
        ),
    )


def box_precision_chart(curves: DetectionCurves) -> Chart:
    """Precision against recall over all boxes."""
    frame = Frame(*_SIDE, _UNIT, _UNIT)
    x, y = thin(curves.recall, curves.precision)
    return Chart(
        frame=frame,
        title=f"Precision-recall curve of boxes at IoU {curves.iou:g}",
        x_label="recall (sensitivity for lesions)",
        y_label="precision (share of boxes on a lesion)",
        x_ticks=share_ticks(frame, axis="x"),
        y_ticks=share_ticks(frame, axis="y"),
        paths=(Path(frame.points(x, y), "line"),),
    )


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A rectangle in SVG units; `kind` is the verdict on a lesion or on a box."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """Where lesions and boxes lie to each other: no picture, since no scan is opened."""

    name: str
    width: float
    height: float
    boxes: tuple[DrawnBox, ...]


def draw_image(image: JudgedImage) -> DrawnImage | None:
    """One image's lesions and boxes to scale, seen along the slices; None without any."""
    drawn = [(one.truth.box, one.verdict, _lesion_words(one.verdict)) for one in image.lesions]
    drawn += [(one.box, one.verdict, f"box: {one.verdict}") for one in image.boxes]
    if not drawn:
        return None
    low = [min(box.low[axis] for box, *_ in drawn) for axis in (0, 1)]
    high = [max(box.high[axis] for box, *_ in drawn) for axis in (0, 1)]
    margin = _MARGIN * max(high[0] - low[0], high[1] - low[1])
    scale = _LONGEST_SIDE / (max(high[0] - low[0], high[1] - low[1]) + 2 * margin)

    def place(box: Box, kind: str, title: str) -> DrawnBox:
        x, y = ((box.low[axis] - low[axis] + margin) * scale for axis in (0, 1))
        width, height = (box.sides[axis] * scale for axis in (0, 1))
        return DrawnBox(round(x, 1), round(y, 1), round(width, 1), round(height, 1), kind, title)

    return DrawnImage(
        name="the whole image" if image.slice is None else f"slice {image.slice}",
        width=round((high[0] - low[0] + 2 * margin) * scale, 1),
        height=round((high[1] - low[1] + 2 * margin) * scale, 1),
        boxes=tuple(place(*one) for one in drawn),
    )


def _lesion_words(verdict: str) -> str:
    return "lesion that counts neither way" if verdict == "ignored" else f"lesion: {verdict}"
