"""Where voxels lie in the patient: LPS+ millimetres, DICOM's own frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Geometry:
    """The affine from voxel indices (i, j, k) to LPS+ millimetres.

    `affine_lps` is (4, 4) float64: `affine_lps @ (i, j, k, 1)` is the centre of voxel (i, j, k).

    Raises:
        ValueError: The affine is not (4, 4), not finite, or not invertible.
    """

    affine_lps: FloatArray

    def __post_init__(self) -> None:
        affine = np.array(self.affine_lps, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            message = "an affine must be a finite (4, 4) matrix"
            raise ValueError(message)
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:  # noqa: PLR2004 (a cubic micrometre)
            message = "the affine is singular: a voxel has no volume"
            raise ValueError(message)
        affine.setflags(write=False)
        object.__setattr__(self, "affine_lps", affine)

    @classmethod
    def from_ras(cls, affine_ras: FloatArray) -> Self:
        """Make it from an affine to RAS+ millimetres (NIfTI's frame)."""
        return cls(_RAS_TO_LPS @ np.asarray(affine_ras, dtype=np.float64))

    @property
    def affine_ras(self) -> FloatArray:
        """The same affine to RAS+ millimetres (NIfTI's and MONAI's frame), (4, 4)."""
        affine: FloatArray = _RAS_TO_LPS @ self.affine_lps
        return affine

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along i, j, k."""
        i, j, k = np.linalg.norm(self.affine_lps[:3, :3], axis=0)
        return float(i), float(j), float(k)

    def to_mm(self, index: FloatArray) -> FloatArray:
        """Map voxel indices (N, 3) to LPS+ millimetres (N, 3)."""
        return np.asarray(index) @ self.affine_lps[:3, :3].T + self.affine_lps[:3, 3]


def slice_axis_of(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    dim_info: int | None = None,
) -> int:
    """Tell the axis along which a stored volume was cut into slices.

    `dim_info` (NIfTI's slice dimension) if set; else the one axis whose spacing is at least 1.5
    times the others'; else the one axis with fewer than 0.6 of the others' samples; else 2.

    >>> slice_axis_of((24, 256, 256), (5.0, 1.0, 1.0))
    0
    >>> slice_axis_of((256, 256, 24), (1.0, 1.0, 1.0))
    2
    >>> slice_axis_of((181, 217, 181), (1.0, 1.0, 1.0))
    2
    """
    if dim_info is not None:
        return dim_info
    thick = [
        axis for axis in range(3) if spacing_mm[axis] >= 1.5 * _largest_other(spacing_mm, axis)
    ]
    if len(thick) == 1:
        return thick[0]
    few = [axis for axis in range(3) if shape[axis] < 0.6 * _smallest_other(shape, axis)]
    return few[0] if len(few) == 1 else 2


def _largest_other(values: tuple[float, float, float], axis: int) -> float:
    return max(value for other, value in enumerate(values) if other != axis)


def _smallest_other(values: tuple[int, int, int], axis: int) -> int:
    return min(value for other, value in enumerate(values) if other != axis)
