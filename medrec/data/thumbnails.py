"""Small pictures by which two scans are compared: the frame as it is, and the body alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Thumbnail = NDArray[np.uint8]

SIZE_PX = 96
AIR = 0.1
"""What is darker than this share of white is air."""

_WORK_PX = 256
_FEWEST = 0.02
"""Share of a row or column that must be brighter than air to belong to the body."""


def to_thumbnail(picture: NDArray[np.floating] | NDArray[np.integer]) -> Thumbnail:
    """Make (2, 96, 96) of a picture (H, W) of finite values: the whole frame, and the body's box.

    Percentiles 1 and 99 become black and white. Where the rim is bright the picture is inverted, so
    that air is black in both polarities: else the outline of a breast on white tells more than what
    is in it. A flat picture becomes black.
    """
    small = _shrink(np.asarray(picture, dtype=np.float32), _WORK_PX)
    low, high = np.percentile(small, (1, 99))
    if not high > low:
        return np.zeros((2, SIZE_PX, SIZE_PX), dtype=np.uint8)
    scaled = np.clip((small - low) / (high - low), 0, 1, dtype=np.float32)
    rim = np.concatenate([scaled[0], scaled[-1], scaled[:, 0], scaled[:, -1]])
    upright = 1 - scaled if np.median(rim) > 0.5 else scaled  # noqa: PLR2004 (nearer to white)
    frames = (upright, _body(upright))
    return np.stack([np.rint(_fit(frame) * 255).astype(np.uint8) for frame in frames])


def _shrink(picture: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    rows, columns = picture.shape
    factor = longest / max(rows, columns)
    if factor >= 1:
        return picture
    size = (max(1, round(columns * factor)), max(1, round(rows * factor)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _body(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    bright = picture > AIR
    rows = np.flatnonzero(bright.mean(axis=1) > _FEWEST)
    columns = np.flatnonzero(bright.mean(axis=0) > _FEWEST)
    if not (rows.size and columns.size):
        return picture
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fit(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BOX))
