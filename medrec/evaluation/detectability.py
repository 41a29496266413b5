"""The curve of what is found by size and strength, with its band, and the sizes to be read off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.estimate import CONFIDENCE, MINIMUM_UNITS, Estimate
from medrec.evaluation.intervals import resample_units
from medrec.evaluation.psychometric import Trials, fit_psychometric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.psychometric import PsychometricCurve
    from medrec.evaluation.trials import Resampling, Trial

USUAL = 1.0
"""The strength at which sizes are read off."""
_POINTS = 25
_TAIL = (1 - CONFIDENCE) / 2


@dataclass(frozen=True, slots=True)
class DetectedSize:
    """The size of which a share is found; None where no size that was tried reaches it.

    An end of the interval is None where the resamples don't reach it; both are where there are too
    few patients for one.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The share found of one size and strength."""

    size: float
    strength: float
    share: Estimate


@dataclass(frozen=True, eq=False)
class Detectability:
    """The fitted curve, those of the resamples, points with their intervals, and sizes."""

    curve: PsychometricCurve
    resamples: tuple[PsychometricCurve, ...]
    points: tuple[CurvePoint, ...]
    p50: DetectedSize
    p90: DetectedSize

    def share_at(self, size: float, strength: float = USUAL) -> Estimate:
        """The share found of a size and strength."""
        return _share_at(self.curve, self.resamples, size, strength)


def detectability_of(trials: Sequence[Trial], resampling: Resampling) -> Detectability | None:
    """Fit the curve, and again with resampled patients; None where there is none to fit."""
    cells = sorted({(one.size, one.strength) for one, _ in trials})
    units = {unit: row for row, unit in enumerate(dict.fromkeys(scan.unit for _, scan in trials))}
    shown, found = np.zeros((len(units), len(cells))), np.zeros((len(units), len(cells)))
    for one, scan in trials:
        place = units[scan.unit], cells.index((one.size, one.strength))
        shown[place] += 1
        found[place] += one.is_hit
    size, strength = (np.array(column, dtype=float) for column in zip(*cells, strict=True))
    curve = fit_psychometric(Trials(size, strength, shown.sum(axis=0), found.sum(axis=0)))
    if curve is None:
        return None
    resamples: list[PsychometricCurve] = []
    if len(units) >= MINIMUM_UNITS:
        rng = np.random.default_rng(resampling.seed)
        for counts in resample_units(len(units), rounds=resampling.curve_rounds, rng=rng):
            drawn = Trials(size, strength, counts @ shown, counts @ found)
            again = fit_psychometric(drawn, start=curve)
            resamples += [again] if again is not None else []
    shown_sizes = np.geomspace(size.min(), size.max(), _POINTS).tolist()
    return Detectability(
        curve=curve,
        resamples=tuple(resamples),
        points=tuple(
            CurvePoint(one, each, _share_at(curve, resamples, one, each))
            for each in sorted({each for _, each in cells})
            for one in shown_sizes
        ),
        p50=_size_at(curve, resamples, 0.5),
        p90=_size_at(curve, resamples, 0.9),
    )


def _share_at(
    curve: PsychometricCurve, resamples: Sequence[PsychometricCurve], size: float, strength: float
) -> Estimate:
    at = np.array([size])
    value = float(curve.probability(at, strength)[0])
    if not resamples:
        return Estimate(value, None, None, "value only")
    values = np.array([float(one.probability(at, strength)[0]) for one in resamples])
    low, high = _ends(values)
    method = f"patient bootstrap, percentile, {len(resamples)} rounds"
    return Estimate(value, min(low, value), max(high, value), method)


def _size_at(
    curve: PsychometricCurve, resamples: Sequence[PsychometricCurve], share: float
) -> DetectedSize:
    value = curve.size_at(share, USUAL)
    if not resamples:
        return DetectedSize(value, None, None)
    sizes = [one.size_at(share, USUAL) for one in resamples]
    low, high = _ends(np.array([np.inf if size is None else size for size in sizes]))
    return DetectedSize(value, *(end if np.isfinite(end) else None for end in (low, high)))


def _ends(values: FloatArray) -> tuple[float, float]:
    # The nearest values, not between two: beyond what was tried stands infinity.
    low = float(np.quantile(values, _TAIL, method="lower"))
    return low, float(np.quantile(values, 1 - _TAIL, method="higher"))
