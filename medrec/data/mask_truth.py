"""What a mask says of the slices of its image, and of the image as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Per = Literal["slice", "case"]


@dataclass(frozen=True, slots=True)
class MaskRule:
    """How masks become labels.

    `per` makes a row of each slice or of each case. A slice is positive where the mask covers
    `least_px` pixels of it or more. One with a smaller mask is negative, or unknown where
    `is_smaller_unknown`; one without any is negative. A case is positive where any slice is,
    unknown where none is and any is unknown.

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
        across = tuple(axis for axis in range(3) if axis != slice_axis)
        return [self._truth(int(size)) for size in np.atleast_1d(outlined.sum(axis=across))]

    def of_case(self, slices: list[bool | None]) -> bool | None:
        """What the slices of a case say of it."""
        if True in slices:
            return True
        return None if None in slices else False

    def _truth(self, size_px: int) -> bool | None:
        if size_px >= self.least_px:
            return True
        return None if size_px and self.is_smaller_unknown else False
