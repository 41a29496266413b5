"""Boxes of neighbouring slices that are of one lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medrec.evaluation.overlap import ious

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray

_AS_SURE = 0.5


def join_slices(
    boxes: FloatArray,
    slices: NDArray[np.int64],
    logits: FloatArray,
    groups: NDArray[np.int64],
    *,
    overlap: float = 0.3,
    gap: int = 1,
) -> list[NDArray[np.int64]]:
    """Which boxes of slices are of one lesion: row numbers of each, the highest box first.

    Boxes of two slices belong together if they are of one group, overlap by more than `overlap` in
    the plane and no more than `gap` slices lie between them; so do all that others link.

    Args:
        boxes: (N, 4), all in one plane's pixels.
        slices: (N,) the slice of each.
        logits: (N,) scores.
        groups: (N,) the label of each.
        overlap: Intersection over union in the plane.
        gap: Slices between two boxes of one lesion.
    """
    if len(boxes) == 0:
        return []
    links = _links(np.asarray(boxes, dtype=np.float64), slices, groups, overlap=overlap, gap=gap)
    count, lesion = connected_components(links, directed=False)
    rows = [np.flatnonzero(lesion == number) for number in range(count)]
    ranked = [own[np.argsort(-logits[own], kind="stable")] for own in rows]
    return sorted(ranked, key=lambda own: -float(logits[own[0]]))


def _links(
    boxes: FloatArray,
    slices: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    overlap: float,
    gap: int,
) -> coo_array:
    """Which boxes (N, N) are of one lesion, slice by slice: a long series has tens of thousands."""
    rows_of = {number: np.flatnonzero(slices == number) for number in np.unique(slices).tolist()}
    first, second = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for number, own in rows_of.items():
        for step in range(1, gap + 2):
            other = rows_of.get(number + step, own[:0])
            shared = ious(boxes[own], boxes[other])
            row, column = np.nonzero(
                (shared > overlap) & (groups[own][:, None] == groups[other][None])
            )
            first.append(own[row])
            second.append(other[column])
    pairs = np.concatenate(first), np.concatenate(second)
    return coo_array((np.ones(len(pairs[0])), pairs), shape=(len(boxes),) * 2)


def box_around(
    boxes: FloatArray, slices: NDArray[np.int64], logits: FloatArray
) -> tuple[FloatArray, tuple[int, int]]:
    """The box (4,) and the slices, half-open, of one lesion's boxes (N, 4), highest first.

    Boxes with less than half the highest one's probability don't widen it.
    """
    share = 1 / (1 + np.exp(-logits))
    sure = share >= _AS_SURE * share.max()
    low, high = boxes[sure, :2].min(axis=0), boxes[sure, 2:].max(axis=0)
    return np.concatenate([low, high]), (int(slices[sure].min()), int(slices[sure].max()) + 1)
