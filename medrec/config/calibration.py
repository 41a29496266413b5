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


class PrevalenceConfig(Schema):
    """How many positives the calibration data are weighted to hold."""

    value: Fraction
    """The share of positives that probabilities hold for, stored in the package."""
    within: str | None = None
    """A column of the manifest: each of its values is weighted to hold that share, so that the
    value itself tells nothing. None: all rows together."""


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
    boxes_only: dict[str, list[str]] | None = None
    """Columns of the manifest, and values of each: rows with one of them calibrate a detector's
    boxes, but neither pictures nor exams. For an archive whose pictures are all positive, or all
    negative, beside which a calibrator would learn how many pictures each archive gave. None: all
    rows calibrate all."""
    exams_only: dict[str, list[str]] | None = None
    """The same the other way round: rows that calibrate pictures and exams, but no boxes. For
    pictures in which nobody outlined what they show. None: all rows with known boxes calibrate
    these."""
    prevalence: PrevalenceConfig | None = None
    """Rows are weighted to this share of positives: pictures and exams by their label, a picture's
    boxes by whether it holds a lesion. None: each weighs 1, and the share is that of the rows."""
    bootstrap_rounds: Annotated[int, Field(ge=50)] = 1000
