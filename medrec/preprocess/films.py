"""What a film shows beside the patient: air of the wrong polarity, side markers, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.volume import Float32Array

_BORDER = 0.02
_FOUR_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)
# Skin is thinner than a pixel is wide, and darker than tissue: it lies just outside the threshold.
_SKIN = 0.01


def has_bright_air(picture: Float32Array) -> bool:
    """Tell whether a film (W, H) of a body part that leaves most of the edge to air is inverted.

    The median of a border (2 % of the shorter side wide) is held against the middle between the
    picture's 0.5th and 99.5th percentile. A breast touches one side of the film, so that the median
    is air. It says nothing of a chest, whose shoulders and flanks fill the edge.
    """
    low, high = np.percentile(picture, (0.5, 99.5))
    width = max(1, round(_BORDER * min(picture.shape)))
    inner = np.zeros(picture.shape, dtype=bool)
    inner[width:-width, width:-width] = True
    return bool(np.median(picture[~inner]) > (low + high) / 2)


def invert(picture: Float32Array) -> Float32Array:
    """The same picture with bright and dark exchanged, in the same range."""
    inverted: Float32Array = picture.min() + picture.max() - picture
    return inverted


def largest_body(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest connected piece of a film's foreground (W, H), holes filled, skin included.

    Side markers, view labels and stickers lie apart from the body, and go.
    """
    pieces, count = ndimage.label(mask, structure=_FOUR_NEIGHBOURS)
    if count == 0:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    body = ndimage.binary_fill_holes(pieces == sizes.argmax())
    grown: NDArray[np.bool_] = ndimage.binary_dilation(
        body, _FOUR_NEIGHBOURS, iterations=max(1, round(_SKIN * min(mask.shape)))
    )
    return grown
