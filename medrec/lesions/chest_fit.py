"""Where the chest lies on a frontal film, and whether bone is bright: lungs fitted to a small copy.

Lungs of some 60 widths and heights at every second place are held against the film, and against
the film with bright and dark exchanged. The products are sums of whole numbers below 2**24, which
float32 holds without loss: the same film gives the same chest on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.chest_shape import lungs_at, spine_at, tissue_at
from medrec.lesions.shrinking import shrink

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.domain.volume import Float32Array

_SIDE = 32
_LEVELS = 16
_UNIT = 512
# |template| = 512 and |film| <= 32 levels on 1,024 pixels: each product's sum stays below 2**24.
_EXPECTED = (0.50, 0.45, 0.36, 0.31)
_SPREAD = (0.08, 0.09, 0.08, 0.09)
# Centre and half sizes of the chest as shares of the film's longer side, and how much they differ.
_DOUBT = 0.03
_CENTRE_WEIGHT = 0.4
# The middle of a chest film is denser than its edge; with this the polarity of 648 of 650 films of
# ChestX-ray14 was told, of 640 without.
_LEAST_SCORE = 0.12
_LEAST_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class ChestFrame:
    """The chest's place: centre and half sizes as shares of the film's longer side.

    `is_inverted`: dense tissue has low grey values. `score` is how well lungs fit, up to 1.
    """

    x: float
    y: float
    half_width: float
    half_height: float
    is_inverted: bool
    score: float

    def coordinates(self, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """Coordinates of the chest of every pixel of an image (H, W) of the whole film."""
        longer = max(shape)
        x = ((np.arange(shape[1]) + 0.5) / longer - self.x) / self.half_width
        y = ((np.arange(shape[0]) + 0.5) / longer - self.y) / self.half_height
        across, down = np.broadcast_arrays(x[None, :], y[:, None])
        return across, down


@dataclass(frozen=True, eq=False)
class _Bank:
    """Templates (N, 1024), their places (N, 4) and how unusual each place is (N,)."""

    templates: Float32Array
    places: FloatArray
    doubt: FloatArray


def fit_chest(film: Float32Array, *, is_inverted: bool | None = None) -> ChestFrame:
    """Find the chest of a frontal film (H, W), a small copy of at least 32 px is enough.

    `is_inverted` is what the caller knows of its polarity; None: the anatomy says it.

    Raises:
        PlantingError: No chest is to be seen, or both polarities fit as well.
    """
    small = _squared(shrink(film, _SIDE))
    span = float(small.max() - small.min())
    if not span > 0:
        message = "the film is blank: all its pixels are alike; give a film of a chest"
        raise PlantingError(message)
    upright, inverted = _scores(small, small.max() + small.min() - small)
    margin = float(upright.max() - inverted.max()) + 2 * _CENTRE_WEIGHT * _centre(small) / span
    chosen = margin < 0 if is_inverted is None else is_inverted
    scores = inverted if chosen else upright
    best = int(scores.argmax())
    _check(float(scores[best]), margin if is_inverted is None else None)
    x, y, half_width, half_height = _bank().places[best].tolist()
    return ChestFrame(x, y, half_width, half_height, chosen, float(scores[best]))


def _check(score: float, margin: float | None) -> None:
    if score < _LEAST_SCORE:
        message = (
            f"no chest found: lungs fit with {score:.2f}, wanted {_LEAST_SCORE} or more; give a "
            "frontal film of a chest, upright, or a mask of its lungs"
        )
        raise PlantingError(message)
    if margin is not None and abs(margin) < _LEAST_MARGIN:
        message = (
            "the chest's polarity can't be told: lungs fit as well to the inverted film; say "
            "whether bone is bright, or give a mask of the lungs"
        )
        raise PlantingError(message)


def _squared(small: Float32Array) -> Float32Array:
    """Films that aren't square, or smaller than the grid, get their edge repeated."""
    rows, columns = small.shape
    return np.pad(small, ((0, _SIDE - rows), (0, _SIDE - columns)), mode="edge")


