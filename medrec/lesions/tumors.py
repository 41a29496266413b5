"""Tumors of the brain before they are planted: compartments, and how much of a voxel each fills.

Necrosis lies within an enhancing rim or a solid mass, oedema around both and in white matter's
fingers. Each voxel is cut into parts no longer than a millimetre and the parts are counted, so that
a thick slice shows what it only partly holds as weak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from medrec.lesions.bodies import Ellipsoid, draw_lobes
from medrec.lesions.lesion import lesion_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray

_PART_MM = 1.0
_MOST_PARTS = 6


class Pattern(StrEnum):
    """How a tumor takes up contrast agent."""

    RING = "ring"
    """A rim around necrosis, as glioblastoma and metastases have it."""
    SOLID = "solid"
    """All of it, as meningioma and small metastases do."""


@dataclass(frozen=True, slots=True)
class BrainTumor:
    """One tumor, whatever brain it is planted into.

    `size` is the enhancing part's diameter as a share of the brain's width. `strength` is how much
    brighter than the brain's median it is after contrast agent, as a share of that median;
    `oedema` how far the oedema reaches beyond it, in its own radii, 0 for none, and
    `oedema_strength` how much brighter it is on FLAIR. `necrosis` is the radius of what is dead
    within, as a share of its own.

    Raises:
        ValueError: A number outside its range.
    """

    pattern: Pattern
    size: float
    strength: float
    oedema: float
    oedema_strength: float
    necrosis: float
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.size <= 0.6:  # noqa: PLR2004 (more than half of the brain)
            message = f"a tumor's size is a share of the brain's width, 0 to 0.6, not {self.size}"
            raise ValueError(message)
        if not self.strength > 0 or min(self.oedema, self.oedema_strength) < 0:
            message = f"a tumor's strength is above 0, its oedema 0 or more, not {self}"
            raise ValueError(message)
        if not 0 <= self.necrosis < 1:
            message = f"necrosis is a share of the tumor's radius, 0 to 1, not {self.necrosis}"
            raise ValueError(message)


@dataclass(frozen=True, eq=False)
class Compartments:
    """Share of every voxel (I, J, K) that is enhancing, necrotic or oedematous, 0 to 1 together.

    `uptake` is how much of the contrast agent's effect the enhancing part shows there, about 1.
    """

    enhancing: FloatArray
    necrosis: FloatArray
    oedema: FloatArray
    uptake: FloatArray


def reach_of(tumor: BrainTumor) -> float:
    """How far from its middle a tumor may change the brain, in its diameters."""
    return 0.62 * (1 + 1.7 * tumor.oedema) + 0.3


def fill_voxels(
    tumor: BrainTumor,
    *,
    shape: tuple[int, int, int],
    offset: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    diameter_mm: float,
) -> Compartments:
    """How much of each voxel of a window is tumor.

    Args:
        tumor: What lies there.
        shape: (I, J, K) of the window.
        offset: Its middle in voxels of the window, where voxel n spans n to n + 1.
        spacing_mm: Sides of a voxel.
        diameter_mm: Of the enhancing part.
    """
    parts = [min(_MOST_PARTS, max(1, math.ceil(side / _PART_MM))) for side in spacing_mm]
    axes = [
        ((np.arange(length * count) + 0.5) / count - middle) * side / diameter_mm
        for length, count, middle, side in zip(shape, parts, offset, spacing_mm, strict=True)
    ]
    depth, waves = _depths(tumor, list(np.meshgrid(*axes, indexing="ij", sparse=True)))
    core = tumor.necrosis * (1.15 - 0.45 * waves)
    dead = depth < core * core
    alive = (depth < 1) & ~dead
    edge = 1 + tumor.oedema * (1.7 - 1.5 * waves)
    wet = (depth < edge * edge) & ~alive & ~dead & (tumor.oedema > 0)
    return Compartments(
        enhancing=_shares(alive, shape, parts),
        necrosis=_shares(dead, shape, parts),
        oedema=_shares(wet, shape, parts),
        uptake=_shares(1.2 - 0.5 * waves, shape, parts),
    )


def _depths(tumor: BrainTumor, axes: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Squared distance from the middle in radii of the body; waves between 0 and 1 through space.

    The waves make rims uneven, uptake patchy and oedema reach out in fingers.
    """
    rng = lesion_generator(tumor.seed, list(Pattern).index(tumor.pattern))
    lobes = draw_lobes(rng, count=int(rng.integers(3, 7)), spread=0.25)
    depth = np.minimum.reduce([_squared(lobe, axes) for lobe in lobes])
    centres = draw_lobes(rng, count=8, spread=0.9, radius=0.6)[1:]
    nearest = np.minimum.reduce([_squared(centre, axes) for centre in centres])
    waves: FloatArray = nearest / (nearest + 4)
    return depth, waves


def _squared(lobe: Ellipsoid, axes: list[FloatArray]) -> FloatArray:
    off = [axis - middle for axis, middle in zip(axes, lobe.centre.tolist(), strict=True)]
    total: FloatArray = np.zeros(1)
    for row in lobe.matrix:
        line = row[0] * off[0] + row[1] * off[1] + row[2] * off[2]
        total = total + line * line
    return total


def _shares(
    values: NDArray[Any],
    shape: tuple[int, int, int],
    parts: list[int],
) -> FloatArray:
    cut = np.broadcast_to(values, [a * b for a, b in zip(shape, parts, strict=True)]).reshape(
        shape[0], parts[0], shape[1], parts[1], shape[2], parts[2]
    )
    shares: FloatArray = cut.mean(axis=(1, 3, 5))
    return shares
