"""Boxes at a threshold: lesions found, false alarms an image and a normal exam, by size."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.detection_result import BoxesAtThreshold, SizeBand
from medrec.evaluation.overlap import contents

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.detection_set import DetectionSet
    from medrec.evaluation.froc import Rounds
    from medrec.evaluation.samples import BoolArray

_THIRDS = (0.0, 1 / 3, 2 / 3, 1.0)
_FEWEST_FOR_BANDS = 6


def measure_boxes_at(found: DetectionSet, threshold: float) -> BoxesAtThreshold:
    """What boxes of at least `threshold` are worth.

    A normal exam is a case in no image of which anything is there.
    """
    events, count = found.events, len(found.images)
    lesions = found.count_by_image(events.found_image)
    is_found = found.count_by_image(events.found_image[events.found_score >= threshold])
    is_false = found.count_by_image(events.false_image[events.false_score >= threshold])
    of_case = np.array([image.case for image in found.images])
    share = 1 / np.bincount(of_case)[of_case]
    is_normal = ~np.isin(of_case, of_case[~events.is_empty])
    parts = [
        (is_found, lesions),
        (is_false, np.ones(count)),
        (is_false * is_normal, share * is_normal),
    ]

    def rounds(weight: FloatArray) -> FloatArray:
        return np.column_stack([_ratio(weight @ top, weight @ below) for top, below in parts])

    return BoxesAtThreshold(threshold, *found.bootstrap(rounds))


def measure_sizes(found: DetectionSet) -> tuple[SizeBand, ...]:
    """Thirds of the lesions by size, and the share found at `found.threshold`; none of a few."""
    axes = 3 if found.is_solid else 2
    kept = [image.truth[~image.is_ignored] for image in found.arrays]
    size = np.concatenate([contents(one) for one in kept if len(one)]) ** (1 / axes)
    if len(size) < _FEWEST_FOR_BANDS:
        return ()
    edges = np.unique(np.quantile(size, _THIRDS))
    is_found = found.events.found_score >= found.threshold
    bands = []
    for low, high in pairwise(edges):
        end = np.inf if high == edges[-1] else float(high)
        inside = (size >= low) & (size < end)
        (share,) = found.bootstrap(_share(found, inside, is_found))
        if share is not None:
            bands.append(SizeBand(float(low), end, int(inside.sum()), share))
    return tuple(bands)


def _share(found: DetectionSet, inside: BoolArray, is_found: BoolArray) -> Rounds:
    images = found.events.found_image
    below = found.count_by_image(images[inside])
    above = found.count_by_image(images[inside & is_found])

    def rounds(weight: FloatArray) -> FloatArray:
        return _ratio(weight @ above, weight @ below)[:, np.newaxis]

    return rounds


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return ratio
