"""The images on which boxes are judged: a film, a slice, or a whole volume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.counting import counted
from medrec.domain.finding import CaseStatus, Region
from medrec.domain.reference import LabelledBox
from medrec.evaluation.matching import ImageBoxes
from medrec.evaluation.overlap import to_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medrec.domain.box import Box
    from medrec.domain.finding import Label, RawRegion
    from medrec.domain.reference import Reference
    from medrec.evaluation.join import JoinedCase

BoxTruth = Mapping[tuple[str, int | None], tuple[LabelledBox, ...]]
"""Boxes by (path, slice) of a manifest's row; a row that isn't there is unknown."""

ImageKey = tuple[str, int | None, int]
"""A row's path, the slice, and the stack where a row speaks of several: one image of a manifest."""

MOST_NAMED = 5


class LeftOut(StrEnum):
    """Why an image is in no figure of boxes."""

    CONTRADICTING = "are labelled without a box, or boxed against their label"
    NO_SLICE = "have boxes without z in a stack of several slices, so that nobody knows on which"
    NO_SERIES = (
        "belong to cases of several series or films, and boxes don't name one: give each series a "
        "folder of its own, and a row whose `path` names that folder (or the film) and whose "
        "`case` is the study's case_id"
    )
    NOT_JUDGED = "belong to series that were not judged"
    NO_IMAGES = "have solid boxes on one side and flat ones on the other, and no scored slices"


@dataclass(frozen=True, eq=False)
class DetectionImage:
    """One image of a case: what is there, and the regions that a model found, best score first.

    `case` is its place among the joined cases, `slice` None where the image is a film or a whole
    volume, `source` the file of its pixels where one image was scored, `stack` its series or film.
    `boxes` are those of the regions as they are compared: cut to the slice where there is one.
    """

    case: int
    key: ImageKey
    slice: int | None
    unit: str
    truths: tuple[LabelledBox, ...]
    regions: tuple[Region | RawRegion, ...]
    boxes: tuple[Box, ...]
    source: str = ""
    stack: int = 0

    def to_arrays(self, *, by_probability: bool) -> ImageBoxes:
        """The same as numbers, ranked by probability or by score."""
        score = [
            region.probability if by_probability and isinstance(region, Region) else region.score
            for region in self.regions
        ]
        return ImageBoxes(
            unit=self.unit,
            truth=to_array([one.box for one in self.truths]),
            is_ignored=np.array([one.is_ignored for one in self.truths], dtype=bool),
            boxes=to_array(self.boxes),
            score=np.array(score, dtype=np.float64),
        )


@dataclass(eq=False)
class DetectionImages:
    """The images of one label, all volumes or all flat, and the cases of those left out by reason.

    A case stands once for each image of it that was left out.
    """

    is_solid: bool
    images: list[DetectionImage] = field(default_factory=list)
    left_out: dict[LeftOut, list[str]] = field(default_factory=lambda: defaultdict(list))
    guessed: list[str] = field(default_factory=list)
    """Cases whose series are told apart by the numbers of their slices alone."""

    def notes(self) -> Iterator[str]:
        """What was left out, of which cases, and why."""
        for why in LeftOut:
            cases = list(dict.fromkeys(self.left_out.get(why, ())))
            if cases:
                more = f" and {len(cases) - MOST_NAMED} more" if len(cases) > MOST_NAMED else ""
                yield (
                    f"{len(self.left_out[why])} images {why}: they are in no figure of boxes"
                    f" (cases {', '.join(cases[:MOST_NAMED])}{more})"
                )
        if self.guessed:
            yield (
                f"{counted(len(self.guessed), 'case', 'cases')} of several series"
                f" ({', '.join(self.guessed[:MOST_NAMED])}) don't say which images belong together:"
                " told by where the slices' numbers fall, which can take two series for one; screen"
                " them again to be sure"
            )


def are_volumes(cases: Sequence[JoinedCase], truth: BoxTruth, label: Label) -> bool:
    """Whether boxes are judged in whole volumes: those of truth and model are solid throughout.

    One flat box on either side, or truth of slices, and all are judged slice by slice: figures that
    mix slices with volumes would count apples with carts.
    """
    is_solid = False
    for case in _scored(cases):
        regions = [one.box_px for one in case.prediction.regions if one.label == label]
        known = known_rows(case, truth)
        boxes = [
            one.box
            for row in known
            for one in truth[row.path, row.slice]
            if one.label == label
        ]  # fmt: skip
        if not known:
            continue
        if any(row.slice is not None for row in known):
            return False
        if any(box.is_flat for box in (*regions, *boxes)):
            return False
        is_solid = is_solid or bool(regions or boxes)
    return is_solid


def known_rows(case: JoinedCase, truth: BoxTruth) -> list[Reference]:
    """The rows of a case whose boxes are known.

    Where a row of the whole exam names a boxes file, negative slices without one are no more than
    it says already: they don't make of its volume the few slices that have labels.
    """
    known = [row for row in case.rows if (row.path, row.slice) in truth]
    if any(row.boxes for row in known if row in case.exam_rows):
        return [row for row in known if row.boxes or row in case.exam_rows]
    return known


def _scored(cases: Sequence[JoinedCase]) -> Iterator[JoinedCase]:
    return (case for case in cases if case.prediction.status is CaseStatus.SCORED)
