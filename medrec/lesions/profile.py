"""What a lesion is on a film of a given sharpness: a rise between 0 and 1, and its outline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medrec.domain.box import Box
from medrec.lesions.bodies import Body, grow_body, path_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.lesions.lesion import Lesion

_OUTLINE = 0.2
# A reader's box holds what can be told from its surroundings: from a fifth of the peak on.
_GRID = 72
# A body is reckoned on at most so many points a side: a large one holds no finer detail.
_FEWEST, _PARTS = 4.0, 8.0
# A lesion of fewer pixels across is reckoned on so many parts of pixels, and each pixel shows their
# mean: between the middles of pixels it could lie unseen.
_TAIL = 3.0


@dataclass(frozen=True, eq=False)
class Profile:
    """A lesion's rise on a part of a film.

    `rise` (h, w) is a share of the lesion's strength, 0 at the rim; `mask` (h, w) its outline.
    `top` and `left` place both in the film; pixels further than `margin_px` from the mask are 0.
    """

    rise: FloatArray
    mask: NDArray[np.bool_]
    top: int
    left: int
    margin_px: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the film that it covers."""
        height, width = self.rise.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def box(self) -> Box:
        """The smallest box around the mask, in pixels of the film."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return Box(
            float(self.left + columns[0]),
            float(self.top + rows[0]),
            float(self.left + columns[-1] + 1),
            float(self.top + rows[-1] + 1),
        )


def profile_of(
    lesion: Lesion,
    *,
    place: tuple[float, float],
    diameter_px: float,
    edge_px: float,
    shape: tuple[int, int],
) -> Profile:
    """Project a lesion on a film (H, W) of the given `shape`, blurred as the film is.

    Args:
        lesion: Its strength takes no part.
        place: (x, y) of its middle in pixels, where pixel n spans n to n + 1.
        diameter_px: Its diameter.
        edge_px: Standard deviation of the film's blur.
        shape: Of the film.
    """
    body = grow_body(lesion)
    reach = math.ceil(body.reach * diameter_px + _TAIL * edge_px) + 1
    left, top = math.floor(place[0]) - reach, math.floor(place[1]) - reach
    side = 2 * reach + 1
    offset = (place[0] - left, place[1] - top)
    rise = _blurred(body, side, offset, diameter_px, edge_px)
    rows = slice(max(0, -top), max(0, min(side, shape[0] - top)))
    columns = slice(max(0, -left), max(0, min(side, shape[1] - left)))
    rise = rise[rows, columns]
    margin = math.ceil((body.reach - 0.5 + 0.2) * diameter_px + _TAIL * edge_px) + 2
    mask = rise >= _OUTLINE * float(rise.max(initial=0.0))
    return Profile(rise, mask & (rise > 0), max(0, top), max(0, left), margin)


def _blurred(
    body: Body, side: int, offset: tuple[float, float], diameter_px: float, edge_px: float
) -> FloatArray:
    """The rise on a square of `side` px: the greatest is 1 before the film's own blur."""
    points = min(side, _GRID)
    step = side / points
    parts = 1 if diameter_px >= _FEWEST else math.ceil(_PARTS / diameter_px)
    centres = (np.arange(points * parts) + 0.5) * (step / parts)
    across, down = (centres - offset[0]) / diameter_px, (centres - offset[1]) / diameter_px
    rise = path_length(body, across[None, :], down[:, None])
    if body.softness > 0:
        rise = _gauss(rise, body.softness * diameter_px * parts / step)
    peak = float(rise.max())
    if not peak > 0:  # so small that no ray through the middle of a part meets it
        return np.zeros((side, side))
    rise = rise / peak
    if parts > 1:
        rise = rise.reshape(points, parts, points, parts).mean(axis=(1, 3))
    rise = _gauss(rise, edge_px / step)
    if points < side:
        rise = _enlarged(rise, side)
    rise[rise < 1e-4] = 0  # noqa: PLR2004 (nothing that rounding would keep)
    return rise


def _gauss(image: FloatArray, sigma: float) -> FloatArray:
    blurred: FloatArray = ndimage.gaussian_filter(image, sigma, mode="constant", truncate=_TAIL)
    return blurred


def _enlarged(image: FloatArray, side: int) -> FloatArray:
    """Between the points of a coarser grid, along both axes, in straight lines."""
    points = image.shape[0]
    where = np.clip((np.arange(side) + 0.5) * (points / side) - 0.5, 0, points - 1)
    low = np.minimum(where.astype(np.int64), points - 2)
    share = where - low
    rows = image[low] * (1 - share)[:, None] + image[low + 1] * share[:, None]
    large: FloatArray = rows[:, low] * (1 - share) + rows[:, low + 1] * share
    return large
