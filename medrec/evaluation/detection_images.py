"""The images on which boxes are judged: a film, a slice, or a whole volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.finding import CaseStatus, Region
from medrec.domain.reference import LabelledBox
from medrec.evaluation.matching import ImageBoxes
from medrec.evaluation.overlap import to_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.box import Box
    from medrec.domain.finding import Label, RawRegion
    from medrec.domain.reference import Reference
    from medrec.evaluation.join import JoinedCase

BoxTruth = Mapping[tuple[str, int | None], tuple[LabelledBox, ...]]
"""Boxes by (path, slice) of a manifest's row; a row that isn't there is unknown."""


@dataclass(frozen=True, eq=False)
class DetectionImage:
    """One image of a case: what is there, and the regions that a model found, best score first.

    `case` is its place among the joined cases, `slice` None where the image is the whole case.
    `boxes` are those of the regions as they are compared: cut to the slice where there is one.
    """

    case: int
    slice: int | None
    unit: str
    truths: tuple[LabelledBox, ...]
    regions: tuple[Region | RawRegion, ...]
    boxes: tuple[Box, ...]

    @property
    def is_solid(self) -> bool:
        """Whether its boxes have a z."""
        return any(not box.is_flat for box in (*self.boxes, *(one.box for one in self.truths)))

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
    """The images of one label, and how many were left out because truth contradicts itself.

    `contradicting` counts images that are labelled without a box, or boxed against their label;
    `mixed` those whose truth is solid while regions are flat, or the other way round.
    """

    images: list[DetectionImage] = field(default_factory=list)
    contradicting: int = 0
    mixed: int = 0


def gather_images(cases: Sequence[JoinedCase], truth: BoxTruth, label: Label) -> DetectionImages:
    """The images of scored cases whose boxes are known.

    Slice rows make slices of a case; without any with boxes, its own row makes one image of it.
    Where that row's boxes are solid and the model's lie in slices, each scored slice is an image.
    A slice without a scored image (a blank one) counts only if something is there.
    """
    found = DetectionImages()
    for number, case in enumerate(cases):
        if case.prediction.status is CaseStatus.SCORED:
            _Case(number, case, truth, label, found).gather()
    return found


@dataclass(frozen=True, eq=False)
class _Case:
    number: int
    case: JoinedCase
    truth: BoxTruth
    label: Label
    found: DetectionImages

    def gather(self) -> None:
        rows = [row for row in self.case.rows if (row.path, row.slice) in self.truth]
        if any(row.slice is not None for row in rows):
            self._slices()
        elif rows:
            self._whole(rows)

    @property
    def _regions(self) -> list[Region | RawRegion]:
        return [one for one in self.case.prediction.regions if one.label == self.label]

    def _slices(self) -> None:
        for index, rows in self.case.image_rows.items():
            image = self.case.prediction.images[index]
            self._add(rows, image.slice, self._on_slice(image.source, image.slice))
        for row in self.case.other_slice_rows:
            if self._truths([row]):
                self._add([row], row.slice, [])

    def _whole(self, rows: Sequence[Reference]) -> None:
        truths, regions = self._truths(rows) or (), self._regions
        is_solid = any(not one.box.is_flat for one in truths)
        if is_solid and any(region.box_px.is_flat for region in regions):
            for image in self.case.prediction.images:
                self._add(rows, image.slice, self._on_slice(image.source, image.slice))
        else:
            self._add(rows, None, [(region, region.box_px) for region in regions])

    def _on_slice(self, source: str, number: int) -> list[tuple[Region | RawRegion, Box]]:
        """Flat regions of a slice, by number and file, and the cuts of solid ones."""
        numbers = [image.slice for image in self.case.prediction.images]
        is_alone = numbers.count(number) == 1
        found = []
        for region in self._regions:
            is_here = is_alone or region.source == source
            if region.box_px.is_flat:
                is_here = is_here and (region.slice is None or region.slice == number)
            cut = region.box_px.on_slice(number) if is_here else None
            if cut is not None:
                found.append((region, cut))
        return found

    def _truths(self, rows: Sequence[Reference]) -> tuple[LabelledBox, ...] | None:
        """The boxes of this label that the rows know of; None where they know of none at all."""
        known = [self.truth[key] for row in rows if (key := (row.path, row.slice)) in self.truth]
        if not known:
            return None
        return tuple(one for one in known[0] if one.label == self.label)

    def _add(
        self,
        rows: Sequence[Reference],
        number: int | None,
        regions: Sequence[tuple[Region | RawRegion, Box]],
    ) -> None:
        truths = self._truths(rows)
        if truths is None:
            return
        if number is not None:
            cuts = [(one, one.box.on_slice(number)) for one in truths]
            truths = tuple(LabelledBox(cut, one.label, one.attributes) for one, cut in cuts if cut)
        if number == next((row.slice for row in rows), None) and self._contradicts(rows, truths):
            self.found.contradicting += 1
            return
        boxes = [*(box for _, box in regions), *(one.box for one in truths)]
        if len({box.is_flat for box in boxes}) > 1:
            self.found.mixed += 1
            return
        ordered = sorted(regions, key=lambda pair: -pair[0].score)
        self.found.images.append(
            DetectionImage(
                case=self.number,
                slice=number,
                unit=self.case.unit,
                truths=truths,
                regions=tuple(region for region, _ in ordered),
                boxes=tuple(box for _, box in ordered),
            )
        )

    def _contradicts(self, rows: Sequence[Reference], truths: Sequence[LabelledBox]) -> bool:
        labelled = {row.labels.get(self.label) for row in rows} - {None}
        counted = any(not one.is_ignored for one in truths)
        return (True in labelled and not truths) or (False in labelled and counted)
