"""The charts of boxes: FROC, and precision against recall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.froc import RATES
from medrec.reporting.evaluation_charts import thin
from medrec.reporting.figures import Chart, Dot, Frame, Path, Rule, Tick, share_ticks
from medrec.reporting.render import format_number

if TYPE_CHECKING:
    from medrec.evaluation.detection_result import DetectionCurves, Froc

_SIDE = (460.0, 420.0)
_UNIT = (0.0, 1.0)
_OCTAVES = (-4.0, 4.0)
_RATE_WORDS = ("1/8", "1/4", "1/2", "1", "2", "4", "8")


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
