"""Random changes of volumes while training, for both kinds of networks of volumes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import radians
from typing import TYPE_CHECKING, Any

import numpy as np
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

if TYPE_CHECKING:
    import torch

    from medrec.config.preprocess import AugmentConfig
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
    """Change a volume at random; of `config`, what has a meaning in 3D."""

    config: AugmentConfig
    size: tuple[int, int, int]
    _chain: Compose = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_chain", Compose([*self._shape(), *self._light()]))

    def __call__(self, volume: torch.Tensor, *, seed: int) -> torch.Tensor:
        """Change one volume (1, D, H, W) float32; the change depends on the seed alone."""
        self._chain.set_random_state(seed=seed)
        changed: Any = self._chain(volume.clone())
        plain: torch.Tensor = changed.as_tensor() if isinstance(changed, MetaTensor) else changed
        return plain

    def _shape(self) -> list[Any]:
        config, angle = self.config, radians(self.config.rotate_degrees)
        return [
            RandFlip(prob=config.flip_left_right, spatial_axis=_WIDTH),
            RandAffine(
                prob=config.affine,
                rotate_range=(angle, angle, angle),
                translate_range=tuple(config.shift * side for side in self.size),
                scale_range=(config.scale,) * 3,
                padding_mode="zeros",
            ),
        ]

    def _light(self) -> list[Any]:
        config, sigma = self.config, self.config.blur_sigma_px
        return [
            RandAdjustContrast(prob=config.gamma, gamma=config.gamma_range),
            RandScaleIntensity(prob=config.intensity, factors=config.intensity_scale),
            RandShiftIntensity(prob=config.intensity, offsets=config.intensity_shift),
            RandGaussianNoise(prob=config.noise, std=config.noise_std),
            RandGaussianSmooth(prob=config.blur, sigma_x=sigma, sigma_y=sigma, sigma_z=sigma),
        ]
