"""Planting tumors into brain MRI, in three dimensions and in several sequences at once.

brain = find_brain(flair, spacing_mm=(0.9, 0.9, 5.0))
voxel = choose_voxel(brain, tumor, rng)
planted = plant_tumor({Sequence.FLAIR: flair, Sequence.T1C: t1c}, tumor, voxel, brain=brain)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from medrec.domain.box import Box
from medrec.domain.modality import Sequence
from medrec.errors import PlantingError
from medrec.lesions.tumors import fill_voxels, reach_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.lesions.brain import Brain
    from medrec.lesions.tumors import BrainTumor, Compartments

_NECROSIS = {Sequence.T1C: -0.45, Sequence.FLAIR: -0.25}
_OEDEMA_T1C = -0.10
_ENHANCING_FLAIR = 0.6
# Shares of the brain's median. Necrosis is fluid with protein: dark on T1, half suppressed on
# FLAIR. Oedema is somewhat dark on T1; a tumor's solid part is bright on FLAIR, less than oedema.
_ANATOMY_PX = 1.5
_OEDEMA_FADE = 0.10
# Oedema fades into the brain over about so much of the tumor's diameter.
_MOST = 0.5


@dataclass(frozen=True, eq=False)
class Change:
    """What a tumor did to one sequence: mean rise in grey values, and that over the noise.

    The noise is the standard deviation of the untouched brain around the tumor, anatomy included.
    On FLAIR the rise is that of oedema and tumor together, else of the enhancing part.
    """

    rise: float
    contrast_to_noise: float


@dataclass(frozen=True, eq=False)
class PlantedTumor:
    """A tumor in one or several sequences (I, J, K) on one grid, each of the dtype it had.

    `core` (I, J, K) holds the enhancing part and its necrosis, `whole` the oedema as well; `box`
    and `whole_box` are the smallest around them, x and y along the axes beside the slice axis, z
    along it. Voxels outside `window` are untouched.
    """

    tumor: BrainTumor
    voxels: dict[Sequence, NDArray[Any]]
    core: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    box: Box
    whole_box: Box
    window: tuple[slice, slice, slice]
    diameter_mm: float
    changes: dict[Sequence, Change]


def choose_voxel(
    brain: Brain, tumor: BrainTumor, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Draw a place (i, j, k) for a tumor's middle, in voxels where voxel n spans n to n + 1.

    Raises:
        PlantingError: No place is as far from the skull as half of the tumor's radius.
    """
    room = 0.25 * tumor.size * brain.width_mm
    places = np.argwhere(brain.tissue & (brain.deep_mm >= room))
    if len(places) == 0:
        message = f"no room in the brain for a tumor of {tumor.size:.0%} of its width"
        raise PlantingError(message)
    i, j, k = (places[int(rng.integers(len(places)))] + rng.random(3)).tolist()
    return i, j, k


def plant_tumor(
    voxels: Mapping[Sequence, NDArray[Any]],
    tumor: BrainTumor,
    place: tuple[float, float, float],
    *,
    brain: Brain,
) -> PlantedTumor:
    """Plant one tumor with its middle at a place (i, j, k) into sequences T1C, FLAIR or both.

    Raises:
        PlantingError: Another sequence, sequences of other shapes, a place outside the brain, or a
            brain whose median isn't above 0, or that has values that are no finite number.
    """
    _check(voxels, place, brain)
    diameter = tumor.size * brain.width_mm
    window = _window(place, reach_of(tumor) * diameter, brain)
    filled = _filled(tumor, place, window, diameter, brain)
    core = _on_grid((filled.enhancing + filled.necrosis) >= _MOST, window, brain)
    whole = core | _on_grid(
        (filled.enhancing + filled.necrosis + filled.oedema) >= _MOST, window, brain
    )
    if not core.any():
        message = (
            f"a tumor of {diameter:.1f} mm fills no voxel of {brain.spacing_mm} mm by half; plant "
            "a larger one"
        )
        raise PlantingError(message)
    planted = {
        sequence: _changed(stored, sequence, tumor, filled, window, brain)
        for sequence, stored in voxels.items()
    }
    return PlantedTumor(
        tumor=tumor,
        voxels=planted,
        core=core,
        whole=whole,
        box=box_of(core, slice_axis=brain.slice_axis),
        whole_box=box_of(whole, slice_axis=brain.slice_axis),
        window=window,
        diameter_mm=diameter,
        changes={
            sequence: _measured(
                voxels[sequence],
                after,
                whole if sequence is Sequence.FLAIR else core,
                window,
                brain,
            )
            for sequence, after in planted.items()
        },
    )


def box_of(mask: NDArray[np.bool_], *, slice_axis: int) -> Box:
    """The smallest box around a mask (I, J, K): z along the slices, x and y the other axes."""
    where = np.nonzero(mask)
    x, y = (where[axis] for axis in range(3) if axis != slice_axis)
    z = where[slice_axis]
    low, high = (
        [float(part.min()) for part in (x, y, z)],
        [part.max() + 1.0 for part in (x, y, z)],
    )
    return Box(low[0], low[1], float(high[0]), float(high[1]), low[2], float(high[2]))


def _check(
    voxels: Mapping[Sequence, NDArray[Any]], place: tuple[float, float, float], brain: Brain
) -> None:
    known = {Sequence.T1C, Sequence.FLAIR}
    if not voxels or not set(voxels) <= known:
        message = f"tumors are planted into t1c and flair, not {', '.join(voxels) or 'nothing'}"
        raise PlantingError(message)
    shapes = {one.shape for one in voxels.values()} | {brain.inside.shape}
    if len(shapes) > 1:
        message = f"sequences and brain lie on one grid, not on {sorted(shapes)}"
        raise PlantingError(message)
    index = tuple(math.floor(value) for value in place)
    fits = all(0 <= at < length for at, length in zip(index, brain.inside.shape, strict=True))
    if not fits or not brain.inside[index]:
        message = f"the voxel {index} lies outside the brain"
        raise PlantingError(message)


