"""Two detectors on the same images: is one better, patients resampled in pairs?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.detection_gather import gather_images
from medrec.evaluation.detection_images import are_volumes
from medrec.evaluation.froc import bootstrap_images, froc_rounds, precision_rounds, rank
from medrec.evaluation.join import join
from medrec.evaluation.matching import judge, to_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.finding import CasePrediction, Label
    from medrec.domain.geometry import FloatArray
    from medrec.domain.reference import Reference
    from medrec.evaluation.detection_images import BoxTruth, DetectionImage, ImageKey
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.froc import Rounds
    from medrec.evaluation.join import JoinedCase
    from medrec.evaluation.matching import HitRule, ImageBoxes


@dataclass(frozen=True, slots=True)
class DetectionDifference:
    """First minus second; None where a figure can't be had.

    `average_precision` is at `iou`, `sensitivity` at each of `medrec.evaluation.froc.RATES`.
    """

    cpm: Estimate | None
    average_precision: Estimate | None
    sensitivity: tuple[Estimate | None, ...]
    iou: float


def compare_detection(
    first: Sequence[ImageBoxes],
    second: Sequence[ImageBoxes],
    *,
    rule: HitRule,
    iou: float = 0.5,
    rounds: int = 2000,
    seed: int = 1,
) -> DetectionDifference:
    """The difference of CPM and of AP with its interval, both models on the same resamples.

    Raises:
        ValueError: The two are not of the same images: other patients, or other lesions.
    """
    _check(first, second)
    code = np.unique([image.unit for image in first], return_inverse=True)[1]

    def difference(one: Rounds, other: Rounds) -> list[Estimate | None]:
        def paired(weight: FloatArray) -> FloatArray:
            return one(weight) - other(weight)

        return bootstrap_images(paired, code, count=rounds, rng=np.random.default_rng(seed))

    events = [to_events(part, [judge(image, rule) for image in part]) for part in (first, second)]
    *sensitivity, cpm = difference(froc_rounds(events[0]), froc_rounds(events[1]))
    ranked = [rank(part, iou=iou) for part in (first, second)]
    (precision,) = difference(precision_rounds(ranked[0]), precision_rounds(ranked[1]))
    return DetectionDifference(cpm, precision, tuple(sensitivity), iou)


def pair_images(
    first: Sequence[CasePrediction],
    second: Sequence[CasePrediction],
    references: Sequence[Reference],
    *,
    boxes: BoxTruth,
    label: Label,
) -> tuple[list[ImageBoxes], list[ImageBoxes]]:
    """The images that both models judged, in one order, ranked by score, for `compare_detection`.

    Images are the same if a manifest's row and slice make them; those that one model alone judged
    are left out. Whole volumes are judged only if both models' boxes are solid: else all is judged
    slice by slice.

    Raises:
        ManifestError: Rows on one case that name different patients.
    """
    joined = [join(part, references).cases for part in (first, second)]
    solid = all(are_volumes(cases, boxes, label) for cases in joined)
    found = [_by_key(cases, boxes, label, solid=solid) for cases in joined]
    shared = [key for key in found[0] if key in found[1]]
    one, other = ([part[key].to_arrays(by_probability=False) for key in shared] for part in found)
    return one, other


def _by_key(
    cases: Sequence[JoinedCase], boxes: BoxTruth, label: Label, *, solid: bool
) -> dict[ImageKey, DetectionImage]:
    images = gather_images(cases, boxes, label, solid=solid).images
    return {image.key: image for image in images}


def _check(first: Sequence[ImageBoxes], second: Sequence[ImageBoxes]) -> None:
    same = len(first) == len(second) and all(
        one.unit == other.unit
        and np.array_equal(one.truth, other.truth)
        and np.array_equal(one.is_ignored, other.is_ignored)
        for one, other in zip(first, second, strict=True)
    )
    if not same:
        message = "a paired comparison needs the same images of the same patients, in one order"
        raise ValueError(message)
