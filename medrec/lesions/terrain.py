"""What must be known of a film before a lesion is planted: places, greys, scale and sharpness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.lesions.zones import NO_ZONE, Zone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray


@dataclass(frozen=True, slots=True)
class Tone:
    """Grey values of a film in which dense tissue is bright, inverted first where it isn't.

    `loose` is clear lung, or fat of the breast; `dense` the spine and great vessels, or gland;
    `white` and `black` are where the film ends.
    """

    loose: float
    dense: float
    black: float
    white: float

    @property
    def step(self) -> float:
        """From loose to dense tissue, in grey values; above 0."""
        return self.dense - self.loose


@dataclass(frozen=True, eq=False)
class Terrain:
    """Where lesions may lie in one film, and its scale; found once, it serves every lesion of it.

    `zones` (h, w) uint8 numbers each pixel of a small copy by its place in `names`, or `NO_ZONE`;
    `room_px` (h, w) is how far each lies from where lesions may not, and `cell_px` the side of
    such a pixel, in pixels of the film. `width_px` is the inner width of the chest, or the root of
    the breast's area; `edge_px` the standard deviation of the film's blur, `shape` (H, W) that of
    the film, `ends` its least and greatest value, `score` how well lungs fit, 1 where none were
    fitted. `is_log`: grey values are proportional to attenuation, as in some images FOR PROCESSING.
    """

    shape: tuple[int, int]
    is_inverted: bool
    score: float
    tone: Tone
    width_px: float
    edge_px: float
    zones: NDArray[np.uint8]
    names: tuple[Zone, ...]
    room_px: FloatArray
    cell_px: float
    ends: tuple[float, float]
    is_log: bool = False

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """Where a lesion's middle may lie, in the small copy, (h, w)."""
        allowed: NDArray[np.bool_] = self.zones != NO_ZONE
        return allowed
