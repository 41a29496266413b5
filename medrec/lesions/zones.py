"""The parts of a chest or a breast by which lesions are placed and results are told."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray


class ChestZone(StrEnum):
    """Where in the chest a lesion's middle lies; ribs and vessels cross all of them."""

    UPPER = "upper"
    """The upper third of a lung, its apex included."""
    MIDDLE = "middle"
    LOWER = "lower"
    HILUM = "hilum"
    """Beside the middle of the mediastinum, where the vessels of the lung begin."""
    HEART = "heart"
    """Lung before or behind the heart."""
    DIAPHRAGM = "diaphragm"
    """Lung behind the dome of the diaphragm."""


class BreastZone(StrEnum):
    """What a lesion of the breast lies in front of or behind."""

    FATTY = "fatty"
    DENSE = "dense"
    """Gland, which hides lesions."""


class BrainZone(StrEnum):
    """How deep in the brain a tumor lies: by half of what is the deepest."""

    OUTER = "outer"
    INNER = "inner"


Zone = ChestZone | BreastZone
ZONES = tuple(ChestZone)
NO_ZONE = 255
"""In a map of zones: not where a lesion may lie."""
_HILUM_FROM, _HILUM_TO, _HILUM_WIDTH = -0.35, 0.25, 0.30
_HEART_FROM, _HEART_REACH = 0.05, 0.55
_RECESS = 0.16
# The lung reaches behind the dome of the diaphragm by about so much of the chest's half height.


def map_zones(lungs: NDArray[np.bool_], x: FloatArray, y: FloatArray) -> NDArray[np.uint8]:
    """Number every pixel by its place in `ZONES`, or `NO_ZONE`.

    Args:
        lungs: What of the film is air of the lungs, (H, W).
        x: Coordinates of the chest across, -1 to 1, (H, W).
        y: Downward, -1 at the apices to 1 at the costophrenic angles, (H, W).
    """
    zones = np.full(lungs.shape, NO_ZONE, dtype=np.uint8)
    for zone, where in (
        (ChestZone.DIAPHRAGM, _below_lungs(lungs, y)),
        (ChestZone.HEART, _between_lungs(lungs) & (y > _HEART_FROM) & (y < _HEART_REACH + 0.2)),
        (ChestZone.UPPER, lungs & (y < -1 / 3)),
        (ChestZone.MIDDLE, lungs & (y >= -1 / 3) & (y < 1 / 3)),
        (ChestZone.LOWER, lungs & (y >= 1 / 3)),
        (ChestZone.HILUM, _hila(lungs, x, y)),
    ):
        zones[where] = ZONES.index(zone)
    return zones


def _between_lungs(lungs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What has lung to its left and to its right in the same row."""
    left = np.logical_or.accumulate(lungs, axis=1)
    right = np.logical_or.accumulate(lungs[:, ::-1], axis=1)[:, ::-1]
    between: NDArray[np.bool_] = left & right & ~lungs
    return between


def _below_lungs(lungs: NDArray[np.bool_], y: FloatArray) -> NDArray[np.bool_]:
    """A strip below the lung's base, as deep as the recess behind the diaphragm."""
    above = np.logical_or.accumulate(lungs, axis=0) & ~lungs
    base = np.where(lungs, y, -np.inf).max(axis=0, keepdims=True)
    strip: NDArray[np.bool_] = above & (y > base) & (y < base + _RECESS) & (base > 0)
    return strip


def _hila(lungs: NDArray[np.bool_], x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    """The lung's strip next to the mediastinum, and the mediastinum's own rim, at mid height."""
    rows = (y > _HILUM_FROM) & (y < _HILUM_TO)
    step = float(x[0, 1] - x[0, 0]) if x.shape[1] > 1 else 1.0
    reach = max(1, round(_HILUM_WIDTH / step))
    between = _between_lungs(lungs) & (np.abs(x) < 2 * _HILUM_WIDTH)
    beside = _widened(between, reach) & lungs & (np.abs(x) < 2 * _HILUM_WIDTH)
    rim = _widened(lungs, reach // 3) & between
    hila: NDArray[np.bool_] = rows & (beside | rim)
    return hila


def _widened(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """A mask grown by `reach` px to the left and to the right."""
    wide = ndimage.maximum_filter1d(mask.view(np.uint8), 2 * reach + 1, axis=1, mode="constant")
    widened: NDArray[np.bool_] = wide.view(np.bool_)
    return widened
