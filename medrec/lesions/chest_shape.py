"""The outline of the lungs on a frontal film, drawn once by hand, in coordinates of the chest.

x runs from -1 to 1 over the chest's inner width, y from -1 at the apices to 1 at the costophrenic
angles. The patient faces the reader: their right lung lies at negative x. No film was measured for
it and nothing is learnt: it says where lungs are, and the film says the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray

Corners = tuple[tuple[float, float], ...]

RIGHT_LUNG: Corners = (
    *((-0.40, -1.00), (-0.62, -0.84), (-0.78, -0.55), (-0.90, -0.10), (-0.97, 0.40)),
    *((-0.98, 0.86), (-0.84, 0.68), (-0.62, 0.56), (-0.40, 0.58), (-0.22, 0.70)),
    *((-0.20, 0.35), (-0.24, 0.00), (-0.17, -0.35), (-0.17, -0.80), (-0.26, -0.96)),
)
LEFT_LUNG: Corners = (
    *((0.40, -1.00), (0.62, -0.84), (0.78, -0.55), (0.90, -0.10), (0.97, 0.40)),
    *((0.98, 0.90), (0.84, 0.74), (0.66, 0.66), (0.56, 0.70), (0.54, 0.45)),
    *((0.42, 0.20), (0.28, 0.00), (0.22, -0.35), (0.17, -0.80), (0.26, -0.96)),
)
SPINE = 0.13
"""Half the width of the strip between the lungs that is bright however the patient was turned."""
_FLANK, _ABOVE, _BELOW = 1.12, -1.12, 1.15
# How far around the lungs a film surely shows tissue: beyond may be air, an arm, or no film.


def lungs_at(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    """Tell which points lie in a lung; x and y in coordinates of the chest, of one shape."""
    return _is_inside(x, y, RIGHT_LUNG) | _is_inside(x, y, LEFT_LUNG)


def spine_at(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    """Tell which points lie on the strip of the spine and the great vessels."""
    strip: NDArray[np.bool_] = (np.abs(x) < SPINE) & (np.abs(y) < 1)
    return strip


def tissue_at(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    """Tell which points lie in the tissue close around the lungs and between them."""
    near = (np.abs(x) < _FLANK) & (y > _ABOVE) & (y < _BELOW)
    tissue: NDArray[np.bool_] = near & ~lungs_at(x, y)
    return tissue


def _is_inside(x: FloatArray, y: FloatArray, corners: Corners) -> NDArray[np.bool_]:
    """A point lies inside where a line to its right crosses the outline an odd number of times."""
    inside = np.zeros(np.broadcast(x, y).shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0)))
    return inside
