"""How a slice is turned so that a radiologist sees it as usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medrec.domain.box import Box
from medrec.reporting.case_view import Letters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import Geometry

# The ends of LPS+ axes: towards low and high coordinates.
_ENDS = (("R", "L"), ("A", "P"), ("F", "H"))
# For slices cut across x, y, z of the patient: what runs to the right, what runs down, and whether
# the coordinate rises along it. Radiological convention: the patient's right is on the left, the
# head or the front on top; sagittal slices look to the left.
_USUAL = {0: ((1, True), (2, False)), 1: ((0, True), (2, False)), 2: ((0, True), (1, True))}


@dataclass(frozen=True, slots=True)
class Turn:
    """Transpose, then flip, a slice (rows, columns); `aspect` is a pixel's height by its width."""

    transpose: bool = False
    flip_columns: bool = False
    flip_rows: bool = False
    aspect: float = 1.0
    letters: Letters | None = None

    def apply(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Turn a picture (rows, columns, ...)."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        if self.flip_columns:
            picture = picture[:, ::-1]
        if self.flip_rows:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)

    def place(self, box: Box, rows: int, columns: int) -> Box:
        """A box of a slice of so many rows and columns, where it is shown."""
        x0, y0, x1, y1 = box.x0, box.y0, box.x1, box.y1
        if self.transpose:
            x0, y0, x1, y1, rows, columns = y0, x0, y1, x1, columns, rows
        if self.flip_columns:
            x0, x1 = columns - x1, columns - x0
        if self.flip_rows:
            y0, y1 = rows - y1, rows - y0
        return Box(x0, y0, x1, y1)


def usual_turn(geometry: Geometry | None, slice_axis: int) -> Turn:
    """Tell how to turn the slices of a volume as `Volume.slice_px` gives them.

    Without geometry the slice stays as stored and carries no letters.
    """
    if geometry is None:
        return Turn()
    directions = geometry.affine_lps[:3, :3] / np.asarray(geometry.spacing_mm)
    along = _nearest_axes(np.abs(directions))
    x_stored, y_stored = (axis for axis in range(3) if axis != slice_axis)
    (right, right_rises), (down, down_rises) = _USUAL[along[slice_axis]]
    transpose = along[x_stored] != right
    x_shown, y_shown = (y_stored, x_stored) if transpose else (x_stored, y_stored)
    spacing = geometry.spacing_mm
    return Turn(
        transpose=transpose,
        flip_columns=bool((directions[right, x_shown] > 0) != right_rises),
        flip_rows=bool((directions[down, y_shown] > 0) != down_rises),
        aspect=spacing[y_shown] / spacing[x_shown],
        letters=Letters(
            left=_ENDS[right][not right_rises],
            right=_ENDS[right][right_rises],
            top=_ENDS[down][not down_rises],
            bottom=_ENDS[down][down_rises],
        ),
    )


def _nearest_axes(cosines: NDArray[Any]) -> tuple[int, int, int]:
    """The patient axis nearest to each stored axis, each used once; columns are stored axes."""
    found = [0, 0, 0]
    left = cosines.copy()
    for _ in range(3):
        axis, stored = np.unravel_index(int(np.argmax(left)), left.shape)
        found[int(stored)] = int(axis)
        left[axis, :] = -1.0
        left[:, stored] = -1.0
    return found[0], found[1], found[2]
