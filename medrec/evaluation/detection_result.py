"""What an evaluation of boxes found, and how it stands in `evaluation.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medrec.evaluation.estimate import estimate_to_json
from medrec.evaluation.froc import RATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.domain.box import Box
    from medrec.domain.finding import RawRegion, Region
    from medrec.domain.geometry import FloatArray
    from medrec.domain.reference import LabelledBox
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.froc import FrocCurve
    from medrec.evaluation.matching import HitRule
    from medrec.evaluation.reliability import ReliabilityBin


@dataclass(frozen=True, eq=False)
class Froc:
    """Sensitivity at each of `RATES` false positives an image; `images` is how many there are.

    Of the one over empty images, false positives are counted on those alone, `images` of them.
    """

    sensitivity: tuple[Estimate | None, ...]
    cpm: Estimate | None
    images: int


@dataclass(frozen=True, slots=True)
class SizeBand:
    """Lesions of a size of at least `low` and below `high`, a side in pixels; inf at the end."""

    low: float
    high: float
    lesions: int
    sensitivity: Estimate


@dataclass(frozen=True, slots=True)
class BoxesAtThreshold:
    """What boxes of at least a probability are worth; None where there is nothing to count on."""

    threshold: float
    sensitivity: Estimate | None
    false_positives_per_image: Estimate | None
    false_positives_per_normal_exam: Estimate | None


@dataclass(frozen=True, eq=False)
class BoxCalibration:
    """Whether of boxes with probability p a share p is on a lesion; second boxes are left out.

    `boxes` of them, `true_boxes` on a lesion.
    """

    boxes: int
    true_boxes: int
    brier: Estimate
    ece: Estimate
    ece_if_calibrated: Estimate
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, eq=False)
class Localisation:
    """How well boxes sit, over lesions found at `at_rate` false positives an image.

    `with_mm` of them lie in images whose scale could be told from the regions' own millimetres.
    """

    lesions: int
    iou: Estimate | None
    centre_distance_px: Estimate | None
    centre_distance_mm: Estimate | None
    with_mm: int


@dataclass(frozen=True, eq=False)
class DetectionCurves:
    """What charts are drawn from: the FROC, and precision against recall at `iou`, (N,) each."""

    froc: FrocCurve
    recall: FloatArray
    precision: FloatArray
    threshold: FloatArray
    iou: float


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """The boxes of one label. A figure that can't be had is None or left out; a note says why."""

    hit: HitRule
    is_solid: bool
    images: int
    empty_images: int
    lesions: int
    ignored: int
    boxes: int
    patients: int
    froc: Froc | None = None
    froc_empty: Froc | None = None
    average_precision: Mapping[float, Estimate] = field(default_factory=dict)
    by_size: tuple[SizeBand, ...] = ()
    operating_points: Mapping[str, BoxesAtThreshold] = field(default_factory=dict)
    localisation: Localisation | None = None
    calibration: BoxCalibration | None = None
    curves: DetectionCurves | None = None
    at_rate: float = 1.0


@dataclass(frozen=True, slots=True)
class JudgedBox:
    """One box that a model drew: `hit`, `false`, or `second` (on a lesion found better)."""

    region: Region | RawRegion
    box: Box
    verdict: str


@dataclass(frozen=True, slots=True)
class JudgedLesion:
    """One lesion that is there: `found`, `missed` or `ignored`, and the best box's IoU."""

    truth: LabelledBox
    verdict: str
    iou: float


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """One image at the threshold that its pages show; `slice` is None of a film or whole volume.

    `source` is the file of its pixels, empty where no image of it was scored.
    """

    slice: int | None
    lesions: tuple[JudgedLesion, ...]
    boxes: tuple[JudgedBox, ...]
    source: str = ""

    @property
    def missed(self) -> int:
        """How many lesions were missed."""
        return sum(one.verdict == "missed" for one in self.lesions)


def detection_to_json(result: DetectionResult) -> dict[str, object]:
    """What `labels.<label>` holds beside the figures of exams."""
    data: dict[str, object] = {"boxes": _counts(result)}
    if result.froc is not None:
        hit = {"rule": str(result.hit.kind.value)}
        value = {} if result.hit.value is None else {"value": result.hit.value}
        data["froc"] = {"hit": {**hit, **value}, **_froc(result.froc)}
        if result.froc.cpm is not None:
            data["cpm"] = estimate_to_json(result.froc.cpm)
    if result.froc_empty is not None:
        data["froc_empty"] = _froc(result.froc_empty)
    if result.average_precision:
        data["average_precision"] = {
            f"{iou:.2f}": estimate_to_json(found) for iou, found in result.average_precision.items()
        }
    return data


def _counts(result: DetectionResult) -> dict[str, object]:
    data: dict[str, object] = {
        "images": result.images,
        "empty_images": result.empty_images,
        "lesions": result.lesions,
        "ignored_lesions": result.ignored,
        "boxes": result.boxes,
        "patients": result.patients,
        "dimensions": 3 if result.is_solid else 2,
    }
    if result.by_size:
        data["sensitivity_by_size"] = {
            "false_positives_per_image": result.at_rate,
            "bands": [_band(band) for band in result.by_size],
        }
    if result.operating_points:
        data["operating_points"] = {
            name: _point(point) for name, point in result.operating_points.items()
        }
    if result.localisation is not None:
        data["localisation"] = _localisation(result.localisation, result.at_rate)
    if result.calibration is not None:
        data["calibration"] = _calibration(result.calibration)
    return data


def _froc(froc: Froc) -> dict[str, object]:
    read = [None if one is None else estimate_to_json(one) for one in froc.sensitivity]
    return {"rates": list(RATES), "sensitivity": read, "images": froc.images}


def _band(band: SizeBand) -> dict[str, object]:
    high = {} if band.high == float("inf") else {"below_px": band.high}
    return {
        "from_px": band.low,
        **high,
        "lesions": band.lesions,
        "sensitivity": estimate_to_json(band.sensitivity),
    }


def _point(point: BoxesAtThreshold) -> dict[str, object]:
    figures = {
        "sensitivity": point.sensitivity,
        "false_positives_per_image": point.false_positives_per_image,
        "false_positives_per_normal_exam": point.false_positives_per_normal_exam,
    }
    return {"threshold": point.threshold, **_known(figures)}


def _localisation(found: Localisation, rate: float) -> dict[str, object]:
    figures = {
        "median_iou": found.iou,
        "median_centre_distance_px": found.centre_distance_px,
        "median_centre_distance_mm": found.centre_distance_mm,
    }
    return {
        "lesions": found.lesions,
        "lesions_with_mm": found.with_mm,
        "false_positives_per_image": rate,
        **_known(figures),
    }


def _calibration(found: BoxCalibration) -> dict[str, object]:
    figures = {
        "brier": found.brier,
        "ece": found.ece,
        "ece_if_calibrated": found.ece_if_calibrated,
    }
    return {"boxes": found.boxes, "true_boxes": found.true_boxes, **_known(figures)}


def _known(figures: Mapping[str, Estimate | None]) -> dict[str, object]:
    return {name: estimate_to_json(one) for name, one in figures.items() if one is not None}
