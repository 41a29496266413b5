"""The charts of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.reporting.figures import (
    Bar,
    Chart,
    Dot,
    Frame,
    Path,
    Rule,
    Text,
    Tick,
    count_ticks,
    share_ticks,
    value_ticks,
)
from medrec.reporting.render import format_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.discrimination import Curve
    from medrec.evaluation.reliability import ReliabilityBin
    from medrec.evaluation.samples import BoolArray
    from medrec.evaluation.threshold import ThresholdFigures

_SIDE = (460.0, 420.0)
_UNIT = (0.0, 1.0)
_HISTOGRAM_BINS = 20
_MOST_POINTS = 1000


def roc_chart(curve: Curve, points: Mapping[str, ThresholdFigures]) -> Chart:
    """The ROC curve with its operating points and their intervals."""
    frame = Frame(*_SIDE, _UNIT, _UNIT)
    x, y = thin(curve.x, curve.y)
    dots, rules, texts = _operating_points(frame, points)
    return Chart(
        frame=frame,
        title="ROC curve: sensitivity against 1 - specificity",
        x_label="1 - specificity",
        y_label="sensitivity",
        x_ticks=share_ticks(frame, axis="x"),
        y_ticks=share_ticks(frame, axis="y"),
        paths=(
            Path(frame.points([*x, 1.0], [*y, 0.0]), "area", closed=True),
            Path(frame.points(_UNIT, _UNIT), "chance"),
            Path(frame.points(x, y), "line"),
        ),
        rules=rules,
        dots=dots,
        texts=texts,
    )


def _operating_points(
    frame: Frame, points: Mapping[str, ThresholdFigures]
) -> tuple[tuple[Dot, ...], tuple[Rule, ...], tuple[Text, ...]]:
    dots: list[Dot] = []
    rules: list[Rule] = []
    texts: list[Text] = []
    for name, figures in points.items():
        sensitivity, specificity = figures.sensitivity, figures.specificity
        if sensitivity is None or specificity is None:
            continue
        x, y = frame.x(1.0 - specificity.value), frame.y(sensitivity.value)
        dots.append(Dot(x, y, "operating", f"{name}: {format_number(figures.threshold)}", 5.0))
        if sensitivity.low is not None and sensitivity.high is not None:
            ends = frame.y(sensitivity.low), frame.y(sensitivity.high)
            rules.append(Rule(x, ends[0], x, ends[1], "interval"))
        if specificity.low is not None and specificity.high is not None:
            ends = frame.x(1.0 - specificity.low), frame.x(1.0 - specificity.high)
            rules.append(Rule(ends[0], y, ends[1], y, "interval"))
        is_right = x > frame.x(0.7)
        away = -9 if is_right else 9
        texts.append(Text(x + away, y + 18, name, "strong", "end" if is_right else "start"))
    return tuple(dots), tuple(rules), tuple(texts)


def precision_recall_chart(curve: Curve, *, prevalence: float) -> Chart:
    """The precision-recall curve; the dashed line is what flagging everything would give."""
    frame = Frame(*_SIDE, _UNIT, _UNIT)
    x, y = thin(*_steps(curve))
    return Chart(
        frame=frame,
        title="Precision-recall curve",
        x_label="recall (sensitivity)",
        y_label="precision (positive predictive value)",
        x_ticks=share_ticks(frame, axis="x"),
        y_ticks=share_ticks(frame, axis="y"),
        paths=(
            Path(frame.points(_UNIT, (prevalence, prevalence)), "chance"),
            Path(frame.points(x, y), "line"),
        ),
        texts=(
            Text(
                frame.left + 8,
                frame.y(prevalence) - 6 if prevalence < 0.9 else frame.y(prevalence) + 15,  # noqa: PLR2004
                f"prevalence {format_number(prevalence)}",
                anchor="start",
            ),
        ),
    )


def _steps(curve: Curve) -> tuple[FloatArray, FloatArray]:
    """Hold precision back to the recall before it, as the area of average precision has it."""
    before = np.append(0.0, curve.x[:-1])
    return np.column_stack([before, curve.x]).ravel(), np.repeat(curve.y, 2)


def reliability_chart(
    bins: Sequence[ReliabilityBin], *, observed: str = "observed share of positives"
) -> Chart:
    """What was said against how often it was so, with the interval of each bin."""
    frame = Frame(*_SIDE, _UNIT, _UNIT)
    rules = tuple(
        Rule(
            frame.x(one.probability),
            frame.y(low),
            frame.x(one.probability),
            frame.y(high),
            "interval",
        )
        for one in bins
        if (low := one.observed.low) is not None and (high := one.observed.high) is not None
    )
    dots = tuple(
        Dot(
            frame.x(one.probability),
            frame.y(one.observed.value),
            "point",
            f"said {format_number(one.probability)}, was {format_number(one.observed.value)}, "
            f"{one.rows} rows",
            4.5,
        )
        for one in bins
    )
    return Chart(
        frame=frame,
        title=f"Reliability diagram: {observed} against mean probability",
        x_label="mean probability in the bin",
        y_label=observed,
        x_ticks=share_ticks(frame, axis="x"),
        y_ticks=share_ticks(frame, axis="y"),
        paths=(Path(frame.points(_UNIT, _UNIT), "chance"),),
        rules=rules,
        dots=dots,
        texts=(Text(frame.left + 10, frame.top + 14, "dashed: perfect calibration"),),
    )


def histogram_chart(truth: BoolArray, value: FloatArray, *, calibrated: bool) -> Chart:
    """How often each value was given, positives upwards and negatives downwards."""
    low, high = _UNIT if calibrated else (float(value.min()), float(value.max()))
    edges = np.linspace(low, high if high > low else low + 1.0, _HISTOGRAM_BINS + 1)
    positive, negative = (np.histogram(value[rows], edges)[0] for rows in (truth, ~truth))
    most = max(1, int(positive.max()), int(negative.max()))
    frame = Frame(_SIDE[0], 300.0, (float(edges[0]), float(edges[-1])), (-most, most))
    width = frame.x(float(edges[1])) - frame.x(float(edges[0])) - 1.5
    bars = []
    for index in range(_HISTOGRAM_BINS):
        x, middle = frame.x(float(edges[index])) + 0.75, frame.y(0.0)
        span = f"{edges[index]:.2f} to {edges[index + 1]:.2f}"
        for count, kind in ((positive[index], "positive"), (negative[index], "negative")):
            height = abs(frame.y(float(count)) - middle)
            top = middle - height if kind == "positive" else middle
            if count:
                bars.append(Bar(x, top, width, height, kind, f"{span}: {count} {kind}"))
    up = count_ticks(frame, axis="y", highest=most)[:: 1 if most < 6 else 2]  # noqa: PLR2004
    down = tuple(Tick(frame.y(-float(tick.text)), tick.text) for tick in up[1:])
    return Chart(
        frame=frame,
        title="Histogram of the values by truth",
        x_label="probability" if calibrated else "score",
        y_label="rows",
        x_ticks=share_ticks(frame, axis="x") if calibrated else value_ticks(frame, axis="x"),
        y_ticks=(*up, *down),
        bars=tuple(bars),
        texts=(
            Text(frame.left + 10, frame.top + 14, "positive ↑", "strong"),
            Text(frame.left + 10, frame.bottom - 8, "negative ↓", "strong"),
        ),
    )


def thin(x: FloatArray, y: FloatArray) -> tuple[list[float], list[float]]:
    """At most 1000 points of a curve, its ends among them: a page needs no more."""
    kept = np.arange(len(x))
    if len(x) > _MOST_POINTS:
        kept = np.unique(np.linspace(0, len(x) - 1, _MOST_POINTS).round().astype(int))
    return x[kept].tolist(), y[kept].tolist()
