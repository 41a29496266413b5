"""Whether probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit

from medrec.evaluation.discrimination import tie_bounds
from medrec.evaluation.estimate import MINIMUM_UNITS, TOO_FEW_UNITS, Estimate
from medrec.evaluation.intervals import Bounds, bootstrap_units, resample_units, summarise, wilson
from medrec.evaluation.logistic import fit_logistic

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray, IntArray, Samples

ECE_BINS = 15
CALIBRATED_QUANTILE = 0.95
_CLOSEST_TO_CERTAIN = 1e-9
_CELLS_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows of similar probability: what was said, and how often it was so."""

    rows: int
    probability: float
    observed: Estimate


def brier_rounds(samples: Samples, weight: FloatArray) -> FloatArray:
    """Mean squared difference of label and probability, for row weightings (R, N)."""
    squares = (_probability(samples) - samples.truth) ** 2
    score: FloatArray = (weight @ squares) / weight.sum(axis=1)
    return score


def brier(truth: BoolArray, probability: FloatArray, weight: FloatArray | None = None) -> float:
    """Mean squared difference of label and probability.

    >>> brier(np.array([True, False]), np.array([0.5, 0.1]))
    0.13
    """
    return float(np.average((probability - np.asarray(truth, dtype=float)) ** 2, weights=weight))


def ece(
    truth: BoolArray,
    probability: FloatArray,
    *,
    weight: FloatArray | None = None,
    bins: int = ECE_BINS,
) -> float:
    """Expected calibration error over bins of equal mass.

    The weighted mean over bins of |mean label - mean probability|. Rows of the same probability
    share a bin, that of their middle: the order of rows does not matter.
    """
    rows = np.ones(len(truth)) if weight is None else weight
    residual = np.asarray(truth, dtype=float) - probability
    return float(_ece(residual, probability, rows[np.newaxis], bins)[0])


def ece_rounds(samples: Samples, weight: FloatArray, *, bins: int = ECE_BINS) -> FloatArray:
    """Expected calibration error for row weightings (R, N); bins are made anew in each round."""
    probability = _probability(samples)
    return _ece(samples.truth - probability, probability, weight, bins)


def _ece(
    residual: FloatArray, probability: FloatArray, weight: FloatArray, bins: int
) -> FloatArray:
    order = np.argsort(probability, kind="stable")
    ordered = weight[:, order]
    bin_of = _bin_numbers(probability[order], ordered, bins)
    bin_of += np.arange(len(weight))[:, np.newaxis] * bins
    sums = np.bincount(
        bin_of.ravel(), (ordered * residual[order]).ravel(), minlength=bins * len(weight)
    )
    result: FloatArray = np.abs(sums.reshape(-1, bins)).sum(axis=1) / weight.sum(axis=1)
    return result


def _bin_numbers(ordered: FloatArray, weight: FloatArray, bins: int) -> IntArray:
    """The bin of each of N sorted rows in each of R weightings, (R, N)."""
    first, after = tie_bounds(ordered)
    mass = np.zeros((len(weight), len(ordered) + 1))
    np.cumsum(weight, axis=1, out=mass[:, 1:])
    has_ties = len(np.unique(first)) < len(first)
    below, upto = (mass[:, first], mass[:, after]) if has_ties else (mass[:, :-1], mass[:, 1:])
    middle = (below + upto) * (bins / 2) / mass[:, -1:]
    numbers: IntArray = np.minimum(middle.astype(np.intp), bins - 1)
    return numbers


