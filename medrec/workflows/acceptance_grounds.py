"""One scan into which lesions are planted: a film or a brain, its facts, and its planted copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from medrec.domain.box import Box
from medrec.domain.modality import Sequence
from medrec.domain.series import Series
from medrec.domain.volume import Volume
from medrec.errors import PlantingError
from medrec.io.stored import StoredFilm, read_film
from medrec.io.stored_volumes import StoredVolume, read_volume
from medrec.lesions.brain import Brain, find_brain
from medrec.lesions.breast import find_breast
from medrec.lesions.chest import find_chest
from medrec.lesions.greys import upright
from medrec.lesions.grid import plant_cell, tumor_of, within_zone, zone_of
from medrec.lesions.looks import look_of_brain, look_of_film
from medrec.lesions.recipe import BrainRecipe, FilmRecipe
from medrec.lesions.volumes import choose_voxel, plant_tumor
from medrec.lesions.zones import BrainZone
from medrec.workflows.acceptance_recipe import Planned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.lesions.grid import Cell
    from medrec.lesions.terrain import Terrain


@dataclass(frozen=True, eq=False)
class PlantedScan:
    """A copy of a scan with one lesion, as files that are there until the next one is planted.

    `box` is the lesion's, `raised` the sum of grey values over all pixels by which it rose, dense
    tissue bright. `picture` (rows, columns) is the film or the slice through its middle.
    """

    series: Series
    box: Box
    zone: str
    raised: float
    contrast_to_noise: float
    picture: NDArray[np.floating[Any]]
    diameter_mm: float | None = None


class Ground(Protocol):
    """A scan whose anatomy was found."""

    @property
    def look(self) -> dict[str, float]:
        """Its facts: see `medrec.lesions.looks`."""

    @property
    def step(self) -> float:
        """Grey values from loose to dense tissue, or a brain's median."""

    @property
    def width_mm(self) -> float | None:
        """Of the chest, breast or brain; None where the spacing isn't true."""

    def plant(self, cell: Cell, rng: np.random.Generator, folder: Path) -> PlantedScan:
        """Plant one lesion and write the copy into a folder, over the one before."""


FindGround = Callable[[Series, Volume, Planned], Ground]
"""Finds the anatomy of a scan, as `find_ground` does."""


def find_ground(series: Series, volume: Volume, planned: Planned) -> Ground:
    """Find the anatomy of a scan that was decoded to this volume.

    Raises:
        PlantingError: No chest, breast or brain is found in it.
        ScanError: Its stored values can't be read.
    """
    if isinstance(planned.recipe, FilmRecipe):
        film = read_film(series)
        find = find_breast if planned.kind == "mammogram" else find_chest
        return FilmGround(film, find(film.pixels), planned.recipe, _spacing_of(series))
    assert planned.sequence is not None  # noqa: S101 (the plan sees to it)
    stored = read_volume(series, volume)
    geometry = volume.geometry
    spacing = geometry.spacing_mm if geometry else (1.0, 1.0, 1.0)
    levels = volume.voxels[0]
    brain = find_brain(levels, spacing_mm=spacing, slice_axis=volume.slice_axis)
    return BrainGround(
        stored, levels, brain, planned.recipe, planned.sequence, is_true=geometry is not None
    )


def _spacing_of(series: Series) -> float | None:
    spacing = series.first.spacing
    return spacing.x_mm if spacing is not None and spacing.is_of_patient else None


@dataclass(frozen=True, eq=False)
class FilmGround:
    """A chest film or a mammogram."""

    film: StoredFilm
    terrain: Terrain
    recipe: FilmRecipe
    spacing_mm: float | None

    @property
    def look(self) -> dict[str, float]:
        """Its facts."""
        return look_of_film(self.film.pixels, self.terrain)

    @property
    def step(self) -> float:
        """From lung to mediastinum, or from fat to gland."""
        return self.terrain.tone.step

    @property
    def width_mm(self) -> float | None:
        """Of the chest, or the root of the breast's area."""
        return None if self.spacing_mm is None else self.terrain.width_px * self.spacing_mm

    def plant(self, cell: Cell, rng: np.random.Generator, folder: Path) -> PlantedScan:
        """Plant one lesion.

        Raises:
            PlantingError: It has no room.
        """
        pixels, terrain = self.film.pixels, self.terrain
        planted = plant_cell(
            pixels, self.recipe, cell, rng, terrain=terrain, spacing_mm=self.spacing_mm
        )
        lesion, picture = planted.lesions[0], upright(planted.pixels, terrain)
        return PlantedScan(
            series=self.film.write(folder, planted.pixels),
            box=lesion.box,
            zone=str(lesion.zone),
            raised=float((picture - upright(pixels, terrain)).sum()),
            contrast_to_noise=lesion.contrast_to_noise,
            picture=picture,
            diameter_mm=lesion.diameter_mm,
        )


@dataclass(frozen=True, eq=False)
class BrainGround:
    """A brain MRI; `levels` (I, J, K) are its values after rescale.

    `is_true` says that the file gives the size of its voxels; else they are taken as cubes.
    """

    stored: StoredVolume
    levels: NDArray[np.float32]
    brain: Brain
    recipe: BrainRecipe
    sequence: Sequence
    is_true: bool

    @property
    def look(self) -> dict[str, float]:
        """Its facts."""
        return look_of_brain(self.levels, self.brain)

    @property
    def step(self) -> float:
        """The brain's median."""
        return self.brain.level

    @property
    def width_mm(self) -> float | None:
        """Of the brain."""
        return self.brain.width_mm if self.is_true else None

    def plant(self, cell: Cell, rng: np.random.Generator, folder: Path) -> PlantedScan:
        """Plant one tumor.

        Raises:
            PlantingError: It has no room, or fills no voxel by half.
        """
        tumor = tumor_of(self.recipe, cell, rng)
        zones = (cell.zone, *(zone for zone in BrainZone if zone != cell.zone))
        place = None
        for zone in zones:
            try:
                place = choose_voxel(within_zone(self.brain, zone), tumor, rng)
                break
            except PlantingError:
                continue
        if place is None:
            message = f"no room for a tumor of {cell.size:.1%} of the brain's width"
            raise PlantingError(message)
        planted = plant_tumor({self.sequence: self.levels}, tumor, place, brain=self.brain)
        after: FloatArray = planted.voxels[self.sequence]
        rise = after.astype(np.float64) - self.levels
        box = planted.whole_box if self.sequence is Sequence.FLAIR else planted.box
        middle = int(box.centre[2])
        return PlantedScan(
            series=self.stored.write(folder, rise),
            box=box,
            zone=str(zone_of(self.brain, place)),
            raised=float(rise.sum()),
            contrast_to_noise=planted.changes[self.sequence].contrast_to_noise,
            picture=np.take(after, middle, axis=self.brain.slice_axis).T,
            diameter_mm=planted.diameter_mm if self.is_true else None,
        )
