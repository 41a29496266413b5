"""Platt scaling: a slope and an intercept for the logits (Platt 1999)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.special import expit

from medrec.calibration.targets import platt_targets
from medrec.errors import CalibrationError
from medrec.evaluation.logistic import fit_logistic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray


@dataclass(frozen=True)
class Platt:
    """probability = sigmoid(slope * logit + intercept).

    >>> round(float(Platt(slope=0.5, intercept=-1.0).probability(np.array(2.0))), 4)
    0.5

    Raises:
        ValueError: A slope that is not positive, or a parameter that is not finite.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and self.slope > 0):
            message = f"a slope is positive and finite, not {self.slope} ({self.intercept})"
            raise ValueError(message)

    @property
    def method(self) -> str:
        """The name under which `calibration.json` holds it."""
        return "platt"

    @property
    def parameters(self) -> Mapping[str, float]:
        """The numbers that make it again."""
        return {"slope": self.slope, "intercept": self.intercept}

    def probability(self, logits: FloatArray) -> FloatArray:
        """Map logits of any shape to probabilities in [0, 1] of that shape."""
        predictor = self.slope * np.asarray(logits, dtype=np.float64) + self.intercept
        probability: FloatArray = expit(predictor)
        return probability

    @classmethod
    def fit(cls, logits: FloatArray, truth: BoolArray, weight: FloatArray) -> Self:
        """Fit by weighted maximum likelihood on Platt's targets; all arguments are (N,).

        Raises:
            CalibrationError: Higher logits don't go with more positives.
        """
        design = np.column_stack([np.ones(len(logits)), logits])
        targets = platt_targets(truth, weight)
        intercept, slope = fit_logistic(design, targets, weight[np.newaxis])[0]
        if not slope > 0:
            message = (
                "Platt scaling found no positive slope: higher logits don't go with more positives"
                " here, so no probability can be made of them. Check that the labels belong to"
                " these scans and that the model was trained; a model without a calibrator still"
                " gives scores"
            )
            raise CalibrationError(message)
        return cls(slope=float(slope), intercept=float(intercept))


@dataclass(frozen=True)
class FlooredPlatt(Platt):
    """The same, but never below sigmoid(logit): of exams and images that boxes were found in.

    Their logit is the log-odds of their likeliest box, or more: so an exam is never less likely
    than what was found in it, by one rising map.

    >>> round(float(FlooredPlatt(slope=0.5, intercept=-1.0).probability(np.array(2.0))), 4)
    0.8808
    """

    @property
    def method(self) -> str:
        """The name under which `calibration.json` holds it."""
        return "platt_floor"

    def probability(self, logits: FloatArray) -> FloatArray:
        """Map logits of any shape to probabilities in [0, 1] of that shape."""
        floor: FloatArray = expit(np.asarray(logits, dtype=np.float64))
        return np.maximum(super().probability(logits), floor)
