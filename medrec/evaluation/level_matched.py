"""AUROC among slices of the same level: what a score knows beyond where a slice lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.estimate import MINIMUM_UNITS, TOO_FEW_UNITS, Estimate
from medrec.evaluation.intervals import resample_units, summarise

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import IntArray, Samples

LEVEL_TOLERANCE = 0.05
# Positions are ratios of integers: two that differ by exactly the tolerance must count as within.
_ROUNDING = 1e-9
_CELLS_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True)
class LevelMatched:
    """The share of concordant pairs, and how many pairs there were."""

    auroc: Estimate
    pairs: int


def relative_positions(slices: IntArray) -> FloatArray:
    """Where each scored slice of a stack lies: 0 for the first, 1 for the last, 0.5 if alone.

    Blank slices are left out before: positions are ranks among the slices given, (N,).

    >>> relative_positions(np.array([4, 5, 7]))
    array([0. , 0.5, 1. ])
    """
    count = len(slices)
    if count == 1:
        return np.array([0.5])
    ranks = np.argsort(np.argsort(slices, kind="stable"), kind="stable")
    positions: FloatArray = ranks / (count - 1)
    return positions


def level_matched_auroc(
    samples: Samples,
    position: FloatArray,
    *,
    rounds: int,
    rng: np.random.Generator,
    tolerance: float = LEVEL_TOLERANCE,
) -> LevelMatched | None:
    """The share of concordant (positive, negative) pairs among pairs of slices of the same level.

    Pairs are formed over all patients and stacks; `position` (N,) is the relative position of each
    slice in its stack, and a pair counts if positions differ by at most `tolerance`. Ties count
    one half. Patients are resampled; a pair weighs the product of its slices' weights. None
    without any pair.
    """
    concordant, pairs, count = _pairs_by_unit(samples, np.asarray(position), tolerance)
    if not pairs.sum() > 0:
        return None
    value = float(concordant.sum() / pairs.sum())
    if samples.unit_count < MINIMUM_UNITS:
        return LevelMatched(Estimate(value, None, None, "value only", note=TOO_FEW_UNITS), count)
    drawn = resample_units(samples.unit_count, rounds=rounds, rng=rng).astype(np.float64)
    # A pair of patients is in a resample as often as the product of their counts.
    above = ((drawn @ concordant) * drawn).sum(axis=1)
    total = ((drawn @ pairs) * drawn).sum(axis=1)
    values = np.divide(above, total, out=np.full(rounds, np.nan), where=total > 0)
    return LevelMatched(summarise(value, values), count)


def _pairs_by_unit(
    samples: Samples, position: FloatArray, tolerance: float
) -> tuple[FloatArray, FloatArray, int]:
    """Concordance and weight of the pairs by unit of the positive and of the negative, (U, U)."""
    units = samples.unit_count
    concordant, weights = np.zeros((units, units)), np.zeros((units, units))
    positive = np.flatnonzero(samples.truth)
    negative = np.flatnonzero(~samples.truth)
    negative = negative[np.argsort(samples.unit_code[negative], kind="stable")]
    if not len(positive) or not len(negative):
        return concordant, weights, 0
    present, first = np.unique(samples.unit_code[negative], return_index=True)
    at_once = max(1, _CELLS_AT_ONCE // len(negative))
    count = 0
    for begin in range(0, len(positive), at_once):
        rows = positive[begin : begin + at_once]
        level = np.abs(np.subtract.outer(position[rows], position[negative]))
        weight = (level <= tolerance + _ROUNDING).astype(np.float64)
        count += int(weight.sum())
        weight *= np.multiply.outer(samples.weight[rows], samples.weight[negative])
        order = np.sign(np.subtract.outer(samples.score[rows], samples.score[negative]))
        columns = (samples.unit_code[rows][:, np.newaxis], present)
        np.add.at(concordant, columns, np.add.reduceat(weight * (order + 1) / 2, first, axis=1))
        np.add.at(weights, columns, np.add.reduceat(weight, first, axis=1))
    return concordant, weights, count
