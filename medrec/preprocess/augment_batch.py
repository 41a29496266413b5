"""Random changes of whole batches, on the device where they lie: geometry, contrast, noise.

The same changes as those of `medrec.preprocess.augment`, drawn from the same distributions, but not
the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCHED = ("flip_left_right", "affine", "gamma", "intensity", "noise")
"""The kinds of change that are made here; the names of their probabilities."""

_DRAWS = 16
_EPSILON = 1e-7  # MONAI's: a picture of one value stays what it is


@dataclass(frozen=True)
class BatchAugmenter:
    """Change pictures at random; fields as in `medrec.config.preprocess.AugmentConfig`.

    Each picture has a seed of its own, so that its change depends on nothing else: not on the rest
    of the batch, nor on what was drawn before. `size_px` is the side of the images.
    """

    size_px: int
    flip_left_right: float = 0.0
    affine: float = 0.0
    rotate_degrees: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    gamma: float = 0.0
    gamma_range: tuple[float, float] = (1.0, 1.0)
    intensity: float = 0.0
    intensity_scale: float = 0.0
    intensity_shift: float = 0.0
    noise: float = 0.0
    noise_std: float = 0.0

    def __call__(self, images: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
        """Change a batch (B, 1, H, W) float32 on any device; `seeds` is (B,) int64, not negative.

        The geometry's numbers are drawn on the CPU and are the same for every device; those of the
        noise are drawn on the device.
        """
        numbers = seeds.tolist()
        draws = np.stack([np.random.default_rng(seed).uniform(size=_DRAWS) for seed in numbers])
        images = self._shape(images, draws)
        images = self._light(images, draws)
        return self._noise(images, draws, numbers)

    def _shape(self, images: torch.Tensor, draws: NDArray[np.float64]) -> torch.Tensor:
        flipped = draws[:, 0] < self.flip_left_right
        images = torch.where(_column(flipped, images), images.flip(-1), images)
        moved = draws[:, 1] < self.affine
        if not moved.any():
            return images
        theta = torch.from_numpy(self._affines(draws)).to(images.dtype).to(images.device)
        grid = functional.affine_grid(theta, list(images.shape), align_corners=True)
        turned = functional.grid_sample(images, grid, padding_mode="zeros", align_corners=True)
        return torch.where(_column(moved, images), turned, images)

    def _affines(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """Maps (B, 2, 3) from a place of the result to one of the source, x and y from -1 to 1.

        MONAI's order: rotate, shear, translate, scale, in pixels (row, column) from the middle.
        """
        symmetric = 2 * draws[:, 2:9] - 1
        angle = radians(self.rotate_degrees) * symmetric[:, 0]
        shears = self.shear * symmetric[:, 1:3]
        shifts = self.shift * self.size_px * symmetric[:, 3:5]
        scales = 1 + self.scale * symmetric[:, 5:7]
        return to_affines(angle, shears, shifts, scales, side_px=self.size_px)

    def _light(self, images: torch.Tensor, draws: NDArray[np.float64]) -> torch.Tensor:
        low, high = self.gamma_range
        exponents = np.where(draws[:, 9] < self.gamma, low + (high - low) * draws[:, 10], 1.0)
        factors = np.where(
            draws[:, 11] < self.intensity, 1 + self.intensity_scale * (2 * draws[:, 12] - 1), 1.0
        )
        offsets = np.where(
            draws[:, 13] < self.intensity, self.intensity_shift * (2 * draws[:, 14] - 1), 0.0
        )
        if self.gamma:
            least = images.amin((1, 2, 3), keepdim=True)
            span = images.amax((1, 2, 3), keepdim=True) - least
            bent = ((images - least) / (span + _EPSILON)) ** _column(exponents, images)
            images = torch.where(_column(exponents != 1, images), bent * span + least, images)
        return images * _column(factors, images) + _column(offsets, images)

    def _noise(
        self, images: torch.Tensor, draws: NDArray[np.float64], seeds: list[int]
    ) -> torch.Tensor:
        noisy = np.flatnonzero(draws[:, 15] < self.noise)
        if noisy.size == 0:
            return images
        images = images.clone()
        generator = torch.Generator(device=images.device)
        for row in noisy:
            generator.manual_seed(seeds[row])
            # The share of draws below the probability, spread again over 0 to 1, is MONAI's
            # standard deviation: from 0 to the largest.
            deviation = self.noise_std * float(draws[row, 15]) / self.noise
            noise = torch.randn(images[row].shape, generator=generator, device=images.device)
            images[row] += deviation * noise
        return images


def to_affines(
    angles: NDArray[np.float64],
    shears: NDArray[np.float64],
    shifts: NDArray[np.float64],
    scales: NDArray[np.float64],
    *,
    side_px: int,
) -> NDArray[np.float64]:
    """Put (B,) radians and (B, 2) of rows and columns together, for `torch`'s `affine_grid`."""
    count = len(angles)
    rotate, shear, scale = (np.tile(np.eye(2), (count, 1, 1)) for _ in range(3))
    rotate[:, 0, 0] = rotate[:, 1, 1] = np.cos(angles)
    rotate[:, 1, 0] = np.sin(angles)
    rotate[:, 0, 1] = -rotate[:, 1, 0]
    shear[:, 0, 1], shear[:, 1, 0] = shears[:, 0], shears[:, 1]
    shear[:, 1, 1] += shears[:, 0] * shears[:, 1]  # first one, then the other: areas are kept
    scale[:, 0, 0], scale[:, 1, 1] = scales[:, 0], scales[:, 1]
    turn = rotate @ shear
    moves = (turn @ shifts[:, :, None])[:, ::-1] * 2 / (side_px - 1)
    return np.concatenate([(turn @ scale)[:, ::-1, ::-1], moves], axis=2)


def _column(values: NDArray[np.generic], like: torch.Tensor) -> torch.Tensor:
    """Values (B,) as (B, 1, 1, 1) beside a batch of images."""
    column = torch.from_numpy(values).view(-1, 1, 1, 1)
    # Narrowed before it moves: Apple's devices hold no float64.
    narrow = column if column.dtype == torch.bool else column.to(like.dtype)
    return narrow.to(like.device)
