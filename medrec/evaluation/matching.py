"""Which boxes that a model drew are on lesions that are there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

import numpy as np

from medrec.evaluation.overlap import centres_inside, ious

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray, IntArray


class HitKind(StrEnum):
    """By what a box is on a lesion."""

    IOU = "iou"
    CENTRE_IN_BOX = "centre_in_box"


@dataclass(frozen=True, slots=True)
class HitRule:
    """When a box is on a lesion: an IoU of at least `value`, or its centre in the lesion's box.

    Raises:
        ValueError: An IoU that is not in (0, 1], or one where the rule has none.
    """

    kind: HitKind
    value: float | None = None

    def __post_init__(self) -> None:
        if self.kind is HitKind.IOU and not (self.value and 0 < self.value <= 1):
            message = f"the rule iou needs a value in (0, 1], not {self.value}"
            raise ValueError(message)
        if self.kind is HitKind.CENTRE_IN_BOX and self.value is not None:
            message = "the rule centre_in_box has no value"
            raise ValueError(message)

    def hits(self, boxes: FloatArray, truth: FloatArray) -> BoolArray:
        """Whether each box (P, 2D) is on each lesion (T, 2D), (P, T)."""
        match self.kind:
            case HitKind.IOU:
                return np.asarray(ious(boxes, truth) >= (self.value or 1.0))
            case HitKind.CENTRE_IN_BOX:
                return centres_inside(boxes, truth)
            case _:
                assert_never(self.kind)

    def __str__(self) -> str:
        centre = "the box's centre in the lesion's box"
        return f"IoU of at least {self.value:g}" if self.value else centre


@dataclass(frozen=True, eq=False)
class ImageBoxes:
    """One image: T lesions that are there, P boxes that a model drew.

    `truth` is (T, 2D), `is_ignored` (T,) bool marks lesions that count neither way, `boxes` is
    (P, 2D), `score` (P,) a logit or a probability, `unit` the patient.
    """

    unit: str
    truth: FloatArray
    is_ignored: BoolArray
    boxes: FloatArray
    score: FloatArray

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there, not even what counts neither way."""
        return not len(self.truth)


@dataclass(frozen=True, eq=False)
class Hits:
    """One image judged for a FROC.

    `best` (T,) is the box with the highest score on each lesion, -1 where it was missed; `is_false`
    (P,) marks boxes on nothing, `is_best` (P,) those that are best on a lesion that counts. A box
    that is neither is a second one on a lesion, or on one that is ignored: it counts neither way.
    """

    best: IntArray
    is_false: BoolArray
    is_best: BoolArray

    @property
    def counts(self) -> BoolArray:
        """Which boxes (P,) a probability is held to: the best on a lesion, and those on nothing.

        The one rule of fitting the calibrator of boxes and of measuring it. A box's probability is
        the chance that there is a lesion where it lies: of a second box on one that is neither
        true twice (one lesion would count as two) nor false (there is one).
        """
        return np.asarray(self.is_best | self.is_false)


def judge(image: ImageBoxes, rule: HitRule) -> Hits:
    """Find each lesion's best box and the boxes on nothing (LUNA16's way: Setio et al. 2017)."""
    on = rule.hits(image.boxes, image.truth)
    best = np.full(len(image.truth), -1)
    is_best = np.zeros(len(image.boxes), dtype=bool)
    for lesion in np.flatnonzero(~image.is_ignored):
        rows = np.flatnonzero(on[:, lesion])
        if len(rows):
            best[lesion] = rows[np.argmax(image.score[rows])]
            is_best[best[lesion]] = True
    return Hits(best, np.asarray(~on.any(axis=1)), is_best)


@dataclass(frozen=True, eq=False)
class Greedy:
    """One image judged for average precision: of each box (P,) whether it is true, and counts."""

    is_true: BoolArray
    counts: BoolArray


def match_greedily(image: ImageBoxes, *, iou: float) -> Greedy:
    """Give each box, highest score first, the free lesion that it overlaps most (COCO's way).

    A second box on a lesion is false. One whose only such lesion is ignored doesn't count.
    """
    overlaps = ious(image.boxes, image.truth)
    is_free = ~image.is_ignored
    is_true = np.zeros(len(image.boxes), dtype=bool)
    counts = np.ones(len(image.boxes), dtype=bool)
    for row in np.argsort(-image.score, kind="stable"):
        reached = overlaps[row] >= iou
        if (reached & is_free).any():
            lesion = np.argmax(np.where(reached & is_free, overlaps[row], -1.0))
            is_free[lesion] = False
            is_true[row] = True
        else:
            counts[row] = not (reached & image.is_ignored).any()
    return Greedy(is_true, counts)


@dataclass(frozen=True, eq=False)
class Events:
    """All images judged: what moves a FROC as the threshold falls.

    `found_score` (T,) is the score of each lesion's best box, -inf where it was missed, on image
    `found_image` (T,). `false_score` and `false_image` (F,) are the boxes on nothing. `unit_code`
    (I,) is each image's patient, `is_empty` (I,) whether nothing is there.
    """

    found_score: FloatArray
    found_image: IntArray
    false_score: FloatArray
    false_image: IntArray
    unit_code: IntArray
    is_empty: BoolArray

    @property
    def unit_count(self) -> int:
        """How many patients there are."""
        return int(self.unit_code.max()) + 1 if len(self.unit_code) else 0


def to_events(images: Sequence[ImageBoxes], hits: Sequence[Hits]) -> Events:
    """Gather judged images, in their order."""
    found, found_image, false, false_image = [], [], [], []
    for number, (image, hit) in enumerate(zip(images, hits, strict=True)):
        best = hit.best[~image.is_ignored]
        score = np.append(image.score, -np.inf)[best]  # -1, a miss, is the last
        found.append(score)
        found_image.append(np.full(len(score), number))
        false.append(image.score[hit.is_false])
        false_image.append(np.full(int(hit.is_false.sum()), number))
    none = np.empty(0)
    return Events(
        found_score=np.concatenate([none, *found]),
        found_image=np.concatenate([none, *found_image]).astype(np.intp),
        false_score=np.concatenate([none, *false]),
        false_image=np.concatenate([none, *false_image]).astype(np.intp),
        unit_code=np.unique([image.unit for image in images], return_inverse=True)[1],
        is_empty=np.array([image.is_empty for image in images], dtype=bool),
    )
