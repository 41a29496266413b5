"""A brain that tumors may be planted into: in three dimensions, whatever of it is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.data.film_ground import Change
from medrec.domain.modality import Sequence
from medrec.errors import PlantingError
from medrec.lesions.keeping import brain_from_text, brain_width
from medrec.lesions.recipe import BrainRecipe, draw_tumor
from medrec.lesions.volumes import choose_voxel, plant_tumor
from medrec.preprocess.greys import scan_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.data.film_ground import PlantingRule
    from medrec.data.pictures import Pictures
    from medrec.domain.geometry import FloatArray
    from medrec.domain.volume import Float32Array
    from medrec.lesions.brain import Brain
    from medrec.preprocess.greys import GreyScale

_TRIES = 12
_NEAR = 0.3
# A tumor's middle lies so much of its diameter from the slice that is shown, at most.
_LEAST_PX = 9
# Of the plane that is shown: less would be a label that nobody sees.


@dataclass(frozen=True, slots=True)
class BrainGround:
    """The greys of a volume from number `first` on, their scale, and its brain, kept as text.

    `slices` are the source slices of its pictures, in order. `place` is which of these is shown,
    None of a whole volume, whose greys are one item.
    """

    first: int
    scale: GreyScale
    brain: str
    slices: tuple[int, ...]
    place: int | None = None

    def at(self, number: int | None) -> BrainGround | None:
        """The ground of source slice `number`; None where it isn't among the pictures."""
        if number is None:
            return self
        return replace(self, place=self.slices.index(number)) if number in self.slices else None

    def plant(self, greys: Pictures, rule: PlantingRule, rng: np.random.Generator) -> Change | None:
        """Plant what a rule draws; None where none finds room."""
        assert isinstance(rule.recipe, BrainRecipe)  # noqa: S101 (it found the brain)
        assert rule.sequence is not None  # noqa: S101 (the config is checked)
        low, high = rule.lesions
        part, shown = self._part(rule.recipe.size.high)
        where, packed = self._greys(greys, part)
        before = np.maximum(self.scale.unpack(packed), np.float32(self.scale.least))
        garden = _Garden(before, brain_from_text(self.brain, part), rule.sequence, shown)
        for _ in range(int(rng.integers(low, high + 1))):
            garden.plant(rule.recipe, rng)
        if not garden.corners:
            return None
        corners = np.array(garden.corners) + np.tile([one.start for one in where], 2)
        if shown is None:
            return Change(where, before, garden.voxels, corners)
        return Change(where, before[shown], garden.voxels[shown], corners)

    def _part(self, size: float) -> tuple[slice, int | None]:
        """The slices in which tumors of a size may lie that the shown one shows, and that one."""
        if self.place is None:
            return slice(None), None
        reach = _reach(size, *brain_width(self.brain))
        first = max(0, self.place - reach)
        return slice(first, min(len(self.slices), self.place + reach + 1)), self.place - first

    def _greys(self, greys: Pictures, part: slice) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
        """Where the scan lies in the input, and its packed greys (d, h, w)."""
        if self.place is None:
            whole = greys[self.first][0].numpy()
            where = scan_in(whole)
            return where, whole[where]
        stack = greys[slice(self.first + part.start, self.first + part.stop)][:, 0].numpy()
        where = scan_in(stack)[1:]
        return where, stack[(slice(None), *where)]


class _Garden:
    """Greys (d, h, w) of a brain that tumors are planted into, one after the other."""

    def __init__(
        self, voxels: Float32Array, brain: Brain, sequence: Sequence, shown: int | None
    ) -> None:
        self.voxels = voxels
        self.corners: list[FloatArray] = []
        self._brain, self._sequence, self._shown = brain, sequence, shown
        self._only = None if shown is None else slice(shown, shown + 1)
        self._taken = np.zeros(voxels.shape, dtype=bool)

    def plant(self, recipe: BrainRecipe, rng: np.random.Generator) -> None:
        """Plant a tumor beside those that are there; one that doesn't show is drawn anew."""
        for _ in range(_TRIES):
            tumor = draw_tumor(recipe, rng)
            try:
                place = choose_voxel(self._near(tumor.size), tumor, rng)
                planted = plant_tumor(
                    {self._sequence: self.voxels},
                    tumor,
                    place,
                    brain=self._brain,
                    only=self._only,
                )
            except PlantingError:
                continue
            # What is outlined in scans: all that is bright on FLAIR, what enhances after contrast.
            mask = planted.whole if self._sequence is Sequence.FLAIR else planted.core
            seen = mask if self._shown is None else mask[self._shown]
            if seen.sum() < _LEAST_PX or (mask & self._taken).any():
                continue
            self.voxels = planted.voxels[self._sequence]
            self._taken |= mask
            ends = [
                (np.flatnonzero(line)[0], np.flatnonzero(line)[-1] + 1) for line in _lines(seen)
            ]
            self.corners.append(
                np.array([low for low, _ in ends] + [high for _, high in ends], float)
            )
            return

    def _near(self, size: float) -> Brain:
        """The brain, in which a tumor's middle may lie near the slice that is shown alone."""
        if self._shown is None:
            return self._brain
        brain = self._brain
        away = np.abs(np.arange(len(brain.tissue)) - self._shown)
        near = away <= _reach(size, brain.width_mm, brain.spacing_mm[0])
        return replace(brain, tissue=brain.tissue & near[:, None, None])


def _reach(size: float, width_mm: float, thick_mm: float) -> int:
    """So many slices may lie between a tumor's middle and the slice that shows it."""
    return int(_NEAR * size * width_mm / thick_mm)


def _lines(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """What of each axis a mask touches."""
    axes = range(mask.ndim)
    return [
        np.asarray(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes
    ]
