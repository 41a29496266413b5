"""Scores of boxes to probabilities: is there a lesion where the box says so?

A box's probability is the chance that a lesion lies there by the rule of hits. A second box on a
lesion that a likelier one has found says nothing of that chance: it is left out of the fit, as it
is of the measured calibration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from medrec.calibration.fit import measured_ece
from medrec.calibration.folds import assign_folds, check_patients
from medrec.calibration.targets import platt_targets
from medrec.errors import CalibrationError
from medrec.evaluation.logistic import fit_logistic
from medrec.evaluation.matching import ImageBoxes, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.calibration.heads import HeadCalibration
    from medrec.domain.finding import Label
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.matching import HitRule
    from medrec.evaluation.samples import BoolArray, IntArray, Samples


@dataclass(frozen=True, eq=False)
class PictureBoxes:
    """What a detector found in one picture (a film, a slice, a volume), and what is there.

    `boxes` (P, 2D) in pixels of the network's input, their `score` (P,), a logit, and `label` (P,),
    the column of their label; `image_logits` (K,) of an image head, None without. `truth` (T, 2D),
    `truth_label` (T,) and `is_ignored` (T,) are what is there; `is_known` says whether that is.
    """

    boxes: FloatArray
    score: FloatArray
    label: IntArray
    image_logits: FloatArray | None
    truth: FloatArray
    truth_label: IntArray
    is_ignored: BoolArray
    is_known: bool

    def joint(self, calibrations: Sequence[BoxCalibration], count: int) -> FloatArray:
        """The joint logits (K,) of the picture; of bare scores where there is no calibrator."""
        odds = log_odds_of(self.boxes, self.score, self.label, calibrations)
        return joint_logits(
            odds, self.label, self.image_logits, calibrations=calibrations, count=count
        )

    def of_label(self, column: int, unit: str) -> ImageBoxes:
        """The boxes and lesions of one label, to be matched."""
        own, there = self.label == column, self.truth_label == column
        return ImageBoxes(
            unit, self.truth[there], self.is_ignored[there], self.boxes[own], self.score[own]
        )


LEAST_LOGIT = -20.0
"""Of a picture in which not even an unlikely box was found."""


@dataclass(frozen=True)
class BoxCalibration:
    """probability = sigmoid(slope * score + size_slope * log(size) + intercept).

    `score` is a logit, `size` the geometric mean of the box's sides in pixels of the network's
    input. `patients`, `positives` (boxes on a lesion) and `rows` are what it was fitted on, `hit`
    when a box is on a lesion. `ece_after` is cross-validated by patient.

    Raises:
        ValueError: A slope that is not positive, or a number that is not finite.
    """

    label: Label
    slope: float
    intercept: float
    size_slope: float
    patients: int
    positives: int
    rows: int
    hit: HitRule
    ece_before: Estimate
    ece_after: Estimate
    head: HeadCalibration | None = None
    """Of the image head, where there is one that pictures without a lesion could calibrate."""

    def __post_init__(self) -> None:
        numbers = (self.slope, self.intercept, self.size_slope)
        if not all(map(math.isfinite, numbers)) or self.slope <= 0:
            message = f"a slope is positive and finite, not {self.slope} ({numbers[1:]})"
            raise ValueError(message)

    def log_odds(self, score: FloatArray, size: FloatArray) -> FloatArray:
        """Log-odds (...) that boxes of scores (...) and sizes (...) in pixels are on lesions."""
        odds: FloatArray = _design(score, size) @ np.array(
            [self.intercept, self.slope, self.size_slope]
        )
        return odds


def sizes_of(boxes: FloatArray) -> FloatArray:
    """The geometric mean (N,) of the sides of boxes (N, 2D)."""
    half = boxes.shape[1] // 2
    sides = np.maximum(boxes[:, half:] - boxes[:, :half], 1e-3)
    mean: FloatArray = np.exp(np.log(sides).mean(axis=1))
    return mean


def log_odds_of(
    boxes: FloatArray, score: FloatArray, label: IntArray, calibrations: Sequence[BoxCalibration]
) -> FloatArray:
    """Log-odds (N,) of boxes (N, 2D) by the calibrators of all labels; scores where there are none.

    `label` (N,) is the column of each box's label among the calibrators.
    """
    if not calibrations:
        return np.asarray(score, dtype=np.float64)
    size = sizes_of(boxes)
    every = np.stack([one.log_odds(score, size) for one in calibrations])
    return np.asarray(every[label, np.arange(len(label))])


def joint_logits(
    log_odds: FloatArray,
    label: IntArray,
    heads: FloatArray | None,
    *,
    calibrations: Sequence[BoxCalibration],
    count: int,
) -> FloatArray:
    """The logits (K,) of a picture from the log-odds (N,) of its boxes and its image head (K,).

    Their sigmoid is never below the probability of the likeliest box: without an image head it is
    that, with one it is more. A head without a calibrator has no say beside boxes that have one.
    """

    def head(column: int) -> float | None:
        if heads is None:
            return None
        if not calibrations:
            return float(heads[column])
        own = calibrations[column].head
        return None if own is None else own.log_odds(float(heads[column]))

    return np.array([joint_logit(log_odds[label == k], head(k)) for k in range(count)])


def joint_logit(log_odds: FloatArray, head: float | None) -> float:
    """The same of one label: the logarithm of the highest odds of a box and the head's, summed.

    >>> joint_logit(np.array([-1.0, 2.0]), None)
    2.0
    """
    highest = float(max(log_odds, default=LEAST_LOGIT))
    return highest if head is None else float(np.logaddexp(highest, head))


def is_on_lesion(image: ImageBoxes, rule: HitRule) -> tuple[BoolArray, BoolArray]:
    """Which boxes (P,) of an image are the best on a lesion, and which of them count.

    A second box on a lesion, and one on an ignored lesion, count neither way, whatever the rule: as
    where the calibration is measured (`medrec.evaluation.matching.Hits.counts`).
    """
    hits = judge(image, rule)
    return hits.is_best, hits.counts


def fit_box_calibration(
    samples: Samples,
    size: FloatArray,
    *,
    label: Label,
    hit: HitRule,
    rounds: int,
    rng: np.random.Generator,
) -> BoxCalibration:
    """Fit by maximum likelihood on Platt's targets; rows are boxes of patients held out.

    Args:
        samples: Of each box its score, whether it is on a lesion, and its patient.
        size: (N,) as `sizes_of` gives it.
        label: Of the boxes.
        hit: By what `samples.truth` was told.
        rounds: Of the intervals of the ECE.
        rng: Deals the folds, and resamples.

    Raises:
        CalibrationError: Fewer than two patients with boxes of either kind, or higher scores don't
            go with more lesions.
    """
    check_patients(samples, purpose="calibration of boxes")
    fold = assign_folds(samples, rng=rng)
    held_out = np.empty(len(samples))
    for number in np.unique(fold):
        rows = fold == number
        found = _fit(samples.subset(~rows), size[~rows])
        held_out[rows] = expit(_design(samples.logit[rows], size[rows]) @ found)
    intercept, slope, size_slope = _fit(samples, size).tolist()
    seed = int(rng.integers(1 << 32))
    return BoxCalibration(
        label=label,
        slope=slope,
        intercept=intercept,
        size_slope=size_slope,
        patients=samples.unit_count,
        positives=int(samples.truth.sum()),
        rows=len(samples),
        hit=hit,
        ece_before=measured_ece(samples, expit(samples.logit), rounds=rounds, seed=seed),
        ece_after=measured_ece(samples, held_out, rounds=rounds, seed=seed),
    )


def _design(score: FloatArray, size: FloatArray) -> FloatArray:
    score = np.asarray(score, dtype=np.float64)
    return np.stack([np.ones_like(score), score, np.log(np.maximum(size, 1e-3))], axis=-1)


def _fit(samples: Samples, size: FloatArray) -> FloatArray:
    """Intercept, slope and slope of size; sizes that are all alike tell nothing."""
    design = _design(samples.logit, size)
    targets = platt_targets(samples.truth, samples.weight)
    if np.ptp(design[:, 2]) < 1e-6:  # noqa: PLR2004 (all alike)
        found = np.append(fit_logistic(design[:, :2], targets, samples.weight[np.newaxis])[0], 0.0)
    else:
        found = fit_logistic(design, targets, samples.weight[np.newaxis])[0]
    if not found[1] > 0:
        message = "boxes with higher scores lie on lesions no more often: train the detector longer"
        raise CalibrationError(message)
    return np.asarray(found)
