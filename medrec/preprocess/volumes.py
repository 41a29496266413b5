"""From a volume to the box of voxels that a 3D network sees."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.croppad.array import SpatialCrop, SpatialPad
from monai.transforms.spatial.array import Orientation, Resize

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.preprocess.foreground import bounding_box, foreground_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.volume import Float32Array, Volume

_LABELS = (("L", "R"), ("P", "A"), ("I", "S"))
_ROUND = 6
_UNKNOWN_SPACING = (
    "the size of its voxels in mm is unknown (no affine, or no position), and the model takes "
    "volumes at a fixed spacing (preprocess.spacing_mm): give a file that says where it lies"
)
_MOST_VOXELS = 1 << 28
"""A gigabyte in float32."""


@dataclass(frozen=True, eq=False)
class VolumeInput:
    """The box that a network judges, and where it came from.

    `voxels` is (1, D, H, W) float32: depth runs from feet to head, height from front to back, width
    from the patient's right to the left. `to_source` is the (4, 4) float64 map from an index (d, h,
    w, 1) to a stored one (i, j, k, 1); voxel centres are whole numbers in both.
    """

    voxels: torch.Tensor
    to_source: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Turned:
    """Voxels (D, H, W) float32, the (4, 4) map of their indices to stored ones, and their sides.

    `spacing` is along D, H and W, in mm or, without geometry, 1.
    """

    voxels: Float32Array
    to_stored: NDArray[np.float64]
    spacing: NDArray[np.float64]


@dataclass(frozen=True)
class VolumePreprocessor:
    """Turn, scale, crop, resize and pad a volume; fields as in `Preprocessor`.

    Args:
        size: Depth, height and width of the box: one side is filled, the others are padded. With
            `spacing_mm`, the least that each side has.
        crop: `foreground` crops to the box of the body first.
        lower: Percentile of the foreground that becomes 0.
        upper: Percentile of the foreground that becomes 1.
        clip: Cut values off at 0 and 1.
        foreground_fraction: See `medrec.preprocess.foreground.foreground_of`.
        crop_margin: Widens the box of the body, as a fraction of its longest side.
        spacing_mm: Depth, height and width of a voxel in the patient, whatever shape follows; None
            resizes to `size`.
    """

    size: tuple[int, int, int]
    crop: Literal["none", "foreground"] = "foreground"
    lower: float = 1.0
    upper: float = 99.0
    clip: bool = True
    foreground_fraction: float = 0.1
    crop_margin: float = 0.0
    spacing_mm: tuple[float, float, float] | None = None

    def __call__(self, volume: Volume) -> VolumeInput:
        """Prepare a volume.

        Raises:
            RefusedScanError: It holds values that are no numbers, or nothing but air; its spacing
                is unknown, or gives more voxels than a computer takes, where `spacing_mm` is set.
        """
        turned, mask = self.turn(volume)
        return self.fit(turned, self._scale(turned.voxels, mask), mask)

    def turn(self, volume: Volume) -> tuple[Turned, NDArray[np.bool_]]:
        """A volume as radiologists look at it, and what of it is body (D, H, W).

        Raises:
            RefusedScanError: As for the whole chain.
        """
        if self.spacing_mm is not None and volume.geometry is None:
            raise RefusedScanError(ReasonCode.BAD_GEOMETRY, _UNKNOWN_SPACING)
        if not np.isfinite(volume.voxels).all():
            raise RefusedScanError(ReasonCode.NON_FINITE, "the image holds NaN or infinite values")
        turned = _turn(volume)
        mask = foreground_of(turned.voxels, fraction=self.foreground_fraction)
        if mask is None:
            raise RefusedScanError(ReasonCode.BLANK_IMAGE, "the volume shows nothing but air")
        return turned, mask

    def fit(self, turned: Turned, values: Float32Array, mask: NDArray[np.bool_]) -> VolumeInput:
        """Crop values (D, H, W) of a turned volume to its body, resize them and pad with 0."""
        box: Any = MetaTensor(
            torch.from_numpy(values)[None], affine=torch.from_numpy(turned.to_stored)
        )
        low, high = self._box(mask)
        cropped: Any = SpatialCrop(roi_start=low, roi_end=high)(box)
        fitted: Any = SpatialPad(self.size, method="symmetric", mode="constant", value=0)(
            self._resize(cropped, turned.spacing)
        )
        return VolumeInput(fitted.as_tensor().contiguous(), fitted.affine.double().numpy())

    def limits(
        self, voxels: Float32Array, mask: NDArray[np.bool_]
    ) -> tuple[np.floating, np.floating]:
        """The grey values that become 0 and 1."""
        low, high = np.percentile(voxels[mask], (self.lower, self.upper))
        return low, high

    def _scale(self, voxels: Float32Array, mask: NDArray[np.bool_]) -> Float32Array:
        low, high = self.limits(voxels, mask)
        if not high > low:  # a volume of two values: what is not air is white
            return mask.astype(np.float32)
        scaled = ((voxels - np.float32(low)) / np.float32(high - low)).astype(np.float32)
        return np.clip(scaled, 0, 1, out=scaled) if self.clip else scaled

    def _box(self, mask: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
        """Half-open box of the body along all three axes."""
        if self.crop == "none":
            return [0, 0, 0], list(mask.shape)
        height, width = bounding_box(mask)
        depth, _ = bounding_box(np.moveaxis(mask, 0, 1))
        spans = (depth, height, width)
        margin = round(self.crop_margin * max(high - low for low, high in spans))
        lows = [max(low - margin, 0) for low, _ in spans]
        pairs = zip(spans, mask.shape, strict=True)
        return lows, [min(high + margin, length) for (_, high), length in pairs]

    def _resize(self, box: Any, spacing: NDArray[np.float64]) -> Any:  # noqa: ANN401 (MetaTensor)
        """Fit the box, in mm where known, into `size`: the tightest side fills it."""
        sides = np.array(box.shape[1:]) * spacing
        if self.spacing_mm is not None:
            shape = _shape_at(sides, self.spacing_mm)
        else:
            scale = float((np.array(self.size) / sides).min())
            fitted = np.clip(np.rint(sides * scale).astype(int), 1, self.size)
            shape = tuple(int(side) for side in fitted)
        return Resize(shape, mode="trilinear", anti_aliasing=True)(box)


def _shape_at(
    sides_mm: NDArray[np.float64], spacing_mm: tuple[float, float, float]
) -> tuple[int, ...]:
    """Voxels along each side.

    Raises:
        RefusedScanError: They are too many.
    """
    shape = tuple(max(1, round(float(n))) for n in sides_mm / np.array(spacing_mm))
    if prod(shape) > _MOST_VOXELS:
        detail = (
            f"{' x '.join(map(str, shape))} voxels of {' x '.join(f'{mm:g}' for mm in spacing_mm)} "
            "mm are too many: the scan is too long, or preprocess.spacing_mm too fine"
        )
        raise RefusedScanError(ReasonCode.TOO_LARGE, detail)
    return shape


def _turn(volume: Volume) -> Turned:
    """Without geometry the slices become the depth, and rows and columns stay as displayed."""
    if volume.geometry is None:
        stored = [axis for axis in range(3) if axis != volume.slice_axis]
        order = [volume.slice_axis, stored[1], stored[0]]
        to_stored = np.eye(4)
        to_stored[:3, :3] = np.eye(3)[:, order]
        voxels = np.ascontiguousarray(volume.voxels[0].transpose(order))
        return Turned(voxels, to_stored, np.ones(3))
    # MONAI's affines are RAS+, as NIfTI's are; ours are LPS+.
    source = MetaTensor(
        torch.tensor(volume.voxels[:1]), affine=torch.from_numpy(volume.geometry.affine_ras)
    )
    turned: Any = Orientation(axcodes="LPS", labels=_LABELS)(source)
    exact = np.linalg.solve(source.affine.numpy(), turned.affine.numpy())
    to_stored = np.rint(exact).astype(np.float64)[:, [2, 1, 0, 3]]
    # Rounded, so that headers which differ in the last bit give one size.
    spacing = np.abs(to_stored[:3, :3]).T @ np.array(volume.geometry.spacing_mm)
    voxels = np.ascontiguousarray(turned.as_tensor()[0].numpy().transpose(2, 1, 0))
    return Turned(voxels, to_stored, spacing.round(_ROUND))
