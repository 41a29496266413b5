"""The boxes that a detector starts from: one or more at each place of each level of a pyramid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.geometry import FloatArray

Sides = tuple[float, ...]
"""Sides of a box along the picture's axes, in pixels."""
_ROUNDS = 50
_LOWEST, _HIGHEST = 0.02, 0.98


@dataclass(frozen=True, slots=True)
class AnchorGrid:
    """Boxes of fixed sides around the middle of each cell.

    Args:
        sides: For each level, the sides of its anchors; as many on each level.
        strides: For each level, a cell's sides in pixels.
    """

    sides: tuple[tuple[Sides, ...], ...]
    strides: tuple[tuple[int, ...], ...]

    @property
    def per_place(self) -> int:
        """Anchors at each place."""
        return len(self.sides[0])

    def __call__(self, shapes: Sequence[Sequence[int]], *, device: torch.device) -> torch.Tensor:
        """All anchors (A, 2D) of levels with so many cells: level, place, anchor of the place."""
        levels = zip(self.sides, self.strides, shapes, strict=True)
        return torch.cat([_of_level(*level) for level in levels]).to(device)


def _of_level(sides: Sequence[Sides], stride: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    lines = [(torch.arange(n) + 0.5) * step for n, step in zip(shape, stride, strict=True)]
    middles = torch.stack(torch.meshgrid(*lines, indexing="ij"), dim=-1).reshape(-1, 1, len(shape))
    half = torch.tensor(sides)[None] / 2
    return torch.cat([middles - half, middles + half], dim=-1).reshape(-1, 2 * len(shape))


def fit_anchors(sides: FloatArray, *, levels: int, per_place: int) -> tuple[tuple[Sides, ...], ...]:
    """Choose the anchors of each level for boxes with sides (N, D): small ones on fine levels.

    k-means over the logarithms of sides, begun at quantiles of the size, so that the same boxes
    give the same anchors. Where there are fewer different boxes than anchors, sizes are spread
    evenly, in logarithms, around those that there are.

    Raises:
        ValueError: No box.
    """
    if len(sides) == 0:
        message = "anchors are fitted to boxes, and there is none"
        raise ValueError(message)
    logs = np.log(np.maximum(sides, 1.0))
    size, count = logs.mean(axis=1), levels * per_place
    spread = np.quantile(size, np.linspace(_LOWEST, _HIGHEST, count))
    if len(np.unique(spread.round(2))) < count:
        middle, shape = np.median(size), np.median(logs - size[:, None], axis=0)
        spread = middle + np.linspace(-1, 1, count) * max(np.log(2) * levels / 2, np.ptp(size) / 2)
        centres = spread[:, None] + shape[None]
    else:
        order = np.argsort(size, kind="stable")
        centres = _k_means(logs, logs[order][np.searchsorted(size[order], spread)])
    ranked = np.exp(centres[np.argsort(centres.mean(axis=1), kind="stable")])
    rounded = [tuple(round(float(side), 1) for side in row) for row in ranked]
    return tuple(
        tuple(rounded[level * per_place : (level + 1) * per_place]) for level in range(levels)
    )


def _k_means(points: FloatArray, centres: FloatArray) -> FloatArray:
    """Lloyd's rounds from given centres (K, D); one that loses all its points stays."""
    for _ in range(_ROUNDS):
        nearest = np.linalg.norm(points[:, None] - centres[None], axis=-1).argmin(axis=1)
        moved = centres.copy()
        for number in np.unique(nearest):
            moved[number] = points[nearest == number].mean(axis=0)
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres
