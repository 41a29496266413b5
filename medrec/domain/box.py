"""Boxes in pixels of an image as stored, and whether they lie in it.

x runs along the columns, y along the rows, z along the slices; of a NIfTI volume z is the slice
axis, and x and y are the other two in stored order. Intervals are half-open and corners are edges:
pixel n spans n to n + 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medrec.domain.geometry import Geometry

_LEAST_SHARE = 0.5
"""A box less of which lies in the image was drawn in another frame; more is an overhang."""


@dataclass(frozen=True, slots=True)
class ImageSize:
    """How many columns, rows and slices an image has; a film or picture has one slice.

    Raises:
        ValueError: One of them is not positive.
    """

    columns: int
    rows: int
    slices: int = 1

    def __post_init__(self) -> None:
        if min(self.columns, self.rows, self.slices) < 1:
            message = f"an image has columns, rows and slices, not {self}"
            raise ValueError(message)

    def __str__(self) -> str:
        slices = f" x {self.slices} slices" if self.slices > 1 else ""
        return f"{self.columns} columns x {self.rows} rows{slices}"


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open box in pixels; a box in a plane has no z.

    >>> Box(2, 3, 6, 5).sides
    (4, 2)
    >>> Box(2, 3, 6, 5, 0, 3).centre
    (4.0, 4.0, 1.5)

    Raises:
        ValueError: A number that is not finite, a corner in the wrong order, or one z alone.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    z0: float | None = None
    z1: float | None = None

    def __post_init__(self) -> None:
        if (self.z0 is None) != (self.z1 is None):
            message = "z0 and z1 stand together: a box in a plane has neither"
            raise ValueError(message)
        if not all(map(math.isfinite, (*self.low, *self.high))):
            message = "a corner is no finite number"
            raise ValueError(message)
        wrong = [
            f"{axis}0 {low:g} is not below {axis}1 {high:g}"
            for axis, low, high in zip("xyz", self.low, self.high, strict=False)
            if not low < high
        ]
        if wrong:
            message = f"{', '.join(wrong)}: wanted the low corner, then the high one, not a size"
            raise ValueError(message)

    @property
    def is_flat(self) -> bool:
        """Whether it lies in a plane: it has no z."""
        return self.z0 is None

    @property
    def low(self) -> tuple[float, ...]:
        """(x0, y0), or (x0, y0, z0)."""
        return (self.x0, self.y0) if self.z0 is None else (self.x0, self.y0, self.z0)

    @property
    def high(self) -> tuple[float, ...]:
        """(x1, y1), or (x1, y1, z1)."""
        return (self.x1, self.y1) if self.z1 is None else (self.x1, self.y1, self.z1)

    @property
    def sides(self) -> tuple[float, ...]:
        """Lengths along x, y and, of a solid box, z."""
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))

    @property
    def centre(self) -> tuple[float, ...]:
        """The middle, in the same coordinates of edges."""
        return tuple((low + high) / 2 for low, high in zip(self.low, self.high, strict=True))

    @property
    def content(self) -> float:
        """Its area in square pixels; of a solid box its volume in voxels."""
        return math.prod(self.sides)

    def on_slice(self, number: int) -> Box | None:
        """Its cut with a slice, in a plane; None where the slice's middle lies outside it.

        A box in a plane lies on whatever slice it is asked for.
        """
        if self.z0 is None or self.z1 is None:
            return self
        is_in = self.z0 <= number + 0.5 < self.z1
        return Box(self.x0, self.y0, self.x1, self.y1) if is_in else None


@dataclass(frozen=True, slots=True)
class BoxMm:
    """The smallest box along the patient's axes that holds a box of an image, in LPS+ mm."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    frame: Literal["LPS+"] = "LPS+"


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes of as many axes.

    >>> overlap(Box(0, 0, 2, 2), Box(1, 0, 3, 2))
    0.3333333333333333

    Raises:
        ValueError: One lies in a plane and the other doesn't.
    """
    if first.is_flat != second.is_flat:
        message = "a box in a plane and a solid one have no overlap to speak of"
        raise ValueError(message)
    shared = 1.0
    for low, high, other_low, other_high in zip(
        first.low, first.high, second.low, second.high, strict=True
    ):
        shared *= max(0.0, min(high, other_high) - max(low, other_low))
    return shared / (first.content + second.content - shared)


def fit(box: Box, size: ImageSize) -> Box:
    """Cut off what hangs over the image's edge; of an image with one slice boxes are flat.

    Raises:
        ValueError: Less than half of it lies in the image: it was drawn in another frame. Or it
            lies in a plane of an image with several slices.
    """
    if box.is_flat and size.slices > 1:
        message = f"no z0 and z1, but the image has {size.slices} slices"
        raise ValueError(message)
    ends = (size.columns, size.rows, size.slices)
    low = [max(0.0, value) for value in box.low]
    high = [min(float(end), value) for end, value in zip(ends, box.high, strict=False)]
    inside = math.prod(max(0.0, b - a) for a, b in zip(low, high, strict=True))
    if inside < _LEAST_SHARE * box.content:
        message = (
            f"{inside / box.content:.0%} of it lies in the image, which has {size}"
            f"{_swapped(box, size)}"
        )
        raise ValueError(message)
    if size.slices == 1:  # films and pictures have no z
        low, high = low[:2], high[:2]
    if tuple(low) == box.low and tuple(high) == box.high:
        return box
    return Box(low[0], low[1], high[0], high[1], *(low[2:] + high[2:]))


def _swapped(box: Box, size: ImageSize) -> str:
    fits = box.y1 <= size.columns and box.x1 <= size.rows and min(box.x0, box.y0) >= 0
    return ": are x and y swapped? x runs along the columns" if fits else ""


def to_mm(box: Box, geometry: Geometry, *, slice_axis: int, slice_number: int = 0) -> BoxMm:
    """Place a box of a stored image in the patient: all its corners, edges and not centres.

    A box in a plane is as thick as the slice it lies on, `slice_number`. x and y are the axes
    beside `slice_axis` in stored order.
    """
    bottom = slice_number if box.z0 is None else box.z0
    top = slice_number + 1 if box.z1 is None else box.z1
    across = [axis for axis in range(3) if axis != slice_axis]
    corners = np.empty((8, 3))
    for row in range(8):
        corners[row, across[0]] = (box.x0, box.x1)[row & 1]
        corners[row, across[1]] = (box.y0, box.y1)[row >> 1 & 1]
        corners[row, slice_axis] = (bottom, top)[row >> 2]
    places = geometry.to_mm(corners - 0.5)  # the centre of pixel n lies at n + 0.5
    low, high = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    return BoxMm((low[0], low[1], low[2]), (high[0], high[1], high[2]))
