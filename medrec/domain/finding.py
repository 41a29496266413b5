"""What screening says of a case. A logit and a probability are different types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from medrec.domain.box import Box, BoxMm
from medrec.domain.codes import Note, Reason
from medrec.domain.ids import CaseId, PatientKey
from medrec.domain.modality import Modality

Label = NewType("Label", str)


class CaseStatus(StrEnum):
    """How a case ended."""

    SCORED = "scored"
    REFUSED = "refused"
    FAILED = "failed"


class Decision(StrEnum):
    """What to do with a scored case."""

    FLAG = "flag"
    CLEAR = "clear"
    DEFER = "defer"


@dataclass(frozen=True, slots=True)
class RawFinding:
    """A network's opinion of one label: a logit, which is a score and no probability."""

    label: Label
    logit: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A calibrated opinion of one label; only a calibrator makes it.

    `interval` is the 95 % interval of the probability from refitting the calibrator on resampled
    patients: it holds the uncertainty of the calibration, not that of the network.

    Raises:
        ValueError: A probability outside [0, 1].
    """

    label: Label
    logit: float
    probability: float
    interval: tuple[float, float] | None = None
    operating_point: str | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            message = f"a probability lies in [0, 1], not {self.probability}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class ImageFindings:
    """The findings of one image: a film, or slice number `slice` (0-based) of a stack."""

    source: str
    slice: int
    findings: tuple[Finding | RawFinding, ...]


@dataclass(frozen=True, slots=True)
class JudgedSeries:
    """A series that was scored: its first file, and how many images of it have findings.

    A model of whole volumes has no findings of images: then `images` is 0.

    Raises:
        ValueError: Fewer images than none.
    """

    source: str
    images: int = 0

    def __post_init__(self) -> None:
        if self.images < 0:
            message = f"a series has no image or some, not {self.images}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class RawRegion:
    """Where a network found something: `score` is a logit and no probability.

    `box_px` is in the pixels of the image as stored. `slice` is the 0-based number of the slice on
    which a box in a plane lies, or of one that a solid box holds (its middle, or the likeliest of
    the slices that were joined); None or 0 of a lone film. `series` is the first file of the series
    that it was found in, where several were scored.
    `box_mm` is None where the image has no place in the patient.
    """

    label: Label
    score: float
    source: str
    box_px: Box
    slice: int | None = None
    box_mm: BoxMm | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    series: str | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A region whose score a calibrator has turned into a probability; fields as in `RawRegion`.

    Raises:
        ValueError: A probability outside [0, 1].
    """

    label: Label
    score: float
    probability: float
    source: str
    box_px: Box
    slice: int | None = None
    box_mm: BoxMm | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    series: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            message = f"a probability lies in [0, 1], not {self.probability}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a prediction; `started` is UTC in ISO 8601."""

    medrec: str
    model: str
    model_version: str
    model_digest: str
    config_digest: str
    device: str
    started: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CasePrediction:
    """One line of predictions.jsonl.

    `series` is the first file of the series whose logit is the exam's, where several were scored;
    `judged_series` are these, in the order of their images: a series in which nothing was found is
    named here alone. Empty where one was scored, and in journals that don't name them.
    `patient_findings` stand beside the findings of a lone film, whose patient may have others: what
    the exam's calibrator says of its logit. A patient's finding is the highest of its films'.

    Raises:
        ValueError: A status that its other fields contradict.
    """

    case_id: CaseId
    source: str
    status: CaseStatus
    provenance: Provenance
    patient_key: PatientKey | None = None
    modality: Modality | None = None
    decision: Decision | None = None
    findings: tuple[Finding | RawFinding, ...] = ()
    patient_findings: tuple[Finding | RawFinding, ...] = ()
    images: tuple[ImageFindings, ...] = ()
    regions: tuple[Region | RawRegion, ...] = ()
    reason: Reason | None = None
    series: str | None = None
    judged_series: tuple[JudgedSeries, ...] = ()
    notes: tuple[Note, ...] = field(default=())

    def __post_init__(self) -> None:
        is_scored = self.status is CaseStatus.SCORED
        if is_scored == (self.reason is not None) or is_scored != bool(self.findings):
            message = "a scored case has findings, any other one has a reason"
            raise ValueError(message)

    def finding(self, label: Label) -> Finding | RawFinding | None:
        """The exam's finding of a label, if there is one."""
        return next((finding for finding in self.findings if finding.label == label), None)


def latest(predictions: Iterable[CasePrediction]) -> list[CasePrediction]:
    """Keep the last prediction of each case: a journal may hold a failed try before a good one."""
    return list({prediction.case_id: prediction for prediction in predictions}.values())
