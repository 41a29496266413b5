"""Choosing between scores by how well they would be calibrated on patients not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import log_loss

from medrec.calibration.folds import assign_folds, check_patients
from medrec.calibration.platt import Platt

if TYPE_CHECKING:
    from medrec.evaluation.samples import Samples


def held_out_log_loss(samples: Samples, *, rng: np.random.Generator) -> float:
    """Mean negative log-likelihood of a Platt fit, cross-validated by patient, rows weighted.

    Raises:
        CalibrationError: Fewer than two patients of either class, or no rising map fits.
    """
    check_patients(samples, purpose="choosing a score")
    fold = assign_folds(samples, rng=rng)
    probability = np.empty(len(samples))
    for number in np.unique(fold):
        rows = fold == number
        seen = samples.subset(~rows)
        calibrator = Platt.fit(seen.logit, seen.truth, seen.weight)
        probability[rows] = calibrator.probability(samples.logit[rows])
    return float(log_loss(samples.truth, probability, sample_weight=samples.weight))
