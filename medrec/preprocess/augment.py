"""Random changes of prepared images: MONAI's and TorchIO's, reproducible per image."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import radians
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from monai.transforms.intensity.array import (
    RandAdjustContrast,
    RandBiasField,
    RandCoarseDropout,
    RandGaussianNoise,
    RandGaussianSmooth,
    RandScaleIntensity,
    RandShiftIntensity,
)
from monai.transforms.spatial.array import RandAffine, RandFlip, RandSimulateLowResolution

from medrec.preprocess.artefacts import ghosting, motion
from medrec.preprocess.random_numbers import Reseeding, untracked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

_COLUMNS = 1  # of the spatial axes (rows, columns): flipping columns swaps left and right


@dataclass(frozen=True, eq=False)
class Augmenter:
    """Change an image at random; fields as in `medrec.config.preprocess.AugmentConfig`.

    `size_px` is the side of the images: lengths are fractions of it.
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
    bias_field: float = 0.0
    bias_field_strength: float = 0.0
    noise: float = 0.0
    noise_std: float = 0.0
    blur: float = 0.0
    blur_sigma_px: tuple[float, float] = (0.5, 0.5)
    low_resolution: float = 0.0
    low_resolution_zoom: tuple[float, float] = (1.0, 1.0)
    dropout: float = 0.0
    dropout_holes: int = 1
    dropout_side: float = 0.1
    ghosting: float | None = None
    ghosting_count: tuple[int, int] | None = None
    ghosting_intensity: tuple[float, float] | None = None
    motion: float | None = None
    motion_degrees: float | None = None
    motion_shift: float | None = None
    _chain: Compose = field(init=False, repr=False)
    _reseed: Reseeding = field(init=False, repr=False)

    def __post_init__(self) -> None:
        steps = [*self._shape(), *self._light(), *self._artefacts(), *self._loss()]
        object.__setattr__(self, "_chain", Compose(steps))
        object.__setattr__(self, "_reseed", Reseeding(self._chain))

    def __call__(self, image: torch.Tensor, *, seed: int | None = None) -> torch.Tensor:
        """Change one image (1, H, W) float32.

        With a seed the change depends on the seed alone, not on what was drawn before: so training
        repeats exactly, whatever the number of loader processes.
        """
        if seed is not None:
            self.set_random_state(seed)
        with untracked():
            changed: Any = self._chain(image.clone())  # RandCoarseDropout writes into its input
        plain: torch.Tensor = changed.as_tensor() if isinstance(changed, MetaTensor) else changed
        return plain

    def with_map(
        self, image: torch.Tensor, *, seed: int
    ) -> tuple[torch.Tensor, NDArray[np.float64]]:
        """The same change, and the map (3, 3) of (row, column, 1) in it to that in the image."""
        self.set_random_state(seed)
        start = torch.eye(3, dtype=torch.float64)
        changed: Any = self._chain(MetaTensor(image.clone(), affine=start))
        return changed.as_tensor(), changed.affine.numpy()

    def set_random_state(self, seed: int) -> None:
        """Start the random numbers anew, seed in [0, 2**32)."""
        self._reseed(seed)

    def _shape(self) -> list[Any]:
        shift_px = self.shift * self.size_px
        return [
            RandFlip(prob=self.flip_left_right, spatial_axis=_COLUMNS),
            RandAffine(
                prob=self.affine,
                rotate_range=radians(self.rotate_degrees),
                shear_range=(self.shear, self.shear),
                translate_range=(shift_px, shift_px),
                scale_range=(self.scale, self.scale),
                padding_mode="zeros",
            ),
        ]

    def _light(self) -> list[Any]:
        strength = self.bias_field_strength
        return [
            RandAdjustContrast(prob=self.gamma, gamma=self.gamma_range),
            RandScaleIntensity(prob=self.intensity, factors=self.intensity_scale),
            RandShiftIntensity(prob=self.intensity, offsets=self.intensity_shift),
            RandBiasField(prob=self.bias_field, coeff_range=(-strength, strength)),
        ]

    def _artefacts(self) -> list[Any]:
        """What isn't asked for draws no random numbers, so that the other changes stay theirs."""
        steps = []
        if self.motion:
            degrees = _or(self.motion_degrees, 5.0)
            shift_px = _or(self.motion_shift, 0.03) * self.size_px
            steps.append(motion(prob=self.motion, degrees=degrees, shift_px=shift_px))
        if self.ghosting:
            ghosts = _or(self.ghosting_count, (2, 6))
            intensity = _or(self.ghosting_intensity, (0.2, 0.6))
            steps.append(ghosting(prob=self.ghosting, ghosts=ghosts, intensity=intensity))
        return steps

    def _loss(self) -> list[Any]:
        side_px = max(round(self.dropout_side * self.size_px), 1)
        return [
            RandGaussianNoise(prob=self.noise, std=self.noise_std),
            RandGaussianSmooth(
                prob=self.blur, sigma_x=self.blur_sigma_px, sigma_y=self.blur_sigma_px
            ),
            RandSimulateLowResolution(
                prob=self.low_resolution,
                zoom_range=self.low_resolution_zoom,
                downsample_mode="area",
                upsample_mode="bilinear",
            ),
            RandCoarseDropout(
                prob=self.dropout, holes=self.dropout_holes, spatial_size=side_px, fill_value=0
            ),
        ]


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
