"""One fitted calibrator: what it was fitted on, how well, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from medrec.calibration.platt import Platt
from medrec.calibration.temperature import Temperature
from medrec.domain.finding import Finding, Label
from medrec.evaluation.estimate import CONFIDENCE, MINIMUM_UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.calibration.calibrator import Calibrator
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.estimate import Estimate

Level = Literal["image", "exam"]
Method = Literal["temperature", "platt"]

_TAIL = (1 - CONFIDENCE) / 2


def build_calibrator(method: str, parameters: Mapping[str, float]) -> Calibrator:
    """Make a calibrator from its name and numbers.

    Raises:
        ValueError: An unknown name, or parameters that are missing, foreign or out of range.
    """
    kinds: dict[str, tuple[type[Temperature | Platt], set[str]]] = {
        "temperature": (Temperature, {"temperature"}),
        "platt": (Platt, {"slope", "intercept"}),
    }
    if method not in kinds or set(parameters) != kinds[method][1]:
        wanted = {name: sorted(names) for name, (_, names) in kinds.items()}
        message = f"method {method!r} with {sorted(parameters)} is not one of {wanted}"
        raise ValueError(message)
    return kinds[method][0](**parameters)


@dataclass(frozen=True)
class CalibrationEntry:
    """The calibrator of one label at one level, with its record.

    `patients`, `positives` (patients with a positive row) and `rows` are what it was fitted on.
    `ece_after` is cross-validated by patient. `replicates` are the parameters of refits on
    resampled patients.

    Raises:
        ValueError: An unknown method, or parameters that are missing, foreign or out of range.
    """

    label: Label
    level: Level
    method: Method
    parameters: Mapping[str, float]
    patients: int
    positives: int
    rows: int
    ece_before: Estimate
    ece_after: Estimate
    replicates: tuple[Mapping[str, float], ...] = ()

    def __post_init__(self) -> None:
        for parameters in (self.parameters, *self.replicates):
            build_calibrator(self.method, parameters)

    @cached_property
    def calibrator(self) -> Calibrator:
        """The map itself."""
        return build_calibrator(self.method, self.parameters)

    def probability(self, logits: FloatArray) -> FloatArray:
        """Map logits of any shape to probabilities in [0, 1] of that shape."""
        return self.calibrator.probability(logits)

    def interval(self, logit: float) -> tuple[float, float] | None:
        """The 95 % interval of a logit's probability; None from fewer than 10 patients.

        It holds the uncertainty of the calibration, not that of the network.
        """
        if self.patients < MINIMUM_UNITS or not self.replicates:
            return None
        at = np.array(logit)
        value = float(self.probability(at))
        values = [float(replicate.probability(at)) for replicate in self._replicate_calibrators]
        low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
        return min(value, float(low)), max(value, float(high))

    @cached_property
    def _replicate_calibrators(self) -> tuple[Calibrator, ...]:
        return tuple(build_calibrator(self.method, replicate) for replicate in self.replicates)

    def finding(self, label: Label, logit: float) -> Finding:
        """Make the finding of a logit: the one way from a score to a probability.

        Raises:
            ValueError: Another label than the one that this calibrator was fitted on.
        """
        if label != self.label:
            message = f"a calibrator of {self.label!r} knows nothing of {label!r}"
            raise ValueError(message)
        return Finding(
            label=label,
            logit=float(logit),
            probability=float(self.probability(np.array(logit))),
            interval=self.interval(logit),
        )
