"""What a mask says of the slices of its image, and of the image as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

Per = Literal["slice", "case"]


@dataclass(frozen=True, slots=True)
class MaskRule:
    """How masks become labels.

    `per` makes a row of each slice or of each case. A slice is positive where the mask has a region
    of `least_px` pixels or more (pixels that touch by a side or a corner are one region). One with
    smaller regions alone is negative, or unknown where `is_smaller_unknown`; one without any is
    negative. A case is positive where any slice is, unknown where none is and any is unknown.

    Raises:
        ValueError: No pixels at all would be enough.
    """

    label: str = "tumor"
    per: Per = "slice"
    least_px: int = 1
    is_smaller_unknown: bool = False

    def __post_init__(self) -> None:
        if self.least_px < 1:
            message = f"a lesion of {self.least_px} pixels is none: wanted 1 or more"
            raise ValueError(message)

    def truths(self, outlined: NDArray[np.bool_], *, slice_axis: int) -> list[bool | None]:
        """What a mask (I, J, K) says of each slice along an axis, in order."""
        return [self._truth(plane) for plane in np.moveaxis(outlined, slice_axis, 0)]

    def of_case(self, slices: list[bool | None]) -> bool | None:
        """What the slices of a case say of it."""
        if True in slices:
            return True
        return None if None in slices else False

    def _truth(self, plane: NDArray[np.bool_]) -> bool | None:
        if not plane.any():
            return False
        if self.least_px == 1 or largest_px(plane) >= self.least_px:
            return True
        return None if self.is_smaller_unknown else False


def largest_px(plane: NDArray[np.bool_]) -> int:
    """Pixels of the largest region of a plane (I, J) that isn't empty."""
    regions, _ = ndimage.label(plane, structure=np.ones((3, 3)))
    return int(np.bincount(regions.ravel())[1:].max())