def ece_if_calibrated(
    samples: Samples, *, draws: int, rng: np.random.Generator, bins: int = ECE_BINS
) -> Estimate:
    """The ECE that perfect calibration stays under in 95 % of draws, on so many rows.

    Labels are redrawn from the probabilities; where a patient has several rows, residuals
    (label - probability) get one random sign a patient, since errors within a patient go together.
    An ECE below this tells nothing against the calibration.
    """
    probability = _probability(samples)
    order = np.argsort(probability, kind="stable")
    weight = samples.weight[order]
    bin_of = _bin_numbers(probability[order], weight[np.newaxis], bins)[0]
    membership = np.equal.outer(bin_of, np.arange(bins)) * weight[:, np.newaxis]
    residuals = _redrawn_by_sign if not samples.rows_are_units else _redrawn_by_label
    at_once = max(1, _CELLS_AT_ONCE // len(samples))
    values = [
        np.abs(residuals(samples, size, rng)[:, order] @ membership).sum(axis=1) / weight.sum()
        for size in _portions(draws, at_once)
    ]
    value = float(np.quantile(np.concatenate(values), CALIBRATED_QUANTILE))
    how = "residual signs by patient" if not samples.rows_are_units else "labels redrawn"
    return Estimate(value, None, None, f"95th percentile of {draws} draws, {how}")


@dataclass(frozen=True, slots=True)
class MeasuredEce:
    """An ECE, and what it would be held against."""

    ece: Estimate
    if_calibrated: Estimate


def measure_ece(
    samples: Samples, *, rounds: int, draws: int, rng: np.random.Generator, bins: int = ECE_BINS
) -> MeasuredEce:
    """The ECE with its interval, beside the ECE of perfect calibration.

    Noise can only raise an ECE, so that the quantiles of its resamples lie too high: they are
    mirrored at the value. Where perfect calibration could show as much, the interval begins at 0.
    """
    statistic = partial(ece_rounds, bins=bins)
    found = bootstrap_units(samples, statistic, rounds=rounds, rng=rng, bounds=Bounds.REFLECTED)
    bar = ece_if_calibrated(samples, draws=draws, rng=rng, bins=bins)
    if found.low is not None and found.value <= bar.value:
        found = replace(found, low=0.0)
    return MeasuredEce(found, bar)


def _portions(total: int, at_once: int) -> list[int]:
    return [min(at_once, total - first) for first in range(0, total, at_once)]


def _redrawn_by_label(samples: Samples, draws: int, rng: np.random.Generator) -> FloatArray:
    probability = _probability(samples)
    labels = rng.random((draws, len(samples))) < probability
    residuals: FloatArray = labels - probability
    return residuals


def _redrawn_by_sign(samples: Samples, draws: int, rng: np.random.Generator) -> FloatArray:
    signs = rng.choice([-1.0, 1.0], size=(draws, samples.unit_count))
    residuals: FloatArray = signs[:, samples.unit_code] * (samples.truth - _probability(samples))
    return residuals


def slope_rounds(samples: Samples, weight: FloatArray) -> FloatArray:
    """Calibration slope for row weightings (R, N): logit P(label) = a + slope * logit(probability).

    Logistic recalibration (Cox 1958), unpenalised; 1 is ideal, below 1 is overconfident. NaN where
    the classes are separated.
    """
    design = np.column_stack([np.ones(len(samples)), _log_odds(samples)])
    slopes = _fit_rounds(samples, design, np.zeros(len(samples)), weight)[:, 1]
    is_constant = np.ptp(samples.score) == 0
    return np.full_like(slopes, np.nan) if is_constant else slopes


def is_separated(samples: Samples) -> bool:
    """Whether no finite calibration slope exists: the classes part, or all rows are tied."""
    return bool(np.isnan(slope_rounds(samples, samples.weight[np.newaxis])[0]))


def intercept_rounds(samples: Samples, weight: FloatArray) -> FloatArray:
    """Calibration in the large for row weightings (R, N): logit P(label) = a + logit(probability).

    The intercept with the slope held at 1; 0 is ideal, above 0 the probabilities are too low.
    """
    ones = np.ones((len(samples), 1))
    return _fit_rounds(samples, ones, _log_odds(samples), weight)[:, 0]


def _fit_rounds(
    samples: Samples, design: FloatArray, offset: FloatArray, weight: FloatArray
) -> FloatArray:
    """Fit each weighting, begun at the fit to the samples themselves: a few steps remain."""
    target = samples.truth.astype(float)
    (whole,) = fit_logistic(design, target, samples.weight[np.newaxis], offset=offset)
    start = whole if np.isfinite(whole).all() else None
    return fit_logistic(design, target, weight, offset=offset, start=start)


def _log_odds(samples: Samples) -> FloatArray:
    inside = np.clip(_probability(samples), _CLOSEST_TO_CERTAIN, 1 - _CLOSEST_TO_CERTAIN)
    odds: FloatArray = logit(inside)
    return odds


def reliability_curve(
    samples: Samples, *, bins: int, rounds: int, rng: np.random.Generator
) -> tuple[ReliabilityBin, ...]:
    """Observed share of positives over bins of equal mass, by rising probability.

    Intervals are Wilson's where rows are patients of equal weight, else from resampled patients.
    """
    probability = _probability(samples)
    order = np.argsort(probability, kind="stable")
    numbers = _bin_numbers(probability[order], samples.weight[order][np.newaxis], bins)[0]
    members = [order[numbers == number] for number in np.unique(numbers)]
    return tuple(
        ReliabilityBin(
            rows=len(rows),
            probability=float(np.average(probability[rows], weights=samples.weight[rows])),
            observed=share_positive(samples.subset(rows), rounds=rounds, rng=rng),
        )
        for rows in members
        if samples.weight[rows].sum() > 0
    )


def share_positive(samples: Samples, *, rounds: int, rng: np.random.Generator) -> Estimate:
    """The share of positive rows: a sensitivity if truth holds "flagged" of the positives.

    Wilson's interval where rows are patients of equal weight, else resampled patients; where all
    rows or none are positive no resample can differ, so that Wilson's interval over the number of
    patients stands in, which takes all rows of a patient as one.
    """
    if samples.rows_are_units and not samples.is_weighted:
        return wilson(int(samples.truth.sum()), len(samples))
    weight = np.bincount(samples.unit_code, samples.weight)
    positive = np.bincount(samples.unit_code, samples.weight * samples.truth)
    value = float(positive.sum() / weight.sum())
    if value in (0.0, 1.0):
        stand_in = wilson(round(value * samples.unit_count), samples.unit_count)
        method = f"{stand_in.method}, over patients" if stand_in.low is not None else "value only"
        return Estimate(value, stand_in.low, stand_in.high, method, note=stand_in.note)
    if samples.unit_count < MINIMUM_UNITS:
        return Estimate(value, None, None, "value only", note=TOO_FEW_UNITS)
    counts = resample_units(samples.unit_count, rounds=rounds, rng=rng)
    return summarise(value, (counts @ positive) / (counts @ weight))


def _probability(samples: Samples) -> FloatArray:
    if samples.probability is None:
        message = "reliability needs probabilities: these samples hold scores only"
        raise ValueError(message)
    return samples.probability
