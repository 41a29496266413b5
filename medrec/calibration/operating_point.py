"""Thresholds that reach a stated sensitivity or specificity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.calibration.folds import check_patients
from medrec.errors import CalibrationError
from medrec.evaluation.threshold import measure_threshold

if TYPE_CHECKING:
    from medrec.calibration.entry import Level
    from medrec.domain.finding import Label
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.samples import BoolArray, Samples

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Target:
    """What an operating point must reach: one of sensitivity and specificity, in (0, 1).

    Raises:
        ValueError: Both or neither, or one out of range.
    """

    name: str
    sensitivity: float | None = None
    specificity: float | None = None

    def __post_init__(self) -> None:
        given = [share for share in (self.sensitivity, self.specificity) if share is not None]
        if len(given) != 1 or not 0 < given[0] < 1:
            message = f"{self.name}: give sensitivity or specificity, one of the two, in (0, 1)"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Population:
    """Whose findings a threshold applies to, and the patients it was measured on, in words."""

    label: Label
    level: Level
    measured_on: str


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A named threshold on the probability: at or above it a case is flagged.

    Raises:
        ValueError: A threshold outside [0, 1].
    """

    name: str
    label: Label
    level: Level
    threshold: float
    sensitivity: Estimate
    specificity: Estimate
    measured_on: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            message = f"a threshold on a probability lies in [0, 1], not {self.threshold}"
            raise ValueError(message)


def fit_operating_point(
    samples: Samples,
    target: Target,
    *,
    population: Population,
    rounds: int,
    rng: np.random.Generator,
) -> OperatingPoint:
    """Choose the threshold that reaches a target at the least cost, and measure it.

    Intervals are Wilson's where rows are patients of equal weight, else from resampled patients;
    they take the threshold as given. Sensitivity and specificity on the rows that chose the
    threshold are a little too good: say so in `measured_on`, or measure again elsewhere.

    Raises:
        CalibrationError: No probability, or fewer than two patients of either class.
    """
    check_patients(samples, purpose=f"operating point {target.name}")
    if samples.probability is None:
        message = f"operating point {target.name}: a threshold needs calibrated probabilities"
        raise CalibrationError(message)
    threshold = choose_threshold(samples, target)
    figures = measure_threshold(samples, threshold, rounds=rounds, rng=rng)
    if figures.sensitivity is None or figures.specificity is None:
        message = f"operating point {target.name}: every row of a class has weight 0"
        raise CalibrationError(message)
    return OperatingPoint(
        name=target.name,
        label=population.label,
        level=population.level,
        threshold=threshold,
        sensitivity=figures.sensitivity,
        specificity=figures.specificity,
        measured_on=population.measured_on,
    )


def choose_threshold(samples: Samples, target: Target) -> float:
    """The highest threshold that reaches a sensitivity, or the lowest that reaches a specificity.

    It lies midway to the neighbouring score, so that rounding moves no row across it.
    """
    levels = np.unique(samples.score)
    if target.sensitivity is not None:
        flagged = _share_at_least(samples, samples.truth, levels)
        chosen = int(np.flatnonzero(flagged >= target.sensitivity - _ROUNDING)[-1])
    else:
        passed = 1 - _share_at_least(samples, ~samples.truth, levels)
        enough = np.flatnonzero(passed >= (target.specificity or 0) - _ROUNDING)
        chosen = int(enough[0]) if len(enough) else len(levels)
    edges = np.concatenate([[0.0], levels, [1.0]])
    return float((edges[chosen] + edges[chosen + 1]) / 2)


def _share_at_least(samples: Samples, rows: BoolArray, levels: FloatArray) -> FloatArray:
    """The weighted share of some rows with a score of at least each level."""
    place = np.searchsorted(levels, samples.score[rows])
    mass = np.bincount(place, samples.weight[rows], minlength=len(levels))
    share: FloatArray = np.cumsum(mass[::-1])[::-1] / mass.sum()
    return share
