"""What became of planted lesions, scan by scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.intervals import bootstrap_units
from medrec.evaluation.reliability import share_positive
from medrec.evaluation.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.estimate import Estimate

GROUPS = ("small", "medium", "large")
ATTRIBUTES = ("view", "scanner", "site")
"""What is known of scans, by which sensitivity is told."""


@dataclass(frozen=True, slots=True)
class TriedLesion:
    """One planted lesion: where in the grid it lay, and what the model made of it.

    `size` is in widths of the chest, breast or brain, `strength` a multiple of the recipe's usual
    one, `group` small, medium or large. `score_rise` is how much higher the scan's logit was than
    that of the untouched one.
    """

    size: float
    strength: float
    zone: str
    group: str
    is_hit: bool
    score_rise: float
    contrast_to_noise: float
    diameter_mm: float | None = None


@dataclass(frozen=True, slots=True)
class TriedScan:
    """One scan: untouched, and with each of its lesions.

    `attributes` holds what is known of `ATTRIBUTES`. `is_known_clear` says that a manifest's label
    rules a lesion out. `look` holds the facts of `medrec.lesions.looks`. `scale` is the rise that
    the film's step from loose to dense tissue (of a brain: its median) makes in the network's
    input, below 0 where bright tissue arrives dark; None where it wasn't measured. `width_mm` is
    that of the chest, breast or brain where the spacing is true.
    """

    case_id: str
    unit: str = field(repr=False)
    attributes: Mapping[str, str]
    is_flagged: bool
    is_known_clear: bool
    look: Mapping[str, float]
    lesions: tuple[TriedLesion, ...]
    scale: float | None = None
    width_mm: float | None = None


Trial = tuple[TriedLesion, TriedScan]
KeyOf = Callable[[TriedLesion, TriedScan], str | None]


def trials_of(scans: Sequence[TriedScan]) -> list[Trial]:
    """Each lesion with its scan."""
    return [(lesion, scan) for scan in scans for lesion in scan.lesions]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: patients resampled so many times, from a seed.

    A curve is fitted anew to each of `curve_rounds` resamples.
    """

    seed: int
    rounds: int = 2000
    curve_rounds: int = 300

    def share(self, truths: Sequence[bool], units: Sequence[str]) -> Estimate | None:
        """The share that is true; None of nothing."""
        if not truths:
            return None
        samples = Samples.from_logits(truths, np.zeros(len(truths)), units)
        rng = np.random.default_rng(self.seed)
        return share_positive(samples, rounds=self.rounds, rng=rng)

    def mean(self, values: Sequence[float], units: Sequence[str]) -> Estimate | None:
        """The mean value; None of nothing."""
        if not values:
            return None

        def mean(rows: Samples, weight: FloatArray) -> FloatArray:
            found: FloatArray = weight @ rows.logit / weight.sum(axis=1)
            return found

        samples = Samples.from_logits(np.ones(len(values)), values, units)
        rng = np.random.default_rng(self.seed)
        return bootstrap_units(samples, mean, rounds=self.rounds, rng=rng)


@dataclass(frozen=True, slots=True)
class Share:
    """The share of `n` lesions, or of scans, and its interval."""

    n: int
    estimate: Estimate


def share_found(trials: Sequence[Trial], resampling: Resampling) -> Share | None:
    """The share of lesions that were hit; None of none."""
    hits, units = [one.is_hit for one, _ in trials], [scan.unit for _, scan in trials]
    estimate = resampling.share(hits, units)
    return None if estimate is None else Share(len(trials), estimate)


def shares_by(trials: Sequence[Trial], key_of: KeyOf, resampling: Resampling) -> dict[str, Share]:
    """The same for each value of a key, in the order of the trials; those without one stay out."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        key = key_of(*trial)
        if key:
            groups.setdefault(key, []).append(trial)
    found = {key: share_found(own, resampling) for key, own in groups.items()}
    return {key: share for key, share in found.items() if share is not None}
