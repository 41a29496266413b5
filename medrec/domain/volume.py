"""Decoded images: numbers, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medrec.domain.codes import Note
from medrec.domain.geometry import Geometry

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Volume:
    """An image or a stack of them, dark to bright as displayed (MONOCHROME1 already inverted).

    `voxels` is (C, I, J, K) float32: for a film K is 1, i runs along the columns (x) and j along
    the rows (y), for a DICOM series k runs along the slice normal, for NIfTI the axes are as
    stored. Values are after modality LUT or rescale, before any window. `geometry` is None where
    the file gives none (PNG, most films). `slice_axis` is 0, 1 or 2, the axis cut into slices.
    `slice_sources` names the file of each slice along that axis. `window` is (centre, width) as
    acquired.

    Raises:
        ValueError: Not four axes, an empty axis, another dtype, or sources that don't match.
    """

    voxels: Float32Array
    geometry: Geometry | None
    slice_axis: int
    slice_sources: tuple[str, ...]
    window: tuple[float, float] | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 4 or 0 in self.voxels.shape or self.voxels.dtype != np.float32:  # noqa: PLR2004
            message = (
                f"voxels must be (C, I, J, K) float32, not {self.voxels.shape} {self.voxels.dtype}"
            )
            raise ValueError(message)
        if self.slice_axis not in (0, 1, 2) or len(self.slice_sources) != self.slice_count:
            message = "slice_sources must name the file of every slice along slice_axis"
            raise ValueError(message)

    @property
    def slice_count(self) -> int:
        """Number of slices along `slice_axis`."""
        return int(self.voxels.shape[1 + self.slice_axis])

    def slice_px(self, index: int) -> Float32Array:
        """One slice as a picture (rows, columns): y is the later stored axis, x the earlier one."""
        plane = np.take(self.voxels[0], index, axis=self.slice_axis)
        return np.ascontiguousarray(plane.T)
