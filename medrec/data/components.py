"""Masks to boxes: each connected piece is a lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from medrec.data.mask_truth import largest_px
from medrec.domain.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Pieces = Literal["slice", "volume", "picture"]


def boxes_in_mask(
    mask: NDArray[np.bool_], *, slice_axis: int, per: Pieces, by_slice: bool = False
) -> list[tuple[Box, int]]:
    """The box and the pixels of each connected piece of a mask (I, J, K).

    x and y are the axes beside `slice_axis` in stored order. Pixels that touch by a side or a
    corner are one piece. Of `slice` each piece of each slice has a box one slice thick, of `volume`
    each piece of the whole, of `picture` (one slice) boxes are flat. With `by_slice` a piece of the
    whole has the pixels of its largest region on a slice, by which slices and cases are labelled.

    Raises:
        ValueError: A picture with several slices.
    """
    stack = np.moveaxis(mask, slice_axis, 2)
    if per == "volume":
        return [
            (_solid(spans), _on_one_slice(piece) if by_slice else int(piece.sum()))
            for spans, piece in _pieces(stack)
        ]
    if per == "picture" and stack.shape[2] != 1:
        message = f"a picture has one slice, not {stack.shape[2]}"
        raise ValueError(message)
    found = []
    for number in range(stack.shape[2]):
        for (x, y), piece in _pieces(stack[:, :, number]):
            depth = () if per == "picture" else (number, number + 1)
            found.append((Box(x.start, y.start, x.stop, y.stop, *depth), int(piece.sum())))
    return found


def _pieces(mask: NDArray[np.bool_]) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_]]]:
    """Where each piece of a mask lies, and it alone within that place."""
    if not mask.any():
        return
    numbered, _ = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    for number, spans in enumerate(ndimage.find_objects(numbered), start=1):
        yield spans, numbered[spans] == number


def _on_one_slice(piece: NDArray[np.bool_]) -> int:
    """Pixels of the largest region of a piece (I, J, K) on any of its slices."""
    planes = np.moveaxis(piece, 2, 0)
    return max(largest_px(plane) for plane in planes if plane.any())


def _solid(spans: tuple[slice, ...]) -> Box:
    x, y, z = spans
    return Box(x.start, y.start, x.stop, y.stop, z.start, z.stop)
