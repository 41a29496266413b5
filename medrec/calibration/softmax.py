"""One map for classes that exclude each other: their probabilities sum to 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_expit, log_softmax, softmax

from medrec.calibration.targets import class_targets
from medrec.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import IntArray

JointMethod = Literal["softmax_temperature", "softmax_bias"]
FLATTEST = 1e-6
"""The smallest slope, the inverse of a temperature."""
_BIAS = "bias."
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class SoftmaxScaling:
    """probabilities = softmax(log p / temperature + bias), p being those of the network.

    A logit here is the log-odds of a class against the rest of its group, so that p is its sigmoid.
    Guo et al., ICML 2017: temperature scaling, and vector scaling with one slope for all classes.

    Raises:
        ValueError: A temperature that is not positive and finite, or another number of biases.
    """

    temperature: float
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            message = f"a temperature is positive and finite, not {self.temperature}"
            raise ValueError(message)
        if not all(map(math.isfinite, self.bias)):
            message = f"biases are finite, not {self.bias}"
            raise ValueError(message)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, float], classes: Sequence[str]) -> Self:
        """Make one from the numbers of `calibration.json`; without biases they are 0.

        Raises:
            ValueError: Numbers that are missing, foreign or out of range.
        """
        biases = [f"{_BIAS}{name}" for name in classes]
        if set(parameters) not in ({"temperature"}, {"temperature", *biases}):
            message = f"{sorted(parameters)} is neither a temperature alone nor one with {biases}"
            raise ValueError(message)
        return cls(parameters["temperature"], tuple(parameters.get(name, 0.0) for name in biases))

    def parameters(self, classes: Sequence[str], method: JointMethod) -> dict[str, float]:
        """The numbers that make it again."""
        biases = {f"{_BIAS}{name}": value for name, value in zip(classes, self.bias, strict=True)}
        return {"temperature": self.temperature} | (biases if method == "softmax_bias" else {})

    def probability(self, logits: FloatArray) -> FloatArray:
        """Map logits (..., C) to probabilities (..., C) that sum to 1."""
        return joint_probability(logits, np.array(1 / self.temperature), np.array(self.bias))

    @classmethod
    def fit(
        cls, logits: FloatArray, truth: IntArray, weight: FloatArray, *, method: JointMethod
    ) -> Self:
        """Fit by weighted maximum likelihood on drawn-in targets: logits (N, C), truth (N,) 0..C-1.

        Raises:
            CalibrationError: Higher logits don't go with the class that they speak for.
        """
        slope, bias = fit_softmax(logits, truth, weight, method=method)
        if slope <= FLATTEST:
            message = (
                "no joint calibrator fits: a higher probability of a class would not mean that it "
                "is more frequent. Check that the labels belong to these scans and that the model "
                "was trained; a model without a calibrator still gives scores"
            )
            raise CalibrationError(message)
        return cls(float(1 / slope), tuple(bias.tolist()))


def joint_probability(logits: FloatArray, slope: FloatArray, bias: FloatArray) -> FloatArray:
    """Map log-odds (..., C) to probabilities by slopes (...,) and biases (..., C)."""
    scores = np.asarray(slope)[..., np.newaxis] * log_expit(np.asarray(logits, dtype=np.float64))
    probability: FloatArray = softmax(scores + bias, axis=-1)
    return probability


def fit_softmax(
    logits: FloatArray, truth: IntArray, weight: FloatArray, *, method: JointMethod
) -> tuple[float, FloatArray]:
    """The slope, at least `FLATTEST`, and the biases (C,), of sum 0, of the highest likelihood."""
    scores = log_expit(logits)
    count = scores.shape[1]
    targets = class_targets(truth, weight, count)
    share = weight / weight.sum()
    has_bias = method == "softmax_bias"

    def loss(coefficients: FloatArray) -> tuple[float, FloatArray]:
        predictor = coefficients[0] * scores + (coefficients[1:] if has_bias else 0.0)
        said = log_softmax(predictor, axis=1)
        residual = share[:, np.newaxis] * (np.exp(said) - targets)
        slopes = [(residual * scores).sum()]
        gradient = np.concatenate([slopes, residual.sum(axis=0) if has_bias else []])
        return float(-(share @ (targets * said).sum(axis=1))), gradient

    start = np.concatenate([[1.0], np.zeros(count if has_bias else 0)])
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(FLATTEST, None)] + [(None, None)] * (len(start) - 1),
        options={"ftol": 1e-14, "gtol": _TOLERANCE},
    ).x
    bias = found[1:] - found[1:].mean() if has_bias else np.zeros(count)
    return float(found[0]), bias
