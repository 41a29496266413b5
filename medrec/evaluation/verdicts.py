"""Each lesion and each box with its verdict, for people to look at."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.detection_result import JudgedBox, JudgedImage, JudgedLesion
from medrec.evaluation.overlap import ious

if TYPE_CHECKING:
    from medrec.evaluation.detection_images import DetectionImage
    from medrec.evaluation.detection_set import DetectionSet
    from medrec.evaluation.matching import Hits, ImageBoxes

Judged = dict[int, tuple[JudgedImage, ...]]


def judge_images(found: DetectionSet, threshold: float | None) -> Judged:
    """Each image's lesions and boxes at a threshold of probability, by case.

    Without a threshold, or without probabilities: at that of one false positive an image.
    """
    if threshold is None or not found.has_probabilities:
        threshold = found.threshold if found.lesion_count else -np.inf
    judged: dict[int, list[JudgedImage]] = defaultdict(list)
    for image, array, hits in zip(found.images, found.arrays, found.hits, strict=True):
        judged[image.case].append(_judge(image, array, hits, threshold))
    return {case: tuple(images) for case, images in judged.items()}


def _judge(image: DetectionImage, array: ImageBoxes, hits: Hits, threshold: float) -> JudgedImage:
    shown = array.score >= threshold
    overlaps = np.where(shown, ious(array.truth, array.boxes), 0.0)

    def on(lesion: int) -> str:
        if image.truths[lesion].is_ignored:
            return "ignored"
        best = hits.best[lesion]
        return "found" if best >= 0 and shown[best] else "missed"

    def of(box: int) -> str:
        return "false" if hits.is_false[box] else "hit" if hits.is_best[box] else "second"

    return JudgedImage(
        slice=image.slice,
        source=image.source,
        lesions=tuple(
            JudgedLesion(truth, on(lesion), float(overlaps[lesion].max(initial=0.0)))
            for lesion, truth in enumerate(image.truths)
        ),
        boxes=tuple(
            JudgedBox(region, image.boxes[box], of(box))
            for box, region in enumerate(image.regions)
            if shown[box]
        ),
    )
