"""What must be known of a brain before a tumor is planted: where it lies, its scale and greys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from medrec.errors import PlantingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray

_LEAST_SIDE = 32
_LEAST_SLICES = 3
_FOREGROUND = 0.15
_SCALP = 0.24
# Scalp, skull and the space around the brain take about a quarter of a head's half width.
_LEAST_AREA = 0.35
# Slices with much less brain than the fullest show its ends, or muscles of the face.
_BRIDGE = 0.10
# Between brain and what else is as bright, connections are thinner than so much of half a width.
_TISSUE = (0.7, 1.5)
# Of the median: above fluid and below vessels, fat and marrow.


@dataclass(frozen=True, eq=False)
class Brain:
    """The brain of one volume (I, J, K); found once, it serves every tumor planted into it.

    `inside` is all that may change; a tumor's middle may lie where it is `tissue`. `deep_mm` is the
    distance to the outside within a slice. `level` is the median grey value of the brain,
    `width_mm` twice the half width of its widest slice.
    """

    inside: NDArray[np.bool_]
    tissue: NDArray[np.bool_]
    deep_mm: FloatArray
    level: float
    width_mm: float
    spacing_mm: tuple[float, float, float]
    slice_axis: int


def find_brain(
    voxels: NDArray[Any],
    *,
    spacing_mm: tuple[float, float, float],
    slice_axis: int = 2,
    mask: NDArray[np.bool_] | None = None,
) -> Brain:
    """Find the brain in a head or a brain (I, J, K), by its bright foreground and its depth.

    Args:
        voxels: Grey values of one sequence, bright tissue on dark air.
        spacing_mm: Sides of a voxel; where the header's are nominal, give the true ones.
        slice_axis: The axis that is cut into slices.
        mask: The brain, where the user knows it.

    Raises:
        PlantingError: No volume, too small, blank, no head, or a mask of another shape.
    """
    mask = None if mask is None else np.asarray(mask, dtype=bool)
    _check(voxels, mask)
    turned = np.moveaxis(voxels, slice_axis, 2).astype(np.float32)
    across = [side for axis, side in enumerate(spacing_mm) if axis != slice_axis]
    sides = (across[0], across[1])
    inside = _within_skull(turned, sides) if mask is None else np.moveaxis(mask, slice_axis, 2)
    level = float(np.median(turned[inside]))
    if not level > 0:
        message = "no brain found: what lies within the head is as dark as air"
        raise PlantingError(message)
    deep = _depth(inside, sides)
    return Brain(
        inside=np.moveaxis(inside, 2, slice_axis),
        tissue=np.moveaxis(inside & _is_tissue(turned, level), 2, slice_axis),
        deep_mm=np.moveaxis(deep, 2, slice_axis),
        level=level,
        width_mm=2 * float(deep.max()),
        spacing_mm=spacing_mm,
        slice_axis=slice_axis,
    )


def _is_tissue(voxels: FloatArray, level: float) -> NDArray[np.bool_]:
    """Neither fluid nor vessel, fat or bone."""
    smooth = ndimage.gaussian_filter(voxels, (1, 1, 0))
    tissue: NDArray[np.bool_] = (smooth > _TISSUE[0] * level) & (smooth < _TISSUE[1] * level)
    return tissue


def _check(voxels: NDArray[Any], mask: NDArray[np.bool_] | None) -> None:
    shape = voxels.shape
    if voxels.ndim != 3 or min(shape) < _LEAST_SLICES or sorted(shape)[1] < _LEAST_SIDE:  # noqa: PLR2004
        message = f"a brain has three axes, of {_LEAST_SIDE} px in a slice, not the shape {shape}"
        raise PlantingError(message)
    if not np.isfinite(voxels).all():
        message = "the volume has values that are no finite number; mend or refuse them first"
        raise PlantingError(message)
    if not voxels.max() > voxels.min():
        message = "the volume is blank: all its voxels are alike"
        raise PlantingError(message)
    if mask is not None and (mask.shape != shape or not mask.any()):
        message = f"the mask of the brain is empty or has shape {mask.shape}; wanted {shape}"
        raise PlantingError(message)


def _within_skull(voxels: FloatArray, sides_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """The brain: deeper than scalp and skull, as bright as most of that, and in one piece."""
    head = voxels > _FOREGROUND * float(np.quantile(voxels, 0.99))
    for number in range(head.shape[2]):
        head[:, :, number] = _largest(ndimage.binary_opening(head[:, :, number]))
    share = float(head.mean(axis=(0, 1)).max())
    depth = _depth(head, sides_mm)
    within = depth > _SCALP * float(depth.max())
    if not 0.05 < share < 0.98 or not within.any():  # noqa: PLR2004 (a speck, or no air around it)
        message = (
            f"no head found: its largest slice fills {share:.0%} of the picture, wanted 5 to 98 %; "
            "give a mask of the brain"
        )
        raise PlantingError(message)
    tissue = within & _is_tissue(voxels, float(np.median(voxels[within])))
    reach = _BRIDGE / 2 * float(depth.max())
    core = _largest_piece(_grown(_depth(tissue, sides_mm) > reach, sides_mm, reach))
    areas = core.sum(axis=(0, 1))
    core &= areas >= _LEAST_AREA * areas.max()
    brain = (_depth(_grown(core, sides_mm, 2 * reach), sides_mm) > 2 * reach) & within
    for number in np.flatnonzero(brain.any(axis=(0, 1))).tolist():
        brain[:, :, number] = _largest(brain[:, :, number])
    if not brain.any():
        message = "no brain found: nothing within the head is of one brightness and one piece"
        raise PlantingError(message)
    return brain


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    piece: NDArray[np.bool_] = pieces == sizes.argmax()
    return piece


def _largest(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(_largest_piece(plane))
    return filled


def _grown(
    mask: NDArray[np.bool_], sides_mm: tuple[float, float], reach_mm: float
) -> NDArray[np.bool_]:
    """All within reach of a mask, in each slice that has some of it."""
    grown = mask.copy()
    for number in np.flatnonzero(mask.any(axis=(0, 1))):
        away = ndimage.distance_transform_edt(~mask[:, :, number], sampling=sides_mm)
        grown[:, :, number] = away <= reach_mm
    return grown


def _depth(inside: NDArray[np.bool_], sides_mm: tuple[float, float]) -> FloatArray:
    """Distance to the outside within each slice, in mm."""
    planes = [
        ndimage.distance_transform_edt(np.pad(inside[:, :, number], 1), sampling=sides_mm)
        for number in range(inside.shape[2])
    ]
    depth: FloatArray = np.stack(planes, axis=2)[1:-1, 1:-1]
    return depth
