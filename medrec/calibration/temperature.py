"""Temperature scaling: one divisor for all logits (Guo et al., ICML 2017)."""

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


@dataclass(frozen=True, slots=True)
class Temperature:
    """probability = sigmoid(logit / temperature).

    >>> round(float(Temperature(2.0).probability(np.array(2.0))), 4)
    0.7311

    Raises:
        ValueError: A temperature that is not positive and finite.
    """

    temperature: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            message = f"a temperature is positive and finite, not {self.temperature}"
            raise ValueError(message)

    @property
    def method(self) -> str:
        """The name under which `calibration.json` holds it."""
        return "temperature"

    @property
    def parameters(self) -> Mapping[str, float]:
        """The numbers that make it again."""
        return {"temperature": self.temperature}

    def probability(self, logits: FloatArray) -> FloatArray:
        """Map logits of any shape to probabilities in [0, 1] of that shape."""
        probability: FloatArray = expit(np.asarray(logits, dtype=np.float64) / self.temperature)
        return probability

    @classmethod
    def fit(cls, logits: FloatArray, truth: BoolArray, weight: FloatArray) -> Self:
        """Fit by weighted maximum likelihood on Platt's targets; all arguments are (N,).

        Raises:
            CalibrationError: Higher logits don't go with more positives.
        """
        targets = platt_targets(truth, weight)
        slope = fit_logistic(logits[:, np.newaxis], targets, weight[np.newaxis])[0, 0]
        if not slope > 0:
            message = (
                "temperature scaling found no temperature: under it, higher logits would not mean a"
                " higher probability. Use method platt, which also shifts the logits; if that fails"
                " too, check the labels and the model"
            )
            raise CalibrationError(message)
        return cls(float(1 / slope))
