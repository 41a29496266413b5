"""How well scores tell positive from negative rows, whatever their calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from medrec.evaluation.estimate import CONFIDENCE, MINIMUM_UNITS, TOO_FEW_UNITS, Estimate

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray, IntArray, Samples

_Z = float(norm.ppf((1 + CONFIDENCE) / 2))
_DELONG = "DeLong, logit-transformed"


@dataclass(frozen=True, eq=False)
class Curve:
    """Points (P,) of a ROC curve or of a precision-recall curve.

    `x` and `y` are 1 - specificity and sensitivity, or recall and precision.
    `threshold` (P,) falls along the curve; a row is flagged where its score is at least that.
    """

    x: FloatArray
    y: FloatArray
    threshold: FloatArray


def auroc(truth: BoolArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in order, ties one half.

    >>> auroc(np.array([False, True, True]), np.array([0.2, 0.2, 0.9]))
    0.75

    Returns NaN where only one class carries weight.
    """
    rows = np.ones(len(truth)) if weight is None else weight
    return float(_auroc(np.asarray(truth, dtype=bool), np.asarray(score), rows[np.newaxis])[0])


def auroc_rounds(samples: Samples, weight: FloatArray) -> FloatArray:
    """AUROC for each of R row weightings (R, N)."""
    return _auroc(samples.truth, samples.score, weight)


def _auroc(truth: BoolArray, score: FloatArray, weight: FloatArray) -> FloatArray:
    order = np.argsort(score, kind="stable")
    first, after = tie_bounds(score[order])
    truth, weight = truth[order], weight[:, order]
    negatives = np.zeros((len(weight), len(truth) + 1))
    np.cumsum(weight * ~truth, axis=1, out=negatives[:, 1:])
    # A positive beats the negatives below its tie group and half of those in it.
    beaten = (negatives[:, first[truth]] + negatives[:, after[truth]]) / 2
    positive_weight = weight[:, truth]
    pairs = positive_weight.sum(axis=1) * negatives[:, -1]
    return _divide((positive_weight * beaten).sum(axis=1), pairs)


def tie_bounds(ordered: FloatArray) -> tuple[IntArray, IntArray]:
    """For each of N sorted values, the first index of its tie group and the one after its last."""
    first = np.searchsorted(ordered, ordered, side="left")
    after = np.searchsorted(ordered, ordered, side="right")
    return first, after


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    undefined = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    result: FloatArray = np.divide(numerator, denominator, out=undefined, where=denominator > 0)
    return result


def auroc_delong(samples: Samples) -> Estimate:
    """AUROC with DeLong's interval on the logit scale, by midranks (Sun & Xu, IEEE SPL 2014).

    DeLong's variance takes rows as independent and of equal weight.

    Raises:
        ValueError: One class is missing, or rows weigh differently.
    """
    if not samples.has_both_classes or samples.is_weighted:
        message = "DeLong's interval needs both classes and rows of equal weight"
        raise ValueError(message)
    value, variance = delong_variance(samples.truth, samples.score)
    if samples.unit_count < MINIMUM_UNITS:
        return Estimate(value, None, None, "value only", note=TOO_FEW_UNITS)
    if not variance > 0 or value in (0.0, 1.0):
        note = "DeLong's variance is 0 or unknown: an interval would feign certainty"
        return Estimate(value, None, None, "value only", note=note)
    half = _Z * np.sqrt(variance) / (value * (1 - value))
    low, high = (float(expit(logit(value) + sign * half)) for sign in (-1, 1))
    return Estimate(value, low, high, _DELONG, assumes_independent_rows=not samples.rows_are_units)


def delong_variance(truth: BoolArray, score: FloatArray) -> tuple[float, float]:
    """AUROC and its variance after DeLong et al. 1988; NaN with fewer than two of a class."""
    positive, negative = score[truth], score[~truth]
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    of_positive = (ranks[:m] - rankdata(positive)) / n
    of_negative = 1 - (ranks[m:] - rankdata(negative)) / m
    value = float(of_positive.mean())
    if min(m, n) < 2:  # noqa: PLR2004 (a variance needs two)
        return value, float("nan")
    return value, float(of_positive.var(ddof=1) / m + of_negative.var(ddof=1) / n)


def average_precision(
    truth: BoolArray, score: FloatArray, weight: FloatArray | None = None
) -> float:
    """Area under the precision-recall curve by steps; NaN without positives."""
    rows = np.ones(len(truth)) if weight is None else weight
    return float(
        _average_precision(np.asarray(truth, dtype=bool), np.asarray(score), rows[np.newaxis])[0]
    )


def average_precision_rounds(samples: Samples, weight: FloatArray) -> FloatArray:
    """Average precision for each of R row weightings (R, N)."""
    return _average_precision(samples.truth, samples.score, weight)


def _average_precision(truth: BoolArray, score: FloatArray, weight: FloatArray) -> FloatArray:
    true_positives, flagged = _cumulate(truth, score, weight)
    gained = np.diff(true_positives, axis=1, prepend=0)
    precision = np.divide(true_positives, flagged, out=np.zeros_like(flagged), where=flagged > 0)
    return _divide((gained * precision).sum(axis=1), true_positives[:, -1])


def _cumulate(
    truth: BoolArray, score: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Weight of the true positives and of all flagged rows at each falling threshold, (R, P)."""
    order = np.argsort(-score, kind="stable")
    lasts = np.flatnonzero(np.append(np.diff(score[order]) != 0, [True]))
    weight = weight[:, order]
    true_positives = np.cumsum(weight * truth[order], axis=1)[:, lasts]
    return true_positives, np.cumsum(weight, axis=1)[:, lasts]


def roc_curve(samples: Samples) -> Curve:
    """The ROC curve at every distinct score, from (0, 0) to (1, 1)."""
    true_positives, flagged = _curve_counts(samples)
    false_positives = flagged - true_positives
    return Curve(
        x=np.append(0.0, false_positives / false_positives[-1]),
        y=np.append(0.0, true_positives / true_positives[-1]),
        threshold=np.append(np.inf, _falling(samples.score)),
    )


def precision_recall_curve(samples: Samples) -> Curve:
    """Recall and precision at every distinct score, falling."""
    true_positives, flagged = _curve_counts(samples)
    return Curve(
        x=true_positives / true_positives[-1],
        y=true_positives / flagged,
        threshold=_falling(samples.score),
    )


def _curve_counts(samples: Samples) -> tuple[FloatArray, FloatArray]:
    true_positives, flagged = _cumulate(samples.truth, samples.score, samples.weight[np.newaxis])
    return true_positives[0], flagged[0]


def _falling(score: FloatArray) -> FloatArray:
    return np.unique(score)[::-1]
