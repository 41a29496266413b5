"""How a rise of tissue becomes grey values of a film, as that film shows and stores them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.lesions.profile import Profile
    from medrec.lesions.terrain import Terrain

_SURROUNDINGS = 0.03
# The brightness that the display curve acts on: a mean over so much of the terrain's width.


def upright(pixels: NDArray[Any], terrain: Terrain) -> FloatArray:
    """Grey values in which dense tissue is bright, as float64."""
    values = pixels.astype(np.float64)
    return terrain.ends[0] + terrain.ends[1] - values if terrain.is_inverted else values


def display_gain(film: FloatArray, terrain: Terrain) -> FloatArray:
    """How much of a rise in clear lung is left at each pixel of an upright film (h, w): 0 to 1.

    Display curves flatten toward white, so that the same tissue shows less before the heart and
    nothing where the film is white. The curve isn't stored with the film; taken here is 1 up to
    the middle between lung and mediastinum, from there falling evenly to 0 at the film's white.
    """
    if terrain.is_log:
        return np.ones_like(film)
    tone = terrain.tone
    around = max(3, round(_SURROUNDINGS * terrain.width_px)) | 1
    level = ndimage.uniform_filter(film, around, mode="nearest")
    middle = (tone.loose + tone.dense) / 2
    gain: FloatArray = np.clip((tone.white - level) / (tone.white - middle), 0, 1)
    return gain


def store(
    pixels: NDArray[Any], terrain: Terrain, profile: Profile, rise: FloatArray
) -> NDArray[Any]:
    """Add a rise (h, w) of upright grey values to a film; returns a new one of the same dtype.

    Whole numbers are rounded. Of a film of display values none leaves the range that it had, so
    that one of 12 bits stays so. Pixels without a rise keep their value.
    """
    planted = pixels.copy()
    part = planted[profile.window]
    changed = part + (-rise if terrain.is_inverted else rise)
    if np.issubdtype(pixels.dtype, np.integer):
        changed = np.round(changed)
    changed = np.clip(changed, *_limits(pixels, terrain))
    planted[profile.window] = np.where(rise != 0, changed, part).astype(pixels.dtype)
    return planted


def _limits(pixels: NDArray[Any], terrain: Terrain) -> tuple[float, float]:
    """What a pixel may hold: attenuation has no white, so that the dtype alone ends it."""
    if not terrain.is_log:
        return terrain.ends
    dtype = pixels.dtype
    limits = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else np.finfo(dtype)
    return float(limits.min), float(limits.max)
