"""What a film looks like, in numbers that don't depend on who is on it.

A planted lesion is scaled by the film that it is put into. What an apparatus did to lesion and lung
alike before the film was stored can't be seen by it: a display curve that flattens the lung, a loss
of fine detail, a cut of the range. That shows in the lung itself, film after film.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from medrec.lesions.greys import upright
from medrec.lesions.sharpness import edge_sigma
from medrec.lesions.shrinking import shrink
from medrec.lesions.zones import NO_ZONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.lesions.brain import Brain
    from medrec.lesions.terrain import Terrain

_SIDE, _BITS = 512, 8.0
_DETAIL = 0.02
# What is smaller than so much of the width is detail: vessels, ribs' edges, noise.
_LEAST = 1e-6


def look_of_film(pixels: NDArray[Any], terrain: Terrain) -> dict[str, float]:
    """Facts of a film (H, W) whose terrain is known.

    `level`: where loose tissue lies between the film's black and white, 0 to 1. `detail`: log2 of
    the mean departure from a mean over 2 % of the width, within the zones, in the film's steps.
    `sharpness`: log2 of the width over the film's blur. `clipped`: share of pixels at an end of the
    range. `grey_levels`: log2 of how many values occur, 8 at most. `share`: share of the film where
    lesions may lie. `below`: share of its height below all of that.

    Detail and sharpness are those of a copy of 512 px at most: networks see no more of a film, and
    films of more pixels would look unlike others for nothing.
    """
    tone = terrain.tone
    film = shrink(upright(pixels, terrain), _SIDE)
    width = terrain.width_px * film.shape[1] / pixels.shape[1]
    inside = _enlarged(terrain.zones != NO_ZONE, (film.shape[0], film.shape[1]))
    side = max(3, round(_DETAIL * width)) | 1
    departure = np.abs(film - ndimage.uniform_filter(film, side))[inside]
    low, high = terrain.ends
    return {
        "level": (tone.loose - tone.black) / (tone.white - tone.black),
        "detail": math.log2(max(float(departure.mean()) / tone.step, _LEAST)),
        "sharpness": math.log2(width / edge_sigma(film)),
        "clipped": float(((pixels == low) | (pixels == high)).mean()),
        "grey_levels": _grey_levels(pixels),
        "share": float(inside.mean()),
        "below": _below(inside),
    }


def _below(inside: NDArray[np.bool_]) -> float:
    """The share of a map's height that lies below all of it; 1 where there is nothing."""
    rows = np.flatnonzero(inside.any(axis=1))
    return 1.0 if rows.size == 0 else 1.0 - float(rows[-1] + 1) / inside.shape[0]


def _grey_levels(pixels: NDArray[Any]) -> float:
    """No eye and no network tells more than 256 of them."""
    return min(math.log2(np.unique(pixels).size), _BITS)


def look_of_brain(voxels: NDArray[Any], brain: Brain) -> dict[str, float]:
    """Facts of a volume (I, J, K); `detail` and `level` within the brain, in medians of it."""
    inside = brain.inside
    values = voxels.astype(np.float64)
    blur = [0 if axis == brain.slice_axis else 3 for axis in range(3)]
    smooth = ndimage.uniform_filter(values, [max(1, side) for side in blur])
    departure = float(np.abs(values - smooth)[inside].mean())
    spread: FloatArray = np.quantile(values[inside], (0.1, 0.9))
    return {
        "level": float(spread[1] - spread[0]) / brain.level,
        "detail": math.log2(max(departure / brain.level, _LEAST)),
        "grey_levels": _grey_levels(voxels),
        "share": float(inside.mean()),
    }


def _enlarged(small: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A map of a smaller copy on a picture of the given shape."""
    rows, columns = (
        np.arange(length) * cells // length
        for length, cells in zip(shape, small.shape, strict=True)
    )
    large: NDArray[np.bool_] = small[np.ix_(rows, columns)]
    return large
