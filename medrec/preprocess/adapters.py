"""Volume to MONAI's MetaTensor and back: the one place where the two frames meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.spatial.array import Orientation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.volume import Float32Array, Volume

_LABELS = (("L", "R"), ("P", "A"), ("I", "S"))
_INFERIOR_TO_SUPERIOR = 2


@dataclass(frozen=True, eq=False)
class SliceStack:
    """The slices of a volume as pictures, turned to the way that radiologists look at them.

    `voxels` is (N, W, H) float32: x runs along W, y along H. `to_source` is (3, 3) and maps a pixel
    (x, y, 1) to the pixel of the source slice. `slices` are the source indices, in anatomical
    order. `spacing` is the size of a pixel along W and H, in mm or, without geometry, in pixels.
    """

    voxels: Float32Array
    to_source: NDArray[np.float64]
    slices: tuple[int, ...]
    spacing: tuple[float, float]


def to_stack(volume: Volume) -> SliceStack:
    """Turn a volume so that x runs to the patient's left and y to the back, or the feet.

    Axial slices show x to the left and y to the back; coronal ones x to the left and y to the feet
    (head up); sagittal ones x to the back and y to the feet. Without geometry the pictures stay as
    displayed. Slices run right to left, front to back or feet to head.
    """
    geometry = volume.geometry
    if geometry is None:
        return _stack(volume.voxels[0], np.eye(4), (1.0, 1.0, 1.0), volume)
    # MONAI's affines are RAS+, as NIfTI's are; ours are LPS+.
    source = MetaTensor(
        torch.tensor(volume.voxels[:1]), affine=torch.from_numpy(geometry.affine_ras)
    )
    turned: Any = Orientation(axcodes="LPS", labels=_LABELS)(source)
    to_source = _index_map(source, turned)
    if _turned_axis(to_source, volume.slice_axis) != _INFERIOR_TO_SUPERIOR:
        turned = Orientation(axcodes="LPI", labels=_LABELS)(turned)
        to_source = _index_map(source, turned)
    return _stack(turned.as_tensor()[0].numpy(), to_source, geometry.spacing_mm, volume)


def to_pictures(voxels: Float32Array, to_source: NDArray[np.float64]) -> MetaTensor:
    """Hand slices (N, W, H) to MONAI's 2D transforms, as the channels of one picture."""
    return MetaTensor(torch.from_numpy(voxels), affine=torch.from_numpy(to_source))


def from_pictures(pictures: MetaTensor) -> tuple[torch.Tensor, NDArray[np.float64]]:
    """Take back network inputs (N, 1, H, W) and the (3, 3) map to the source slice's pixels."""
    images = pictures.as_tensor().transpose(1, 2).unsqueeze(1).contiguous()
    return images, pictures.affine.double().numpy()


def _index_map(source: MetaTensor, turned: MetaTensor) -> NDArray[np.float64]:
    """Map turned indices to stored ones: a signed permutation with whole offsets, (4, 4)."""
    exact = np.linalg.solve(source.affine.numpy(), turned.affine.numpy())
    return np.rint(exact).astype(np.float64)


def _turned_axis(to_source: NDArray[np.float64], stored_axis: int) -> int:
    return int(np.argmax(np.abs(to_source[stored_axis, :3])))


def _stack(
    voxels: Float32Array,
    to_source: NDArray[np.float64],
    spacing: tuple[float, float, float],
    volume: Volume,
) -> SliceStack:
    stored = [axis for axis in range(3) if axis != volume.slice_axis]
    depth = _turned_axis(to_source, volume.slice_axis)
    plane = [axis for axis in range(3) if axis != depth]
    affine = np.eye(3)
    affine[:2, :2] = to_source[np.ix_(stored, plane)]
    affine[:2, 2] = to_source[stored, 3]
    numbers = np.arange(volume.slice_count) * to_source[volume.slice_axis, depth]
    indices = numbers + to_source[volume.slice_axis, 3]
    across, down = (spacing[int(np.argmax(np.abs(to_source[:3, axis])))] for axis in plane)
    return SliceStack(
        voxels=np.ascontiguousarray(np.moveaxis(voxels, depth, 0)),
        to_source=affine,
        slices=tuple(int(index) for index in indices),
        spacing=(across, down),
    )
