"""How an image is prepared for a network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medrec.config.base import Schema


class Percentiles(Schema):
    """Map two percentiles of the foreground to 0 and 1, per volume (MRI) or per image (film)."""

    kind: Literal["percentiles"] = "percentiles"
    lower: Annotated[float, Field(ge=0, le=100)] = 1.0
    upper: Annotated[float, Field(ge=0, le=100)] = 99.0
    clip: bool = True


class PreprocessConfig(Schema):
    """One chain for training and screening alike."""

    size_px: Annotated[int, Field(ge=32, le=2048)] = 192
    """Side of the square that a slice or film is resized into, its aspect kept, borders padded."""
    crop: Literal["none", "foreground"] = "foreground"
    """Crop to the bounding box of the foreground first, so that heads fill the frame alike."""
    intensity: Percentiles = Percentiles()
    blank_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """A slice with a smaller share of foreground pixels is blank and not judged."""


class AugmentConfig(Schema):
    """Random changes while training; every probability is that of one image."""

    flip_left_right: Annotated[float, Field(ge=0, le=1)] = 0.5
    affine: Annotated[float, Field(ge=0, le=1)] = 0.8
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.15
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.08
    shear: Annotated[float, Field(ge=0, lt=1)] = 0.1
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.5
    gamma_range: tuple[float, float] = (0.6, 1.6)
    intensity: Annotated[float, Field(ge=0, le=1)] = 0.5
    intensity_scale: Annotated[float, Field(ge=0, lt=1)] = 0.2
    intensity_shift: Annotated[float, Field(ge=0, lt=1)] = 0.1
    bias_field: Annotated[float, Field(ge=0, le=1)] = 0.3
    noise: Annotated[float, Field(ge=0, le=1)] = 0.3
    noise_std: Annotated[float, Field(ge=0, le=1)] = 0.05
    blur: Annotated[float, Field(ge=0, le=1)] = 0.2
    low_resolution: Annotated[float, Field(ge=0, le=1)] = 0.2
