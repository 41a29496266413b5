"""One fitted calibrator: what it was fitted on, how well, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from medrec.calibration.platt import FlooredPlatt, Platt
from medrec.calibration.softmax import SoftmaxScaling, joint_probability
from medrec.calibration.temperature import Temperature
from medrec.domain.finding import Finding, Label
from medrec.evaluation.estimate import CONFIDENCE, MINIMUM_UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from medrec.calibration.calibrator import Calibrator
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.estimate import Estimate

Level = Literal["image", "exam"]
Method = Literal["temperature", "platt", "platt_floor", "softmax_temperature", "softmax_bias"]

_TAIL = (1 - CONFIDENCE) / 2


def build_calibrator(method: str, parameters: Mapping[str, float]) -> Calibrator:
    """Make a calibrator from its name and numbers.

    Raises:
        ValueError: An unknown name, or parameters that are missing, foreign or out of range.
    """
    kinds: dict[str, tuple[type[Temperature | Platt], set[str]]] = {
        "temperature": (Temperature, {"temperature"}),
        "platt": (Platt, {"slope", "intercept"}),
        "platt_floor": (FlooredPlatt, {"slope", "intercept"}),
    }
    if method not in kinds or set(parameters) != kinds[method][1]:
        wanted = {name: sorted(names) for name, (_, names) in kinds.items()}
        message = f"method {method!r} with {sorted(parameters)} is not one of {wanted}"
        raise ValueError(message)
    return kinds[method][0](**parameters)


@dataclass(frozen=True)
class CalibrationEntry:
    """The calibrator of one label at one level, with its record.

    Labels that exclude each other have one joint calibrator: `classes` names them, in order, and
    all their entries hold the same parameters. Logits are then (..., C), one for each of `classes`;
    else (...), those of the label.

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
    classes: tuple[Label, ...] | None = None

    def __post_init__(self) -> None:
        if (self.classes is not None) != self.method.startswith("softmax_"):
            message = f"method {self.method!r} is of one label, or of classes: not of the other"
            raise ValueError(message)
        if self.classes is not None and self.label not in self.classes:
            message = f"{self.label!r} is none of the classes {list(self.classes)}"
            raise ValueError(message)
        for parameters in (self.parameters, *self.replicates):
            self._build(parameters)

    def _build(self, parameters: Mapping[str, float]) -> Calibrator | SoftmaxScaling:
        if self.classes is None:
            return build_calibrator(self.method, parameters)
        if (self.method == "softmax_temperature") != (len(parameters) == 1):
            message = f"method {self.method!r} doesn't go with {sorted(parameters)}"
            raise ValueError(message)
        return SoftmaxScaling.from_parameters(parameters, self.classes)

    @property
    def inputs(self) -> tuple[Label, ...]:
        """The labels whose logits it reads, in order."""
        return self.classes or (self.label,)

    @cached_property
    def calibrator(self) -> Calibrator | SoftmaxScaling:
        """The map itself."""
        return self._build(self.parameters)

    def probability(self, logits: FloatArray) -> FloatArray:
        """Map logits of any shape (..., or ..., C) to probabilities (...) of the label."""
        return self._own(self.calibrator.probability(logits))

    def _own(self, values: FloatArray) -> FloatArray:
        """The label's column of values (..., C) of all classes; of one label, they are its own."""
        return values if self.classes is None else values[..., self._column]

    @cached_property
    def _column(self) -> int:
        return self.inputs.index(self.label)

    def interval(self, logit: ArrayLike) -> tuple[float, float] | None:
        """The 95 % interval of a logit's probability; None from fewer than 10 patients.

        It holds the uncertainty of the calibration, not that of the network.
        """
        if self.patients < MINIMUM_UNITS or not self.replicates:
            return None
        at = np.asarray(logit, dtype=np.float64)
        value = float(self.probability(at))
        low, high = np.quantile(self._replicated(at), [_TAIL, 1 - _TAIL])
        return min(value, float(low)), max(value, float(high))

    def _replicated(self, logit: FloatArray) -> FloatArray:
        """The probability (R,) that each replicate gives to one logit, or to one of each class."""
        if self.classes is None:
            return np.array(
                [float(each.probability(logit)) for each in self._replicate_calibrators]
            )
        return self._own(joint_probability(logit, *self._replicate_arrays))

    @cached_property
    def _replicate_calibrators(self) -> tuple[Calibrator, ...]:
        return tuple(build_calibrator(self.method, replicate) for replicate in self.replicates)

    @cached_property
    def _replicate_arrays(self) -> tuple[FloatArray, FloatArray]:
        """Slopes (R,) and biases (R, C) of a joint map's replicates."""
        maps = [SoftmaxScaling.from_parameters(each, self.inputs) for each in self.replicates]
        return np.array([1 / one.temperature for one in maps]), np.array([one.bias for one in maps])

    def finding(self, label: Label, logits: ArrayLike) -> Finding:
        """Make the finding of a label's logit, or (C,) of all classes: the one way from a score.

        Raises:
            ValueError: Another label than the one that this calibrator was fitted on.
        """
        if label != self.label:
            message = f"a calibrator of {self.label!r} knows nothing of {label!r}"
            raise ValueError(message)
        at = np.asarray(logits, dtype=np.float64)
        return Finding(
            label=label,
            logit=float(self._own(at)),
            probability=float(self.probability(at)),
            interval=self.interval(at),
        )
