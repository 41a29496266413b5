"""What the evaluation page shows, in the order in which it shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medrec.reporting.definitions import FIGURES, GROUP_FIGURES, Definition
from medrec.reporting.evaluation_charts import (
    histogram_chart,
    precision_recall_chart,
    reliability_chart,
    roc_chart,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.discrimination import Curve
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.reliability import ReliabilityBin
    from medrec.evaluation.samples import BoolArray
    from medrec.evaluation.threshold import ThresholdFigures
    from medrec.reporting.figures import Chart

Row = tuple[float | int | str, ...]
_SHOWN_ROWS = 40


@dataclass(frozen=True)
class Plate:
    """A chart with all its numbers; `name` is that of its CSV file, without ending."""

    name: str
    title: str
    caption: str
    chart: Chart
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def shown_rows(self) -> tuple[Row, ...]:
        """At most 40 of the rows, evenly taken: the file has them all."""
        if len(self.rows) <= _SHOWN_ROWS:
            return self.rows
        kept = np.unique(np.linspace(0, len(self.rows) - 1, _SHOWN_ROWS).round().astype(int))
        return tuple(self.rows[index] for index in kept)


@dataclass(frozen=True)
class FigureRow:
    """One line of the headline table; `remark` qualifies the figure, such as its pair count."""

    key: str
    estimate: Estimate
    remark: str = ""

    @property
    def definition(self) -> Definition:
        """What the figure means."""
        known = FIGURES.get(self.key) or GROUP_FIGURES.get(self.key)
        return known or Definition(self.key, "", "", "")


@dataclass(frozen=True)
class LevelView:
    """A label judged at one level: whole exams or single slices."""

    title: str
    n: int
    positives: int
    unknown: int
    patients: int
    positive_patients: int
    figures: tuple[FigureRow, ...]
    points: Mapping[str, ThresholdFigures] = field(default_factory=dict)
    plates: tuple[Plate, ...] = ()


def roc_plate(curve: Curve, points: Mapping[str, ThresholdFigures], *, name: str) -> Plate:
    """The ROC curve."""
    return Plate(
        name=name,
        title="ROC curve",
        caption="Circles are operating points, crosses their 95 % intervals; dashed: chance.",
        chart=roc_chart(curve, points),
        columns=("false_positive_rate", "sensitivity", "threshold"),
        rows=_rows(curve),
    )


def precision_recall_plate(curve: Curve, *, prevalence: float, name: str) -> Plate:
    """The precision-recall curve."""
    return Plate(
        name=name,
        title="Precision and recall",
        caption="Precision depends on the prevalence of this sample, the dashed line.",
        chart=precision_recall_chart(curve, prevalence=prevalence),
        columns=("recall", "precision", "threshold"),
        rows=_rows(curve),
    )


def reliability_plate(
    bins: Sequence[ReliabilityBin],
    *,
    name: str,
    title: str = "Reliability",
    observed: str = "observed share of positives",
    ece: Estimate | None = None,
    ece_if_calibrated: Estimate | None = None,
) -> Plate:
    """The reliability diagram."""
    return Plate(
        name=name,
        title=title,
        caption=_verdict(ece, ece_if_calibrated),
        chart=reliability_chart(bins, observed=observed),
        columns=("probability", "observed", "observed_low", "observed_high", "rows"),
        rows=tuple(
            (
                one.probability,
                one.observed.value,
                "" if one.observed.low is None else one.observed.low,
                "" if one.observed.high is None else one.observed.high,
                one.rows,
            )
            for one in bins
        ),
    )


def _verdict(ece: Estimate | None, yardstick: Estimate | None) -> str:
    words = "Bins of equal mass with 95 % intervals, where a bin holds enough patients for one."
    if ece is None or yardstick is None:
        return words
    if ece.value <= yardstick.value:
        return (
            f"{words} The ECE {ece.value:.3f} is not above {yardstick.value:.3f}, what perfect "
            "calibration would show on so many rows: no evidence of miscalibration."
        )
    return (
        f"{words} The ECE {ece.value:.3f} is above {yardstick.value:.3f}, what perfect calibration "
        "would show on so many rows: the probabilities are off on this sample."
    )


def histogram_plate(truth: BoolArray, value: FloatArray, *, calibrated: bool, name: str) -> Plate:
    """The values by truth."""
    order = np.argsort(-value, kind="stable")
    word = "probability" if calibrated else "score"
    return Plate(
        name=name,
        title=f"{word.capitalize()} by truth",
        caption="Rows whose truth is positive stand upwards, negative ones downwards.",
        chart=histogram_chart(truth, value, calibrated=calibrated),
        columns=(word, "truth"),
        rows=tuple((float(value[index]), int(truth[index])) for index in order),
    )


def _rows(curve: Curve) -> tuple[Row, ...]:
    return tuple(
        (float(x), float(y), float(threshold))
        for x, y, threshold in zip(curve.x, curve.y, curve.threshold, strict=True)
    )
