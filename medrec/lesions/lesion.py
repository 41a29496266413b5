"""A lesion before it is planted: its kind, size and strength, and the numbers its body grows by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Shape(StrEnum):
    """What a lesion of the lung looks like, in the terms of radiology."""

    ROUND = "round"
    LOBULATED = "lobulated"
    SPICULATED = "spiculated"
    ILL_DEFINED = "ill_defined"
    CALCIFIED = "calcified"
    PART_SOLID = "part_solid"


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion, whatever film it is planted into.

    `size` is its diameter as a share of the chest's inner width. `strength` is the greatest rise of
    grey values that it makes in clear lung, as a share of the film's step from lung to mediastinum.
    `seed` fixes its form: the same seed, shape and size give the same body.

    Raises:
        ValueError: A size outside 0 to 0.5, or a strength that isn't above 0.
    """

    shape: Shape
    size: float
    strength: float
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.size <= 0.5:  # noqa: PLR2004 (half a chest)
            message = f"a lesion's size is a share of the chest's width, 0 to 0.5, not {self.size}"
            raise ValueError(message)
        if not self.strength > 0:
            message = f"a lesion's strength is above 0, not {self.strength}"
            raise ValueError(message)


def lesion_generator(seed: int, *key: int) -> np.random.Generator:
    """Random numbers of one lesion, film or epoch: `lesion_generator(seed, row, epoch)`.

    PCG64 from a SeedSequence: the same whole numbers give the same draws on every platform, and
    other keys give independent ones. All are at least 0 and below 2**64.

    >>> lesion_generator(7, 3, 0).integers(1000) == lesion_generator(7, 3, 0).integers(1000)
    np.True_
    """
    # A SeedSequence pads with zeros, so that [7] and [7, 0] were one: the count tells them apart.
    words = [len(key)]
    for number in map(int, (seed, *key)):  # numpy's own may be too narrow for the mask
        words += [number & 0xFFFFFFFF, number >> 32]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
