"""Where lesions may lie in a mammogram: breast, gland, polarity and scale from its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.chest import check_film, turned_upright
from medrec.lesions.sharpness import edge_sigma
from medrec.lesions.shrinking import shrink
from medrec.lesions.terrain import Terrain, Tone
from medrec.lesions.zones import NO_ZONE, BreastZone

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.volume import Float32Array

SIDE = 128
_AIR_SPAN = 0.04
_LEAST_AIR = 0.03
# Beside the breast lies air: at the dark end of the film's range, on this share of it at least.
_BODY = 0.08
_LEAST_BREAST = 0.04
_SKIN = 0.04
# Of the root of the breast's area: skin and what lies close under it holds no planted mass.
_LEAST_STEP = 0.04
_ZONES = tuple(BreastZone)


def find_breast(pixels: NDArray[Any], *, is_inverted: bool | None = None) -> Terrain:
    """Find breast, zones, polarity and scale in the stored pixels of a mammogram.

    The muscle of the chest wall, where a view shows it, is taken for dense tissue of the breast.

    Args:
        pixels: (H, W), whole numbers or floats as the file holds them; rows run downward.
        is_inverted: Whether dense tissue is dark; None: the air beside the breast says it.

    Raises:
        PlantingError: Not a plane of numbers, too small, blank, no breast, or gland as bright as
            fat.
    """
    check_film(pixels)
    small = shrink(pixels, SIDE)
    inverted = _has_bright_air(small) if is_inverted is None else is_inverted
    upright = turned_upright(small, pixels, is_inverted=inverted)
    breast = _breast(upright)
    cell = max(pixels.shape) / max(upright.shape)
    width = float(np.sqrt(breast.sum())) * cell
    depth = ndimage.distance_transform_edt(breast) * cell
    inside = depth > _SKIN * width
    tone = _tone(upright, inside)
    smooth = ndimage.gaussian_filter(upright, 1.5)
    dense = smooth > (tone.loose + tone.dense) / 2
    zones = np.full(upright.shape, NO_ZONE, dtype=np.uint8)
    zones[inside & ~dense] = _ZONES.index(BreastZone.FATTY)
    zones[inside & dense] = _ZONES.index(BreastZone.DENSE)
    return Terrain(
        shape=(pixels.shape[0], pixels.shape[1]),
        is_inverted=inverted,
        score=1.0,
        tone=tone,
        width_px=width,
        edge_px=edge_sigma(pixels),
        zones=zones,
        names=_ZONES,
        room_px=depth,
        cell_px=cell,
        ends=(float(pixels.min()), float(pixels.max())),
    )


def _has_bright_air(small: Float32Array) -> bool:
    """Air is even: it crowds at one end of the range, tissue spreads over the rest."""
    low, high = float(small.min()), float(small.max())
    if not high > low:
        message = "the film is blank: all its pixels are alike; give a mammogram"
        raise PlantingError(message)
    span = _AIR_SPAN * (high - low)
    dark, bright = float((small < low + span).mean()), float((small > high - span).mean())
    if max(dark, bright) < _LEAST_AIR:
        message = (
            f"no air beside a breast: {max(dark, bright):.1%} of the film lies at an end of its "
            f"range, wanted {_LEAST_AIR:.0%}; say whether dense tissue is dark"
        )
        raise PlantingError(message)
    return bright > dark


def _breast(upright: Float32Array) -> NDArray[np.bool_]:
    """The largest piece that is brighter than air; markers and labels lie apart from it."""
    low, high = float(upright.min()), float(upright.max())
    body = ndimage.binary_opening(upright > low + _BODY * (high - low), iterations=2)
    pieces, count = ndimage.label(body)
    sizes = np.bincount(pieces.ravel())[1:] if count else np.zeros(1)
    share = float(sizes.max()) / upright.size
    if not _LEAST_BREAST <= share < 1:
        message = (
            f"no breast found: the largest bright piece fills {share:.0%} of the film, wanted "
            f"{_LEAST_BREAST:.0%} or more and air beside it"
        )
        raise PlantingError(message)
    breast: NDArray[np.bool_] = ndimage.binary_fill_holes(pieces == int(sizes.argmax()) + 1)
    return breast


def _tone(upright: Float32Array, inside: NDArray[np.bool_]) -> Tone:
    """Greys of fat and gland: a fifth of the breast is darker, a twentieth is brighter."""
    loose, dense = (float(value) for value in np.quantile(upright[inside], (0.2, 0.95)))
    black, white = float(upright.min()), float(upright.max())
    if dense - loose < _LEAST_STEP * (white - black):
        message = (
            f"gland is {dense - loose:.4g} grey values brighter than fat, wanted {_LEAST_STEP:.0%} "
            f"of the film's {white - black:.4g} or more: no scale for a lesion"
        )
        raise PlantingError(message)
    return Tone(loose=loose, dense=dense, black=black, white=white)
