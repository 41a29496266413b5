"""What an image head says of a picture to log-odds that stand beside those of its boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from medrec.calibration.folds import check_patients
from medrec.calibration.platt import Platt
from medrec.calibration.targets import platt_targets

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import Samples

_BOUNDS = np.array([[-5.0, 5.0], [-30.0, 30.0]])
"""Of the slope's logarithm and the intercept: beyond, a head says nothing, or everything."""


@dataclass(frozen=True)
class HeadCalibration:
    """log-odds = slope * logit + intercept, of what a picture holds beside its likeliest box.

    `patients`, `positives` (pictures with the label) and `rows` are what it was fitted on.

    Raises:
        ValueError: A slope that is not positive, or a number that is not finite.
    """

    slope: float
    intercept: float
    patients: int
    positives: int
    rows: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and self.slope > 0):
            message = f"a slope is positive and finite, not {self.slope} ({self.intercept})"
            raise ValueError(message)

    def log_odds(self, logit: float) -> float:
        """What the head adds to the odds of the likeliest box, as their logarithm."""
        return self.slope * logit + self.intercept


def fit_head(samples: Samples, highest: FloatArray) -> HeadCalibration:
    """Fit a head to what boxes leave open, by maximum likelihood on Platt's targets.

    The odds of a picture are those of its likeliest box and those of its head, summed. So a head
    that only repeats the boxes gets little to say, and one that exaggerates is taken down, before
    anything is made of the sum: the sum may be the floor of an exam's probability.

    Args:
        samples: Of each picture of patients held out the head's logit, its truth, its patient.
        highest: (N,) log-odds of its likeliest box.

    Raises:
        CalibrationError: Fewer than two patients of either class, or a higher logit of the head
            doesn't go with more positives.
    """
    check_patients(samples, purpose="calibration of the image head")
    alone = Platt.fit(samples.logit, samples.truth, samples.weight)
    targets = platt_targets(samples.truth, samples.weight)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        slope = np.exp(parameters[0])
        head = slope * samples.logit + parameters[1]
        joint = np.logaddexp(highest, head)
        of_rows = np.logaddexp(0, joint) - targets * joint
        slant = samples.weight * (expit(joint) - targets) * expit(head - highest)
        return float(samples.weight @ of_rows), np.array(
            [(slant * samples.logit).sum() * slope, slant.sum()]
        )

    found = minimize(
        loss,
        np.array([np.log(alone.slope), alone.intercept]).clip(*_BOUNDS.T),
        jac=True,
        method="L-BFGS-B",
        bounds=_BOUNDS,
    ).x
    return HeadCalibration(
        slope=float(np.exp(found[0])),
        intercept=float(found[1]),
        patients=samples.unit_count,
        positives=int(samples.truth.sum()),
        rows=len(samples),
    )
