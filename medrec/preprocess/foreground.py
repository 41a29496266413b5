"""What of an image is body, and what is air around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.volume import Float32Array

Span = tuple[int, int]

# A row of a slice with less foreground than this holds noise, not body: a bright speck in the air
# must not widen the box.
_NOISE_SHARE = 0.01
_NOISE_PIXELS = 3


def foreground_of(voxels: Float32Array, *, fraction: float) -> NDArray[np.bool_] | None:
    """Tell body from air: above `fraction` of the way from the 0.5th to the 99.5th percentile.

    The rule doesn't change when the scan is scaled or shifted linearly, nor when its axes are
    turned. It keeps lungs in films, which a two-class threshold such as Otsu's takes for air.
    None when all voxels are alike.
    """
    low, high = np.percentile(voxels, (0.5, 99.5))
    if not high > low:
        low, high = voxels.min(), voxels.max()
    if not high > low:
        return None
    mask: NDArray[np.bool_] = voxels > np.float32(low + fraction * (high - low))
    return mask


def bounding_box(mask: NDArray[np.bool_]) -> tuple[Span, Span]:
    """Find the box that holds the foreground of all slices; mask is (N, W, H).

    Half-open spans along W and H; the whole image where nothing stands out of the noise.
    """
    _, width, height = mask.shape
    columns = np.count_nonzero(mask, axis=2).max(axis=0)
    rows = np.count_nonzero(mask, axis=1).max(axis=0)
    return _span(columns, height), _span(rows, width)


def _span(counts: NDArray[np.integer], length: int) -> Span:
    """Span of the lines that hold body; `counts` are foreground pixels a line of `length`."""
    held = np.flatnonzero(counts >= max(_NOISE_PIXELS, _NOISE_SHARE * length))
    return (int(held[0]), int(held[-1]) + 1) if held.size else (0, counts.size)