def _window(
    place: tuple[float, float, float], reach_mm: float, brain: Brain
) -> tuple[slice, slice, slice]:
    spans = [
        slice(
            max(0, math.floor(middle - reach_mm / side) - 1),
            min(length, math.ceil(middle + reach_mm / side) + 1),
        )
        for middle, side, length in zip(place, brain.spacing_mm, brain.inside.shape, strict=True)
    ]
    return spans[0], spans[1], spans[2]


def _filled(
    tumor: BrainTumor,
    place: tuple[float, float, float],
    window: tuple[slice, slice, slice],
    diameter_mm: float,
    brain: Brain,
) -> Compartments:
    """Shares of the compartments in the window's voxels; none of it outside the brain."""
    shape = [span.stop - span.start for span in window]
    offset = [middle - span.start for middle, span in zip(place, window, strict=True)]
    filled = fill_voxels(
        tumor,
        shape=(shape[0], shape[1], shape[2]),
        offset=(offset[0], offset[1], offset[2]),
        spacing_mm=brain.spacing_mm,
        diameter_mm=diameter_mm,
    )
    inside = brain.inside[window]
    fade = [_OEDEMA_FADE * diameter_mm / side for side in brain.spacing_mm]
    soft = ndimage.gaussian_filter(filled.oedema, fade, mode="nearest", truncate=3)
    taken = filled.enhancing + filled.necrosis
    oedema = np.minimum(soft, 1 - taken) * (soft > 0.01)  # noqa: PLR2004 (less shows in no voxel)
    return replace(
        filled,
        enhancing=filled.enhancing * inside,
        necrosis=filled.necrosis * inside,
        oedema=oedema * inside,
    )


def _on_grid(
    part: NDArray[np.bool_], window: tuple[slice, slice, slice], brain: Brain
) -> NDArray[np.bool_]:
    whole = np.zeros(brain.inside.shape, dtype=bool)
    whole[window] = part
    return whole


def _changed(
    stored: NDArray[Any],
    sequence: Sequence,
    tumor: BrainTumor,
    filled: Compartments,
    window: tuple[slice, slice, slice],
    brain: Brain,
) -> NDArray[Any]:
    """One sequence with the tumor in it; rounded where it holds whole numbers.

    Tumor and necrosis take the place of the brain: its anatomy goes, its noise stays. Oedema lies
    in it: the anatomy stays.
    """
    level = _level(stored, sequence, brain)
    old = stored[window].astype(np.float64)
    anatomy = _smooth(old, brain.inside[window], brain) - level
    taken = filled.enhancing + filled.necrosis
    rise = level * _relative_rise(sequence, tumor, filled) - taken * anatomy
    touched = taken + filled.oedema > 0
    new = old + rise
    if np.issubdtype(stored.dtype, np.integer):
        limits = np.iinfo(stored.dtype)
        new = np.clip(np.round(new), max(limits.min, stored.min()), limits.max)
    else:
        new = np.maximum(new, float(stored.min()))
    planted = stored.copy()
    planted[window] = np.where(touched, new, old).astype(stored.dtype)
    return planted


def _smooth(old: FloatArray, inside: NDArray[np.bool_], brain: Brain) -> FloatArray:
    """The brain without its noise: what lies beside it, scalp or air, is not smeared into it."""
    blur = [0.0 if axis == brain.slice_axis else _ANATOMY_PX for axis in range(3)]
    summed = ndimage.gaussian_filter(np.where(inside, old, 0.0), blur, mode="nearest")
    counted = ndimage.gaussian_filter(inside.astype(np.float64), blur, mode="nearest")
    smooth: FloatArray = np.where(inside, summed / np.maximum(counted, 1e-3), old)
    return smooth


def _level(stored: NDArray[Any], sequence: Sequence, brain: Brain) -> float:
    """The brain's median, by which all rises of a sequence are reckoned."""
    own = stored[brain.inside]
    level = float(np.median(own)) if np.isfinite(own).all() else math.nan
    if not level > 0:
        message = (
            f"{sequence}: the brain's median is {level:g}, wanted grey values above 0, all finite; "
            "plant before grey values are normalised"
        )
        raise PlantingError(message)
    return level


def _relative_rise(sequence: Sequence, tumor: BrainTumor, filled: Compartments) -> FloatArray:
    """Rise above the brain's median as a share of it, by what each voxel holds."""
    dead = _NECROSIS[sequence] * filled.necrosis
    if sequence is Sequence.T1C:
        bright = tumor.strength * filled.enhancing * filled.uptake
        rise: FloatArray = dead + bright + _OEDEMA_T1C * filled.oedema
        return rise
    solid = _ENHANCING_FLAIR * tumor.oedema_strength * filled.enhancing * filled.uptake
    wet: FloatArray = dead + solid + tumor.oedema_strength * filled.oedema
    return wet


def _measured(
    before: NDArray[Any],
    after: NDArray[Any],
    mask: NDArray[np.bool_],
    window: tuple[slice, slice, slice],
    brain: Brain,
) -> Change:
    was, now = before[window].astype(np.float64), after[window].astype(np.float64)
    rise = float((now - was)[mask[window]].mean())
    around = was[brain.inside[window] & ~mask[window] & (now == was)]
    noise = float(around.std()) if around.size else 0.0
    return Change(rise, rise / noise if noise > 0 else math.inf)
