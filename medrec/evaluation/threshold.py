"""What a threshold does: rows with a score of at least it are flagged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.reliability import share_positive

if TYPE_CHECKING:
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.samples import BoolArray, Samples


@dataclass(frozen=True, slots=True)
class ThresholdFigures:
    """The four shares at a threshold; None where no row could count."""

    threshold: float
    sensitivity: Estimate | None
    specificity: Estimate | None
    ppv: Estimate | None
    npv: Estimate | None


def measure_threshold(
    samples: Samples, threshold: float, *, rounds: int, rng: np.random.Generator
) -> ThresholdFigures:
    """Sensitivity, specificity and predictive values, the latter at the samples' own prevalence."""
    flagged = samples.score >= threshold
    seed = int(rng.integers(1 << 32))

    def share(of: BoolArray, among: BoolArray) -> Estimate | None:
        return _share(samples, of, among, rounds=rounds, rng=np.random.default_rng(seed))

    return ThresholdFigures(
        threshold=threshold,
        sensitivity=share(flagged, samples.truth),
        specificity=share(~flagged, ~samples.truth),
        ppv=share(samples.truth, flagged),
        npv=share(~samples.truth, ~flagged),
    )


def _share(
    samples: Samples,
    of: BoolArray,
    among: BoolArray,
    *,
    rounds: int,
    rng: np.random.Generator,
) -> Estimate | None:
    rows = among & (samples.weight > 0)
    if not rows.any():
        return None
    hits = replace(samples.subset(rows), truth=of[rows])
    return share_positive(hits, rounds=rounds, rng=rng)
