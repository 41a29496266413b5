"""The stacks that a prediction is made of, each a series or a film, and what a path names."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.domain.finding import CasePrediction, ImageFindings, RawRegion, Region


@dataclass(frozen=True, eq=False)
class Stacks:
    """A case's images by the series or film that they belong to; one stack at least."""

    prediction: CasePrediction

    @cached_property
    def of_image(self) -> tuple[int, ...]:
        """The number of each image's stack: that of its series among those judged.

        A journal that doesn't name these (`is_guessed`) has its images in the order of their slices
        all the same: a new stack begins where the number doesn't rise. Two series of which the
        second begins above the last slice of the first then pass for one.
        """
        if self._is_told:
            counts = [one.images for one in self.prediction.judged_series]
            return tuple(number for number, count in enumerate(counts) for _ in range(count))
        found: list[int] = []
        last, number = -1, 0
        for image in self.prediction.images:
            number += image.slice <= last
            found.append(number)
            last = image.slice
        return tuple(found)

    @property
    def _is_told(self) -> bool:
        counts = [one.images for one in self.prediction.judged_series]
        return bool(counts) and sum(counts) == len(self.prediction.images)

    @property
    def is_guessed(self) -> bool:
        """Whether several series were judged and nothing but their slices' numbers parts them."""
        several = self.prediction.series is not None and bool(self.prediction.images)
        return several and not self._is_told

    @property
    def count(self) -> int:
        """How many there are."""
        return max(self.of_image, default=0) + 1

    @property
    def are_films(self) -> bool:
        """Whether the case is a study of several films: several images, each a stack of its own."""
        return 1 < self.count == len(self.prediction.images)

    def images(self, stack: int) -> tuple[ImageFindings, ...]:
        """The scored images of a stack."""
        pairs = zip(self.prediction.images, self.of_image, strict=True)
        return tuple(image for image, own in pairs if own == stack)

    def of_source(self, source: str) -> int | None:
        """The stack that a file belongs to; None if that can't be told."""
        if self.count == 1:
            return 0
        found = self._by_source.get(source, set())
        return next(iter(found)) if len(found) == 1 else None

    def of_region(self, region: Region | RawRegion) -> int | None:
        """The stack in which a region was found; None if that can't be told."""
        judged = [one.source for one in self.prediction.judged_series]
        if self._is_told and region.series is not None and judged.count(region.series) == 1:
            return judged.index(region.series)
        return self.of_source(region.source)

    def named_by(self, path: str) -> list[int]:
        """The stacks of which a path names a file, or the folder; it may hold more folders."""
        if self.count == 1:
            return [0]
        found = (own for source, own in self._by_source.items() if names(path, source))
        return sorted(set[int]().union(*found))

    @cached_property
    def _by_source(self) -> Mapping[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for image, stack in zip(self.prediction.images, self.of_image, strict=True):
            found[image.source].add(stack)
        return found


def parts_of(path: str) -> tuple[str, ...]:
    """The folders and the name of a path, whatever the system that wrote it."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return tuple(part for part in parts if part not in (".", "..", "/"))


def names(path: str, source: str) -> bool:
    """Whether a path is that of a file, with more folders or fewer, or of a folder above it.

    >>> names("archive/p1/a.dcm", "p1/a.dcm"), names("p1", "p1/a.dcm"), names("b.dcm", "p1/a.dcm")
    (True, True, False)
    """
    wanted, there = parts_of(path), parts_of(source)
    shared = min(len(wanted), len(there))
    if not shared:
        return False
    return there[-shared:] == wanted[-shared:] or there[: len(wanted)] == wanted
