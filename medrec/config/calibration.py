"""How logits become probabilities, and where the thresholds lie."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medrec.config.base import Schema
from medrec.config.evaluation import HitConfig

Fraction = Annotated[float, Field(gt=0, lt=1)]


class OperatingPointConfig(Schema):
    """A threshold that reaches a stated sensitivity or specificity; exactly one is given."""

    sensitivity: Fraction | None = None
    specificity: Fraction | None = None

    @model_validator(mode="after")
    def _one_target(self) -> OperatingPointConfig:
        if (self.sensitivity is None) == (self.specificity is None):
            message = "give sensitivity or specificity, one of the two"
            raise ValueError(message)
        return self


class SubstackConfig(Schema):
    """Stand-in exams cut from volumes, where no patient without a lesion is at hand."""

    shortest: Annotated[int, Field(ge=2)] = 8
    longest: Annotated[int, Field(ge=2)] = 40
    per_patient: Annotated[int, Field(ge=1)] = 32
    tops: Annotated[list[int], Field(min_length=1)] = [1, 2, 3]
    """Candidates for `pooling.top`: the one with the lowest cross-validated log-loss is taken."""


class CalibrationConfig(Schema):
    """Calibrators and operating points of a model."""

    method: Literal["auto", "temperature", "platt"] = "auto"
    """`auto` takes the one with the lower log-loss when cross-validated by patient. Where a
    detector's boxes have probabilities, its images and exams get Platt's map with these as their
    floor, whatever is said here."""
    operating_points: dict[str, OperatingPointConfig] = {
        "rule_out": OperatingPointConfig(sensitivity=0.95),
        "screening": OperatingPointConfig(sensitivity=0.9),
        "rule_in": OperatingPointConfig(specificity=0.95),
    }
    substacks: SubstackConfig | None = None
    hit: HitConfig | None = None
    """When a detector's box counts as on a lesion, in calibration and in the test of the model.
    None: by an IoU of 0.5 in a plane, of 0.1 in a volume."""
    bootstrap_rounds: Annotated[int, Field(ge=50)] = 1000
