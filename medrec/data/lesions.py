"""How large lesions are, in pixels of the image as stored: from masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sides_in_mask(mask: NDArray[np.bool_], *, slice_axis: int) -> list[float]:
    """Side in px of a square as large as each connected piece, slice by slice; (I, J, K) bool."""
    sides: list[float] = []
    for plane in np.moveaxis(mask, slice_axis, 0):
        pieces, count = ndimage.label(plane)
        if count:
            sides += np.sqrt(np.bincount(pieces.ravel())[1:]).tolist()
    return sides
