"""Intervals: patients resampled, or Wilson's for a share of independent rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

import numpy as np
from scipy.stats import norm

from medrec.domain.geometry import FloatArray
from medrec.evaluation.estimate import CONFIDENCE, MINIMUM_UNITS, TOO_FEW_UNITS, Estimate
from medrec.evaluation.samples import Samples

if TYPE_CHECKING:
    from medrec.evaluation.samples import IntArray

Statistic = Callable[[Samples, FloatArray], FloatArray]
"""Maps samples of N rows and row weights (R, N) to one value a round (R,), NaN where undefined."""

_TAIL = (1 - CONFIDENCE) / 2
_Z = float(norm.ppf(1 - _TAIL))
# Few enough rounds to stay near the processor's cache, many enough to pay for their set-up.
_ROUNDS_AT_ONCE = 64
_CELLS_AT_ONCE = 1 << 22
_UNDEFINED_SHARE = 0.05


class Bounds(StrEnum):
    """How the values of the resamples become an interval.

    PERCENTILE takes their quantiles. REFLECTED mirrors these at the value, widens the interval to
    hold the value and ends it at 0: for a statistic that noise can only raise, such as the ECE,
    whose resamples lie as far above the value as the value lies above the truth.
    """

    PERCENTILE = "percentile"
    REFLECTED = "reflected"


def resample_units(unit_count: int, *, rounds: int, rng: np.random.Generator) -> IntArray:
    """Draw how often each patient is in each resample, (rounds, unit_count)."""
    return rng.multinomial(unit_count, np.full(unit_count, 1 / unit_count), size=rounds)


def bootstrap_values(
    samples: Samples, statistic: Statistic, *, rounds: int, rng: np.random.Generator
) -> FloatArray:
    """The statistic on `rounds` resamples of the patients, (rounds,), NaN where undefined."""
    parts = [
        statistic(samples, counts[:, samples.unit_code] * samples.weight)
        for counts in _resamples(samples, rounds, rng)
    ]
    return np.concatenate(parts)


def _resamples(samples: Samples, rounds: int, rng: np.random.Generator) -> Iterator[IntArray]:
    at_once = max(1, min(_ROUNDS_AT_ONCE, _CELLS_AT_ONCE // len(samples)))
    for first in range(0, rounds, at_once):
        size = min(at_once, rounds - first)
        yield resample_units(samples.unit_count, rounds=size, rng=rng)


def bootstrap_units(
    samples: Samples,
    statistic: Statistic,
    *,
    rounds: int,
    rng: np.random.Generator,
    bounds: Bounds = Bounds.PERCENTILE,
) -> Estimate:
    """A statistic with its interval from resampled patients, each with all its rows.

    Raises:
        ValueError: The statistic is undefined on the samples themselves.
    """
    value = float(statistic(samples, samples.weight[np.newaxis])[0])
    if samples.unit_count < MINIMUM_UNITS:
        return Estimate(value, None, None, "value only", note=TOO_FEW_UNITS)
    values = bootstrap_values(samples, statistic, rounds=rounds, rng=rng)
    return summarise(value, values, bounds=bounds)


def summarise(value: float, values: FloatArray, *, bounds: Bounds = Bounds.PERCENTILE) -> Estimate:
    """An estimate from the value and those of the resamples (R,), NaN where undefined."""
    defined = values[~np.isnan(values)]
    if len(defined) < (1 - _UNDEFINED_SHARE) * len(values):
        note = f"undefined in {1 - len(defined) / len(values):.0%} of the resamples"
        return Estimate(value, None, None, "value only", note=note)
    low, high = (float(bound) for bound in np.quantile(defined, [_TAIL, 1 - _TAIL]))
    if low == high:
        note = "every resample gives the same value: an interval would feign certainty"
        return Estimate(value, None, None, "value only", note=note)
    match bounds:
        case Bounds.PERCENTILE:
            pass
        case Bounds.REFLECTED:
            low, high = max(0.0, min(value, 2 * value - high)), max(value, 2 * value - low)
        case _:
            assert_never(bounds)
    return Estimate(value, low, high, f"patient bootstrap, {bounds}, {len(values)} rounds")


def wilson(successes: int, total: int) -> Estimate:
    """A share with Wilson's score interval (Wilson, JASA 1927), for independent rows.

    >>> estimate = wilson(8, 10)
    >>> round(estimate.low, 4), round(estimate.high, 4)
    (0.4902, 0.9433)

    Raises:
        ValueError: No rows, or more successes than rows.
    """
    if not 0 <= successes <= total or total == 0:
        message = f"a share needs 0 <= successes <= total and a total, not {successes} of {total}"
        raise ValueError(message)
    share = successes / total
    if total < MINIMUM_UNITS:
        return Estimate(share, None, None, "value only", note=TOO_FEW_UNITS)
    shrink = 1 + _Z**2 / total
    centre = (share + _Z**2 / (2 * total)) / shrink
    half = _Z * np.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2)) / shrink
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    return Estimate(share, min(low, share), max(high, share), "Wilson")
