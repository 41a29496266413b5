"""A film that lesions may be planted into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.errors import PlantingError
from medrec.lesions.films import plant_film
from medrec.lesions.keeping import from_text
from medrec.lesions.recipe import FilmRecipe
from medrec.preprocess.greys import scan_in

if TYPE_CHECKING:
    from medrec.data.pictures import Pictures
    from medrec.domain.geometry import FloatArray
    from medrec.domain.modality import Sequence
    from medrec.domain.volume import Float32Array
    from medrec.lesions.recipe import BrainRecipe
    from medrec.preprocess.greys import GreyScale


@dataclass(frozen=True, slots=True)
class PlantingRule:
    """What is planted, and what it changes.

    Args:
        recipe: What lesions are drawn from.
        share: How many of the scans that can be planted into get lesions, each time they are drawn.
        lesions: How many a scan gets: the least and the most.
        column: Of the label that becomes positive.
        box_class: The number of the class of their boxes, of a detector's.
        sequence: Of brain MRI, which decides how a tumor shows; None of films.
    """

    recipe: FilmRecipe | BrainRecipe
    share: float
    lesions: tuple[int, int]
    column: int
    box_class: int = 0
    sequence: Sequence | None = None


@dataclass(frozen=True, eq=False)
class Change:
    """What planting did to the greys of a scan.

    `where` are the rows and columns (and, first, slices) of the input that are no padding; `before`
    and `after` its greys there. `corners` (n, 2D) are the lesions' boxes, see
    `medrec.models.detections`, in the input.
    """

    where: tuple[slice, ...]
    before: Float32Array
    after: Float32Array
    corners: FloatArray


@dataclass(frozen=True, slots=True)
class FilmGround:
    """The number of a film's greys, their scale, and its terrain, see `medrec.lesions.keeping`."""

    item: int
    scale: GreyScale
    terrain: str

    def at(self, number: int | None) -> FilmGround:
        """The ground of a slice: a film has one."""
        return self

    def plant(self, greys: Pictures, rule: PlantingRule, rng: np.random.Generator) -> Change | None:
        """Plant what a rule draws; None where none finds room."""
        assert isinstance(rule.recipe, FilmRecipe)  # noqa: S101 (it found the terrain)
        packed = greys[self.item][0].numpy()
        where = scan_in(packed)
        before = self.scale.unpack(packed[where])
        low, high = rule.lesions
        count, terrain = int(rng.integers(low, high + 1)), from_text(self.terrain)
        try:
            film = plant_film(before, rule.recipe, rng, terrain=terrain, count=count)
        except PlantingError:
            return None
        boxes = np.array([[*one.box.low[::-1], *one.box.high[::-1]] for one in film.lesions])
        return Change(where, before, film.pixels, boxes + np.tile([one.start for one in where], 2))
