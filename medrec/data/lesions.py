"""How large lesions are, in pixels of the image as stored: from masks and from boxes."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_BOX = ("x0", "y0", "x1", "y1")


def sides_in_mask(mask: NDArray[np.bool_], *, slice_axis: int) -> list[float]:
    """Side in px of a square as large as each connected piece, slice by slice; (I, J, K) bool."""
    sides: list[float] = []
    for plane in np.moveaxis(mask, slice_axis, 0):
        pieces, count = ndimage.label(plane)
        if count:
            sides += np.sqrt(np.bincount(pieces.ravel())[1:]).tolist()
    return sides


def sides_in_boxes(path: Path) -> list[float]:
    """Side in px of a square as large as each box of a CSV with x0, y0, x1, y1.

    Raises:
        OSError: It can't be read.
        ValueError: It is no such CSV.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not set(_BOX) <= set(rows[0]):
        message = f"wanted the columns {', '.join(_BOX)}"
        raise ValueError(message)
    corners = np.array([[float(row[name]) for name in _BOX] for row in rows]).reshape(-1, 4)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    found: list[float] = np.sqrt(areas[areas > 0]).tolist()
    return found
