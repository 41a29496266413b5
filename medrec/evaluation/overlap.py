"""How boxes of one image lie to each other, all pairs at once.

Boxes are (N, 2D) float: the D low corners, then the D high ones, in edges of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.box import Box
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray


def to_array(boxes: Sequence[Box]) -> FloatArray:
    """Boxes of as many axes each as (N, 2D); (0, 4) without any.

    Raises:
        ValueError: Some lie in a plane and some don't.
    """
    if len({box.is_flat for box in boxes}) > 1:
        message = "boxes in a plane and solid ones can't be held against each other"
        raise ValueError(message)
    if not boxes:
        return np.empty((0, 4))
    return np.array([(*box.low, *box.high) for box in boxes], dtype=np.float64)


def ious(first: FloatArray, second: FloatArray) -> FloatArray:
    """Intersection over union of each pair, (N, M).

    >>> ious(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
    array([[0.33333333, 0.        ]])
    """
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    axes = first.shape[1] // 2
    low = np.maximum(first[:, None, :axes], second[None, :, :axes])
    high = np.minimum(first[:, None, axes:], second[None, :, axes:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    union: FloatArray = contents(first)[:, None] + contents(second)[None] - shared
    return np.asarray(shared / union)


def centres_inside(first: FloatArray, second: FloatArray) -> BoolArray:
    """Whether the centre of each first box lies in each second one, half-open, (N, M)."""
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)), dtype=bool)
    axes = first.shape[1] // 2
    centre = (first[:, None, :axes] + first[:, None, axes:]) / 2
    inside = (second[None, :, :axes] <= centre) & (centre < second[None, :, axes:])
    return np.asarray(inside.all(axis=2))


def contents(boxes: FloatArray) -> FloatArray:
    """Areas or volumes, (N,)."""
    axes = boxes.shape[1] // 2
    return np.asarray((boxes[:, axes:] - boxes[:, :axes]).prod(axis=1))
