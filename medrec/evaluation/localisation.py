"""How well boxes sit on the lesions that they found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.detection_result import Localisation
from medrec.evaluation.overlap import ious, to_array

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medrec.domain.box import Box
    from medrec.domain.finding import RawRegion, Region
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.detection_set import DetectionSet
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.froc import Rounds
    from medrec.evaluation.samples import IntArray

_AXES = 3
_ROUNDING_MM = 0.05


@dataclass(frozen=True, slots=True)
class _Placed:
    """One found lesion: IoU with its best box, distance of centres; mm is None without a scale."""

    image: int
    iou: float
    centre_px: float
    centre_mm: float | None


def measure_localisation(found: DetectionSet) -> Localisation | None:
    """How boxes sit on the lesions found at `found.threshold`; None where none is."""
    placed = _placed(found)
    if not placed:
        return None
    with_mm = [(one, one.centre_mm) for one in placed if one.centre_mm is not None]
    images = [one.image for one in placed]
    return Localisation(
        lesions=len(placed),
        iou=_median(found, images, [one.iou for one in placed]),
        centre_distance_px=_median(found, images, [one.centre_px for one in placed]),
        centre_distance_mm=_median(
            found, [one.image for one, _ in with_mm], [away for _, away in with_mm]
        ),
        with_mm=len(with_mm),
    )


def _median(found: DetectionSet, images: list[int], values: list[float]) -> Estimate | None:
    if not values:
        return None
    return found.bootstrap(median_rounds(np.array(values), np.array(images)))[0]


def _placed(found: DetectionSet) -> list[_Placed]:
    by_stack: dict[tuple[int, int], list[Region | RawRegion]] = defaultdict(list)
    for image in found.images:
        by_stack[image.case, image.stack] += image.regions
    spacings = {stack: spacing_of(regions) for stack, regions in by_stack.items()}
    return [
        _place(
            number,
            image.boxes[box],
            image.truths[lesion].box,
            spacings[image.case, image.stack],
        )
        for number, image in enumerate(found.images)
        for lesion, box in enumerate(found.hits[number].best)
        if box >= 0 and found.arrays[number].score[box] >= found.threshold
    ]


def _place(image: int, box: Box, truth: Box, spacing_mm: FloatArray | None) -> _Placed:
    """Hold a box against the lesion that it found; `spacing_mm` is along x, y and z."""
    away = np.subtract(box.centre, truth.centre)
    scaled = None if spacing_mm is None else float(np.linalg.norm(away * spacing_mm[: len(away)]))
    iou = float(ious(to_array([box]), to_array([truth]))[0, 0])
    return _Placed(image, iou, float(np.linalg.norm(away)), scaled)


def spacing_of(regions: Iterable[Region | RawRegion]) -> FloatArray | None:
    """The pixel spacing (x, y, z) in mm that the regions of one geometry imply; None if they don't.

    A box's extent in the patient is |R| times its sides, R the scaled rotation: three boxes of
    different shape give |R|, whose columns are as long as R's. (A flat box is one slice thick.)
    """
    placed = [region for region in regions if region.box_mm is not None]
    if not placed:
        return None
    sides = np.array([(*one.box_px.sides, 1.0)[:_AXES] for one in placed])
    extents = np.array([np.subtract(m.high, m.low) for one in placed if (m := one.box_mm)])
    if np.linalg.matrix_rank(sides) < _AXES:
        return None
    turned = np.linalg.lstsq(sides, extents, rcond=None)[0]
    if np.abs(sides @ turned - extents).max() > _ROUNDING_MM:
        return None  # several geometries, or a bent one
    spacing: FloatArray = np.linalg.norm(turned, axis=1)
    return spacing


def median_rounds(values: FloatArray, image: IntArray) -> Rounds:
    """The median of values (N,) on images (N,), for weights of images (R, I); (R, 1)."""
    order = np.argsort(values, kind="stable")
    ordered, of = values[order], image[order]

    def rounds(weight: FloatArray) -> FloatArray:
        mass = np.cumsum(weight[:, of], axis=1)
        medians = np.full((len(weight), 1), np.nan)
        for row in np.flatnonzero(mass[:, -1] > 0):
            half = mass[row, -1] / 2
            low = np.searchsorted(mass[row], half)
            high = np.searchsorted(mass[row], half, side="right")
            medians[row, 0] = (ordered[low] + ordered[min(high, len(ordered) - 1)]) / 2
        return medians

    return rounds
