"""From joined cases to the images on which boxes are judged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from medrec.domain.finding import CaseStatus
from medrec.domain.reference import LabelledBox
from medrec.evaluation.detection_images import (
    DetectionImage,
    DetectionImages,
    LeftOut,
    are_volumes,
    known_rows,
)
from medrec.evaluation.stacks import Stacks, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medrec.domain.box import Box
    from medrec.domain.finding import Label, RawRegion, Region
    from medrec.domain.reference import Reference
    from medrec.evaluation.detection_images import BoxTruth
    from medrec.evaluation.join import JoinedCase

_Truths = tuple[LabelledBox, ...]
_MOST_SLICES = 4096
"""Boxes are not held against their scan here: one that is deeper than any scan is cut off."""


def gather_images(
    cases: Sequence[JoinedCase], truth: BoxTruth, label: Label, *, solid: bool | None = None
) -> DetectionImages:
    """The images of scored cases whose boxes are known: all whole volumes, or all flat.

    Which of the two is decided once for all cases (`are_volumes`), unless `solid` says. Flat images
    are films and slices. Where the manifest has slice rows of a case, these are its images; else
    its own rows make one of each slice that was scored, or of each film. A slice without a scored
    image (a blank one) counts only if something is there.
    """
    found = DetectionImages(are_volumes(cases, truth, label) if solid is None else solid)
    for number, case in enumerate(cases):
        if case.prediction.status is CaseStatus.SCORED:
            _Case(number, case, truth, label, Stacks(case.prediction), found).gather()
    return found


@dataclass(frozen=True, eq=False)
class _Place:
    """Where an image lies: `number` is the slice to cut solid boxes on, None of a whole volume."""

    rows: Sequence[Reference]
    stack: int | None
    number: int | None
    is_film: bool = False
    source: str = ""
    key_stack: int = 0
    series: str = ""
    """The path of a series, where a case has several and regions are told by their file."""


@dataclass(frozen=True, eq=False)
class _Case:
    number: int
    case: JoinedCase
    truth: BoxTruth
    label: Label
    stacks: Stacks
    found: DetectionImages

    def gather(self) -> None:
        known = known_rows(self.case, self.truth)
        if not known:
            return
        if self.stacks.is_guessed:
            self.found.guessed.append(str(self.case.prediction.case_id))
        is_several = self.case.prediction.series is not None and not self.case.prediction.images
        if is_several:
            self._by_series(known)
        elif self._is_mixed or any(self._stack_of(region) is None for region in self._regions):
            self._leave_out(LeftOut.NO_SERIES)
        elif any(row not in self.case.exam_rows for row in known):
            self._by_image_rows()
        else:
            self._by_exam_rows(known)

    def _by_series(self, rows: Sequence[Reference]) -> None:
        """Of several volumes each is an image with the boxes of the row that names its folder.

        Journals that don't name the judged series tell none in which nothing was found: a row's
        lesions are missed there, be it that the series wasn't judged. A row that may speak of
        several is left out.
        """
        judged = [one.source for one in self.case.prediction.judged_series]
        known = judged or self._sources
        named = {
            row.path: {n for n, one in enumerate(known) if names(row.path, one)} for row in rows
        }
        apart = len(rows) == len(named) and not any(row.slice is not None for row in rows)
        for row in rows:
            own = named[row.path]
            others = [found for path, found in named.items() if path != row.path]
            is_wide = len(own) > 1 if judged else len(own) == len(known) and not others
            is_own = not is_wide and not any(found & own for found in others)
            if not (apart and is_own and self.found.is_solid and any(named.values())):
                self._leave_out(LeftOut.NO_SERIES)
            elif judged and not own:
                self._leave_out(LeftOut.NOT_JUDGED)
            else:
                source = min((known[n] for n in own), default="")
                self._add_known(_Place([row], 0, None, source=source, series=row.path))

    @property
    def _sources(self) -> list[str]:
        """The files of the series that are known from what was found in them."""
        known = {region.source for region in self.case.prediction.regions}
        return sorted(known | ({self.case.prediction.series or ""} - {""}))

    @property
    def _is_mixed(self) -> bool:
        """Whether several series were scored and their images, if any, can't be told apart.

        Boxes of one would then lie on slices of another.
        """
        return self.case.prediction.series is not None and self.stacks.count == 1

    @property
    def _regions(self) -> list[Region | RawRegion]:
        return [one for one in self.case.prediction.regions if one.label == self.label]

    def _stack_of(self, region: Region | RawRegion) -> int | None:
        return self.stacks.of_region(region)

    def _leave_out(self, why: LeftOut) -> None:
        self.found.left_out[why].append(str(self.case.prediction.case_id))

    def _by_image_rows(self) -> None:
        for index, rows in self.case.image_rows.items():
            image = self.case.prediction.images[index]
            stack, is_film = self.stacks.of_image[index], all(row.slice is None for row in rows)
            self._add_known(_Place(rows, stack, image.slice, is_film, image.source))
        scored = {image.slice for image in self.case.prediction.images}
        alone = 0 if self.stacks.count == 1 else None
        for row in self.case.other_slice_rows:
            if row.slice in scored and (row.path, row.slice) in self.truth:
                self._leave_out(LeftOut.NO_SERIES)
            elif self._truths([row]):
                self._add_known(_Place([row], alone, row.slice))

    def _add_known(self, place: _Place) -> None:
        truths = self._truths(place.rows)
        if truths is None:
            return
        if self._contradicts(place.rows, truths):
            self._leave_out(LeftOut.CONTRADICTING)
        else:
            self._add(place, truths)

    def _by_exam_rows(self, rows: Sequence[Reference]) -> None:
        """Each row's boxes on the series or film that it names; no boxes are on none of them."""
        done: set[int] = set()
        for row in rows:
            truths = self._truths([row]) or ()
            stacks = self.stacks.named_by(row.path) or list(range(self.stacks.count))
            if self._contradicts([row], truths):
                self._leave_out(LeftOut.CONTRADICTING)
            elif truths and len(stacks) > 1:
                self._leave_out(LeftOut.NO_SERIES)
            else:
                for stack in sorted(set(stacks) - done):
                    place = _Place([row], stack, None, key_stack=stack if len(stacks) > 1 else 0)
                    self._whole(place, truths)
                done.update(stacks)

    def _whole(self, place: _Place, truths: _Truths) -> None:
        """A whole volume, or the film or the slices that it is made of."""
        images = self.stacks.images(place.stack or 0)
        if self.found.is_solid:
            self._add(place, truths)
        elif not images:
            self._add(replace(place, is_film=True), truths)
        elif any(one.box.is_flat for one in truths) and len(images) > 1:
            self._leave_out(LeftOut.NO_SLICE)
        else:
            is_film = len(images) == 1 and all(one.box.is_flat for one in truths)
            for image in images:
                own = replace(place, number=image.slice, is_film=is_film, source=image.source)
                self._add(own, truths)
            for number in _unscored(truths, {image.slice for image in images}):
                self._add(replace(place, number=number), truths)

    def _add(self, place: _Place, truths: _Truths) -> None:
        regions = self._on(place)
        if place.number is not None:
            truths = tuple(
                replace(one, box=cut)
                for one in truths
                if (cut := one.box.on_slice(place.number)) is not None
            )
        boxes = [*(box for _, box in regions), *(one.box for one in truths)]
        if any(box.is_flat is self.found.is_solid for box in boxes):
            self._leave_out(LeftOut.NO_IMAGES)
            return
        number = None if place.is_film else place.number
        ordered = sorted(regions, key=lambda pair: -pair[0].score)
        self.found.images.append(
            DetectionImage(
                case=self.number,
                key=(place.rows[0].path, number, place.key_stack),
                slice=number,
                unit=self.case.unit,
                truths=truths,
                regions=tuple(region for region, _ in ordered),
                boxes=tuple(box for _, box in ordered),
                source=place.source,
                stack=place.stack or 0,
            )
        )

    def _on(self, place: _Place) -> list[tuple[Region | RawRegion, Box]]:
        """The stack's regions: flat ones of a slice by its number, and the cuts of solid ones."""
        found = []
        for region in self._regions if place.stack is not None else ():
            if place.series and not names(place.series, region.series or region.source):
                continue
            if not place.series and self._stack_of(region) != place.stack:
                continue
            box: Box | None = region.box_px
            if place.number is not None and not place.is_film and region.box_px.is_flat:
                box = box if region.slice in (None, place.number) else None
            elif place.number is not None:
                box = region.box_px.on_slice(place.number)
            if box is not None:
                found.append((region, box))
        return found

    def _truths(self, rows: Sequence[Reference]) -> _Truths | None:
        """The boxes of this label that the rows know of; None where they know of none at all."""
        known = [self.truth[key] for row in rows if (key := (row.path, row.slice)) in self.truth]
        if not known:
            return None
        return tuple(one for one in known[0] if one.label == self.label)

    def _contradicts(self, rows: Sequence[Reference], truths: Sequence[LabelledBox]) -> bool:
        labelled = {row.labels.get(self.label) for row in rows} - {None}
        counted = any(not one.is_ignored for one in truths)
        return (True in labelled and not truths) or (False in labelled and counted)


def _unscored(truths: Iterable[LabelledBox], scored: set[int]) -> list[int]:
    """Slices that solid lesions reach, of which no image was scored."""
    reached: set[int] = set()
    for one in truths:
        if one.box.z0 is not None and one.box.z1 is not None:
            first, end = math.ceil(one.box.z0 - 0.5), math.ceil(one.box.z1 - 0.5)
            reached.update(islice(range(max(first, 0), end), _MOST_SLICES))
    return sorted(reached - scored)
