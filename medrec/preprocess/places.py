"""Boxes from a source image's pixels to the network's input, and back.

Corners are edges of pixels (pixel n spans n to n + 1), where index maps speak of pixel centres
(pixel n lies at n): the half pixel between the two is minded here and nowhere else. Boxes of inputs
are as in `medrec.models.detections`; those of sources are (x0, y0, x1, y1), or (x0, y0, z0, x1, y1,
z1), as in `medrec.domain.box`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray

    Boxes = FloatArray

_CENTRE = 0.5


def move_boxes(boxes: Boxes, index_map: FloatArray) -> Boxes:
    """Carry boxes (N, 2D) along a map (D + 1, D + 1) of indices, in the order of its axes.

    Mirrored, turned by right angles, stretched or shifted boxes are exact. Of one that is turned
    otherwise, the round lesion that fills it is turned and boxed again: the box around the turned
    corners would grow with every turn, and lesions are round rather than square.
    """
    half = boxes.shape[1] // 2
    linear, shift = index_map[:half, :half], index_map[:half, half]
    middles = (boxes[:, :half] + boxes[:, half:]) / 2 - _CENTRE
    radii = (boxes[:, half:] - boxes[:, :half]) / 2
    moved = middles @ linear.T + shift + _CENTRE
    reach = np.sqrt(radii**2 @ (linear**2).T)
    return np.concatenate([moved - reach, moved + reach], axis=1)


def to_source_slice(boxes: Boxes, to_source: FloatArray) -> Boxes:
    """Boxes (N, 4) of a 2D input as (x0, y0, x1, y1) of its source slice; see `ModelInput`."""
    return move_boxes(_swap(boxes), to_source)


def from_source_slice(boxes: Boxes, to_source: FloatArray) -> Boxes:
    """The way back."""
    return _swap(move_boxes(boxes, np.linalg.inv(to_source)))


def to_source_volume(boxes: Boxes, to_source: FloatArray, *, slice_axis: int) -> Boxes:
    """Boxes (N, 6) of a 3D input as (x0, y0, z0, x1, y1, z1) of the source; see `VolumeInput`."""
    return _columns(move_boxes(boxes, to_source), _order(slice_axis))


def from_source_volume(boxes: Boxes, to_source: FloatArray, *, slice_axis: int) -> Boxes:
    """The way back."""
    stored = _columns(boxes, np.argsort(_order(slice_axis)).tolist())
    return move_boxes(stored, np.linalg.inv(to_source))


def _order(slice_axis: int) -> list[int]:
    """The stored axes along which x, y and z run."""
    return [*(axis for axis in range(3) if axis != slice_axis), slice_axis]


def _columns(boxes: Boxes, order: list[int]) -> Boxes:
    return boxes[:, [*order, *(3 + axis for axis in order)]]


def _swap(boxes: Boxes) -> Boxes:
    return boxes[:, [1, 0, 3, 2]]
