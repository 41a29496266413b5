"""How sharp a film is: the blur that its strongest edges show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 64
_BLUR = 1.5
_STRONGEST = 0.98
_LEAST, _MOST = 0.5, 4.0


def edge_sigma(pixels: NDArray[Any]) -> float:
    """Standard deviation in px of the blur of an image (H, W), from 0.5 to 4.

    The steepest steps along some rows are blurred once more, by a known amount b: the slope of a
    step of blur s then falls by the factor sqrt(s**2 + b**2) / s (Zhuo and Sim, Pattern Recognition
    2011). The median over the steps among the steepest 2 % is taken, which noise hardly reaches.
    """
    rows = pixels[:: max(1, pixels.shape[0] // _ROWS)].astype(np.float32)
    smooth = ndimage.gaussian_filter1d(rows, 0.7, axis=1, truncate=3)
    slopes = np.abs(np.diff(smooth, axis=1))
    softer = np.abs(np.diff(ndimage.gaussian_filter1d(smooth, _BLUR, axis=1, truncate=3), axis=1))
    peaks = slopes >= ndimage.maximum_filter1d(slopes, 5, axis=1)
    steep = peaks & (slopes >= np.quantile(slopes, _STRONGEST)) & (softer > 0)
    if not steep.any():
        return _MOST
    ratio = float(np.median(slopes[steep] / softer[steep]))
    blur = _BLUR / np.sqrt(max(ratio**2 - 1, 1e-3))
    return float(np.clip(np.sqrt(max(blur**2 - 0.7**2, 0.0)), _LEAST, _MOST))
