"""How an image is prepared for a network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medrec.config.base import Schema

Probability = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=16, le=1024)]
Millimetres = Annotated[float, Field(gt=0, le=50)]


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
    foreground_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Foreground lies above this fraction of the way from the 0.5th to the 99.5th percentile."""
    crop_margin: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Widens the crop on each side by this fraction of its longer side."""
    polarity: Literal["dark_air"] | None = None
    """`dark_air`: a film with bright air is inverted, with a note. For body parts that leave most
    of the edge to air, as a breast does and a chest doesn't. None: films are taken as stored."""
    volume_size: tuple[Side, Side, Side] | None = None
    """Depth (feet to head), height (front to back) and width (right to left) of the box that a
    volume is resized into for a 3D network, its aspect kept, borders padded. None: slices."""
    spacing_mm: tuple[Millimetres, Millimetres, Millimetres] | None = None
    """Depth, height and width of a voxel in the patient: each volume keeps its size in mm and has
    the shape that follows, padded to the window of a 3D detector, which it needs. In place of
    `volume_size`. A scan without a known spacing is refused. None: volumes are resized."""
    background: Literal["black"] | None = None
    """`black`: on a film, all beside the largest connected piece of foreground becomes black: side
    markers, view labels, stickers. None: it stays."""


class AugmentConfig(Schema):
    """Random changes while training; a bare name is the probability that an image is changed so.

    Intensities are those of the prepared image, in [0, 1]; lengths are fractions of its side.
    """

    flip_left_right: Probability = 0.5
    affine: Probability = 0.8
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.15
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.08
    shear: Annotated[float, Field(ge=0, lt=1)] = 0.1
    gamma: Probability = 0.5
    gamma_range: tuple[float, float] = (0.6, 1.6)
    intensity: Probability = 0.5
    """Multiply by 1 +- `intensity_scale`, then add +- `intensity_shift`."""
    intensity_scale: Annotated[float, Field(ge=0, lt=1)] = 0.2
    intensity_shift: Annotated[float, Field(ge=0, lt=1)] = 0.1
    bias_field: Probability = 0.3
    """Multiply by a smooth field, as an uneven coil does."""
    bias_field_strength: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Largest coefficient of the field's logarithm, a polynomial of degree 3."""
    noise: Probability = 0.3
    noise_std: Annotated[float, Field(ge=0, le=1)] = 0.05
    blur: Probability = 0.2
    blur_sigma_px: tuple[float, float] = (0.5, 1.5)
    low_resolution: Probability = 0.2
    """Shrink and enlarge again, as a scan with larger pixels looks."""
    low_resolution_zoom: tuple[float, float] = (0.5, 1.0)
    dropout: Probability = 0.0
    """Fill a few squares with 0."""
    dropout_holes: Annotated[int, Field(ge=1)] = 3
    dropout_side: Annotated[float, Field(gt=0, lt=1)] = 0.15
    ghosting: Probability | None = None
    """Copies of the body beside itself, as breathing and pulse leave them in MRI; TorchIO's, which
    the extra `torchio` brings. None: none."""
    ghosting_count: tuple[int, int] | None = None
    """How many copies; None is (2, 6)."""
    ghosting_intensity: tuple[float, float] | None = None
    """Strength against the largest value of k-space; None is (0.2, 0.6)."""
    motion: Probability | None = None
    """A head that moved while the scan ran; TorchIO's. None: none."""
    motion_degrees: Annotated[float, Field(ge=0, le=90)] | None = None
    """None is 5."""
    motion_shift: Annotated[float, Field(ge=0, lt=1)] | None = None
    """None is 0.03."""
