"""Random changes of volumes while training, for both kinds of networks of volumes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import radians
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from monai.transforms.intensity.array import (
    RandAdjustContrast,
    RandGaussianNoise,
    RandGaussianSmooth,
    RandScaleIntensity,
    RandShiftIntensity,
)
from monai.transforms.spatial.array import RandAffine, RandFlip

from medrec.preprocess.random_numbers import Reseeding, untracked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.preprocess.augment import Augmenter

_WIDTH = 2  # of the axes (depth, height, width): flipping it swaps left and right


def sample_slices(count: int, wanted: int, *, seed: int | None = None) -> list[int]:
    """Evenly spaced numbers of slices: the middle of each of `wanted` parts, or a drawn place.

    A stack with fewer slices shows some of them more than once.

    >>> sample_slices(8, 4)
    [1, 3, 5, 7]
    """
    jitter = np.full(wanted, 0.5) if seed is None else np.random.default_rng(seed).random(wanted)
    places = (np.arange(wanted) + jitter) * count / wanted
    return [min(int(place), count - 1) for place in places]


@dataclass(frozen=True, eq=False)
class BagAugmenter:
    """Draw slices of a stack and change them all in one way, as one scan differs from another."""

    slices: int
    augment: Augmenter

    def __call__(self, stack: torch.Tensor, *, seed: int) -> torch.Tensor:
        """Slices (T, 1, H, W) of a stack (N, 1, H, W); all depends on the seed alone."""
        chosen = stack[sample_slices(len(stack), self.slices, seed=seed)]
        # As channels of one picture they share place and contrast; noise differs by pixel.
        return self.augment(chosen[:, 0], seed=seed)[:, None]


@dataclass(frozen=True, eq=False)
class VolumeAugmenter:
    """Change a volume at random; fields as in `medrec.config.preprocess.AugmentConfig`.

    `size` is that of the volumes (D, H, W), the least one where they differ: shifts are fractions
    of its sides.
    """

    size: tuple[int, int, int]
    flip_left_right: float = 0.0
    affine: float = 0.0
    rotate_degrees: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    gamma: float = 0.0
    gamma_range: tuple[float, float] = (1.0, 1.0)
    intensity: float = 0.0
    intensity_scale: float = 0.0
    intensity_shift: float = 0.0
    noise: float = 0.0
    noise_std: float = 0.0
    blur: float = 0.0
    blur_sigma_px: tuple[float, float] = (0.5, 0.5)
    _chain: Compose = field(init=False, repr=False)
    _reseed: Reseeding = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_chain", Compose([*self._shape(), *self._light()]))
        object.__setattr__(self, "_reseed", Reseeding(self._chain))

    def __call__(self, volume: torch.Tensor, *, seed: int) -> torch.Tensor:
        """Change one volume (1, D, H, W) float32; the change depends on the seed alone."""
        self._reseed(seed)
        with untracked():
            changed: Any = self._chain(volume.clone())
        plain: torch.Tensor = changed.as_tensor() if isinstance(changed, MetaTensor) else changed
        return plain

    def with_map(
        self, image: torch.Tensor, *, seed: int
    ) -> tuple[torch.Tensor, NDArray[np.float64]]:
        """The same change, and the map (4, 4) of an index (d, h, w, 1) in it to one before."""
        self._reseed(seed)
        start = torch.eye(4, dtype=torch.float64)
        changed: Any = self._chain(MetaTensor(image.clone(), affine=start))
        return changed.as_tensor(), changed.affine.numpy()

    def _shape(self) -> list[Any]:
        angle = radians(self.rotate_degrees)
        return [
            RandFlip(prob=self.flip_left_right, spatial_axis=_WIDTH),
            RandAffine(
                prob=self.affine,
                rotate_range=(angle, angle, angle),
                translate_range=tuple(self.shift * side for side in self.size),
                scale_range=(self.scale,) * 3,
                padding_mode="zeros",
            ),
        ]

    def _light(self) -> list[Any]:
        sigma = self.blur_sigma_px
        return [
            RandAdjustContrast(prob=self.gamma, gamma=self.gamma_range),
            RandScaleIntensity(prob=self.intensity, factors=self.intensity_scale),
            RandShiftIntensity(prob=self.intensity, offsets=self.intensity_shift),
            RandGaussianNoise(prob=self.noise, std=self.noise_std),
            RandGaussianSmooth(prob=self.blur, sigma_x=sigma, sigma_y=sigma, sigma_z=sigma),
        ]
