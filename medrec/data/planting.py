"""Lesions planted into rows of training as they are drawn: fixed by seed, row and epoch alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from medrec.lesions.lesion import lesion_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.data.film_ground import PlantingRule
    from medrec.data.grounds import Ground
    from medrec.data.pictures import Pictures
    from medrec.domain.geometry import FloatArray
    from medrec.preprocess.greys import GreyPreprocessor

_NOTHING = -1.0
_MEASURED = 500
"""Films in which planted boxes are measured, where anchors are fitted to them."""


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
            sample: Image (1, H, W) or (1, D, H, W), targets (K,), and objects (M, 2D + 1), see
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
        """Sides (n, D) in pixels of what is planted into some rows: a sample, always the same."""
        chosen = [(row, ground) for row in rows if (ground := self.grounds[row])]
        changes = [
            ground.plant(self.greys, self.rule, lesion_generator(0, row, 0))
            for row, ground in chosen[:_MEASURED]
        ]
        corners = [one.corners for one in changes if one is not None]
        if not corners:
            return np.zeros((0, len(self.greys.shape) - 2))
        boxes = np.concatenate(corners)
        half = boxes.shape[1] // 2
        return np.asarray(boxes[:, half:] - boxes[:, :half])

    def _drawn(
        self, image: torch.Tensor, row: int, rng: np.random.Generator
    ) -> tuple[torch.Tensor, FloatArray] | None:
        """The image with lesions and their boxes, where the row gets any this time."""
        ground = self.grounds[row]
        if ground is None or rng.random() >= self.rule.share:
            return None
        change = ground.plant(self.greys, self.rule, rng)
        if change is None:
            return None
        changed = image.clone()
        own = changed[0].numpy()
        own[change.where] = self.prepare.repaint(
            own[change.where], change.before, change.after, ground.scale
        )
        return changed, change.corners

    def _with_boxes(self, objects: torch.Tensor, corners: FloatArray | None) -> torch.Tensor:
        """Objects (M, 2D + 1) with room for those that are planted, and with their boxes."""
        missing = max(self.rule.lesions[1] - len(objects), 0)
        room = torch.zeros(missing, objects.shape[1])
        room[:, -1] = _NOTHING
        wide = torch.cat([objects, room])
        if corners is not None:
            wide[: len(corners), :-1] = torch.from_numpy(corners).float()
            wide[: len(corners), -1] = self.rule.box_class
        return wide
