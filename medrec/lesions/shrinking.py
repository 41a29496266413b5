"""A small copy of an image in which each pixel is the mean of those it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.volume import Float32Array


def shrink(pixels: NDArray[Any], side: int) -> Float32Array:
    """Means over blocks of an image (H, W), so that its longer side has `side` pixels at most.

    An image that is as small as that already is copied.
    """
    height, width = pixels.shape
    scale = min(1.0, side / max(height, width))
    rows, columns = _starts(height, scale), _starts(width, scale)
    # Whole numbers are added without loss, whatever the order: sums stay below 2**53.
    sums = np.add.reduceat(pixels, rows, axis=0, dtype=np.float64)
    sums = np.add.reduceat(sums, columns, axis=1)
    counts = np.diff(rows, append=height)[:, None] * np.diff(columns, append=width)[None, :]
    means: Float32Array = (sums / counts).astype(np.float32)
    return means


def _starts(length: int, scale: float) -> NDArray[np.int64]:
    count = max(1, round(length * scale))
    starts: NDArray[np.int64] = (np.arange(count) * length) // count
    return starts
