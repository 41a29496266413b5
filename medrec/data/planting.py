"""Lesions planted into rows of training as they are drawn: fixed by seed, row and epoch alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from medrec.data.grounds import film_in
from medrec.errors import PlantingError
from medrec.lesions.films import plant_film
from medrec.lesions.lesion import lesion_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.data.grounds import Ground
    from medrec.data.pictures import Pictures
    from medrec.domain.geometry import FloatArray
    from medrec.domain.volume import Float32Array
    from medrec.lesions.recipe import FilmRecipe
    from medrec.preprocess.greys import GreyPreprocessor

_NOTHING = -1.0
_MEASURED = 500
"""Films in which planted boxes are measured, where anchors are fitted to them."""


@dataclass(frozen=True, slots=True)
class PlantingRule:
    """What is planted, and what it changes.

    Args:
        recipe: What lesions are drawn from.
        share: How many of the films that can be planted into get lesions, each time they are drawn.
        lesions: How many a film gets: the least and the most.
        column: Of the label that becomes positive.
        box_class: The number of the class of their boxes, of a detector's.
    """

    recipe: FilmRecipe
    share: float
    lesions: tuple[int, int]
    column: int
    box_class: int = 0


@dataclass(frozen=True, eq=False)
class Planting:
    """Plants lesions into rows of a dataset.

    `grounds` has one entry a row, None where nothing is planted. `greys` are those of all films, by
    the number that a ground holds.
    """

    rule: PlantingRule
    prepare: GreyPreprocessor
    greys: Pictures
    grounds: tuple[Ground | None, ...]

    def subset(self, rows: Sequence[int]) -> Self:
        """The same for some rows, in their order."""
        return replace(self, grounds=tuple(self.grounds[row] for row in rows))

    @property
    def rows(self) -> list[int]:
        """Rows that lesions may be planted into."""
        return [row for row, ground in enumerate(self.grounds) if ground is not None]

    def __call__(
        self, sample: tuple[torch.Tensor, ...], *, seed: int, row: int, epoch: int
    ) -> tuple[torch.Tensor, ...]:
        """A row as an epoch shows it: with lesions in its picture, label and boxes, or without.

        Args:
            sample: Image (1, H, W) float32, targets (K,) and, of a detector, objects (M, 5), see
                `medrec.data.detection`; all come out with room for as many objects.
            seed: Of the fit.
            row: Of this dataset.
            epoch: Counted from 0.
        """
        image, targets, *objects = sample
        found = self._drawn(image, row, lesion_generator(seed, row, epoch))
        corners = None
        if found is not None:
            image, corners = found
            targets = targets.clone()
            targets[self.rule.column] = 1.0
        return image, targets, *(self._with_boxes(own, corners) for own in objects)

    def expected(self, targets: torch.Tensor) -> torch.Tensor:
        """Targets (N, K) of an epoch: the share of rows that get lesions, positive."""
        rows = self.rows
        planted = rows[: round(self.rule.share * len(rows))]
        taught = targets.clone()
        taught[planted, self.rule.column] = 1.0
        return taught

    def sides(self, rows: Sequence[int]) -> FloatArray:
        """Sides (n, 2) in pixels of what is planted into some rows: a sample, always the same."""
        grounds = [self.grounds[row] for row in rows]
        measured = [(row, one) for row, one in zip(rows, grounds, strict=True) if one is not None]
        corners: list[FloatArray] = [np.zeros((0, 4))]
        for row, ground in measured[:_MEASURED]:
            packed = self.greys[ground.item][0].numpy()
            greys = ground.scale.unpack(packed[film_in(packed)])
            planted = self._plant(greys, ground, lesion_generator(0, row, 0))
            corners += [planted[1]] if planted else []
        boxes = np.concatenate(corners)
        return np.asarray(boxes[:, 2:] - boxes[:, :2])

    def _drawn(
        self, image: torch.Tensor, row: int, rng: np.random.Generator
    ) -> tuple[torch.Tensor, FloatArray] | None:
        """The image (1, H, W) with lesions and their boxes, where the row gets any this time."""
        ground = self.grounds[row]
        if ground is None or rng.random() >= self.rule.share:
            return None
        packed = self.greys[ground.item][0].numpy()
        where = film_in(packed)
        before = ground.scale.unpack(packed[where])
        planted = self._plant(before, ground, rng)
        if planted is None:
            return None
        after, corners = planted
        changed = image.clone()
        own = changed[0].numpy()
        own[where] = self.prepare.repaint(own[where], before, after, ground.scale)
        return changed, corners + np.tile([where[0].start, where[1].start], 2)

    def _plant(
        self, greys: Float32Array, ground: Ground, rng: np.random.Generator
    ) -> tuple[Float32Array, FloatArray] | None:
        """Greys (h, w) of a film with lesions in it, and their boxes (n, 4): y0, x0, y1, x1.

        None where none finds room.
        """
        low, high = self.rule.lesions
        count = int(rng.integers(low, high + 1))
        try:
            film = plant_film(greys, self.rule.recipe, rng, terrain=ground.open(), count=count)
        except PlantingError:
            return None
        boxes = [one.box for one in film.lesions]
        return film.pixels, np.array([[box.y0, box.x0, box.y1, box.x1] for box in boxes])

    def _with_boxes(self, objects: torch.Tensor, corners: FloatArray | None) -> torch.Tensor:
        """Objects (M, 5) with room for those that are planted, and with their boxes."""
        missing = max(self.rule.lesions[1] - len(objects), 0)
        room = torch.zeros(missing, objects.shape[1])
        room[:, -1] = _NOTHING
        wide = torch.cat([objects, room])
        if corners is not None:
            wide[: len(corners), :-1] = torch.from_numpy(corners).float()
            wide[: len(corners), -1] = self.rule.box_class
        return wide