def _centre(small: Float32Array) -> float:
    """How much brighter the film's middle is than its edge."""
    edge = np.ones(small.shape, dtype=bool)
    edge[2:, 2:-2] = False
    return float(small[8:24, 12:20].mean() - small[edge].mean())


def _scores(*films: Float32Array) -> list[FloatArray]:
    """How well lungs fit each film at each place of the bank, (N,) each."""
    bank = _bank()
    flat = [_flattened(film).ravel() for film in films]
    products = bank.templates @ np.stack(flat, axis=1)
    norms = [float(np.sqrt((film * film).sum())) or 1.0 for film in flat]
    return [products[:, number] / (norm * _UNIT) - bank.doubt for number, norm in enumerate(norms)]


def _flattened(small: Float32Array) -> Float32Array:
    """The film with even brightness and contrast, in whole numbers from -32 to 32.

    Black beside the film (a collimator, a turned cassette) takes no part.
    """
    dark = small <= small.min() + 0.04 * (small.max() - small.min())
    weight = (~ndimage.binary_dilation(dark)).astype(np.float32)
    if weight.mean() < 0.3:  # noqa: PLR2004 (hardly a film is left: judge all of it)
        weight[:] = 1
    rest = (small - _blurred(small, weight, _SIDE / 5)) * weight
    overall = np.sqrt((rest * rest).sum() / weight.sum())
    spread = np.sqrt(_blurred(rest * rest, weight, _SIDE / 4))
    contrast = rest / np.maximum(np.maximum(spread, 0.35 * overall), 1e-6)
    levels: Float32Array = np.round(np.clip(contrast, -2, 2) * _LEVELS)
    return levels


def _blurred(image: Float32Array, weight: Float32Array, sigma: float) -> Float32Array:
    summed = ndimage.gaussian_filter(image * weight, sigma, mode="nearest")
    counted = ndimage.gaussian_filter(weight, sigma, mode="nearest")
    blurred: Float32Array = summed / np.maximum(counted, 1e-3)
    return blurred


@lru_cache(maxsize=1)
def _bank() -> _Bank:
    templates, places = [], []
    for half_width in np.arange(0.22, 0.53, 0.04):
        for half_height in np.arange(0.18, 0.53, 0.035):
            if 0.6 < half_height / half_width < 1.35:  # noqa: PLR2004 (chests of people)
                shape = _template(half_width, half_height)
                for x, y, window in _windows(shape, half_width, half_height):
                    templates.append(window)
                    places.append((x, y, half_width, half_height))
    found = np.array(places)
    unusual = (((found - _EXPECTED) / _SPREAD) ** 2).sum(axis=1)
    return _Bank(np.array(templates, dtype=np.float32), found, _DOUBT * unusual)


def _template(half_width: float, half_height: float) -> FloatArray:
    """Lungs -1, tissue around them as much above 0; twice the grid wide, the chest amid."""
    y, x = np.mgrid[: 2 * _SIDE, : 2 * _SIDE]
    across = ((x + 0.5) / _SIDE - 1) / half_width
    down = ((y + 0.5) / _SIDE - 1) / half_height
    shape = np.where(tissue_at(across, down), 0.6, 0.0)
    shape[spine_at(across, down)] = 1.2
    lungs = lungs_at(across, down)
    shape[lungs] = -shape[~lungs].sum() / lungs.sum()
    whole: FloatArray = np.round(shape * (_UNIT / np.sqrt((shape**2).sum())))
    return whole


def _windows(
    shape: FloatArray, half_width: float, half_height: float
) -> list[tuple[float, float, FloatArray]]:
    """The template at every place at which the chest lies on the film but for a rim."""
    windows = []
    for right in range(-5, 6):
        for down in range(-7, 7):
            if (right + down) % 2:
                continue  # as on a chessboard: the film itself tells the rest
            x, y = 0.5 + right / _SIDE, 0.5 + down / _SIDE
            if abs(x - 0.5) + half_width < 0.58 and abs(y - 0.5) + half_height < 0.60:  # noqa: PLR2004
                top, left = _SIDE // 2 - down, _SIDE // 2 - right
                windows.append((x, y, shape[top : top + _SIDE, left : left + _SIDE].ravel()))
    return windows
