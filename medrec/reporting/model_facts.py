"""What a page says of the model: measured elsewhere, quoted here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medrec.domain.finding import Label
from medrec.evaluation.estimate import Estimate

Level = Literal["image", "exam"]


@dataclass(frozen=True, slots=True)
class CalibrationFacts:
    """What a calibrator was fitted on and what it did to the expected calibration error."""

    label: Label
    level: Level
    method: str
    patients: int
    positives: int
    ece_before: Estimate | None = None
    ece_after: Estimate | None = None


@dataclass(frozen=True, slots=True)
class OperatingPointFacts:
    """The threshold that decides, and what it achieved where it was measured."""

    name: str
    label: Label
    threshold: float
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    measured_on: str = ""
    level: Level = "exam"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as its readers meet it.

    `task` says in a phrase what is looked for ("tumor on brain MRI"). `domain` is `clinical` or
    `surrogate`. `limits` are whole sentences.
    """

    name: str
    version: str
    digest: str
    labels: tuple[Label, ...]
    primary_label: Label
    license: str
    domain: str = "clinical"
    task: str = ""
    summary: str = ""
    limits: tuple[str, ...] = ()
    calibrations: tuple[CalibrationFacts, ...] = ()
    operating_point: OperatingPointFacts | None = None
    film_operating_point: OperatingPointFacts | None = None
    """That of a lone film, which is judged at the level of images."""
    finds_regions: bool = False
    """Whether it is a detector: a case without regions is then worth a word."""

    def calibration(self, label: Label, *, level: Level) -> CalibrationFacts | None:
        """How a label is calibrated at a level, if it is."""
        return next(
            (facts for facts in self.calibrations if (facts.label, facts.level) == (label, level)),
            None,
        )
