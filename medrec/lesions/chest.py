"""Where lesions may lie in a chest film: lungs, polarity and scale from its stored pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.chest_fit import ChestFrame, fit_chest
from medrec.lesions.chest_shape import lungs_at, spine_at
from medrec.lesions.sharpness import edge_sigma
from medrec.lesions.shrinking import shrink
from medrec.lesions.terrain import Terrain, Tone
from medrec.lesions.zones import NO_ZONE, ZONES, map_zones

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.domain.volume import Float32Array

SIDE = 128
"""Zones are told on a copy whose longer side has so many pixels."""
_LEAST_SIDE = 64
_LEAST_STEP = 0.04
_REACH = 0.10
# How far, in half widths of the chest, the film outweighs the outline that was fitted.
_LEAST_LUNG = 0.02


def find_chest(
    pixels: NDArray[Any], *, is_inverted: bool | None = None, is_log: bool = False
) -> Terrain:
    """Find lungs, zones, polarity and scale in the stored pixels of a frontal chest film.

    Args:
        pixels: (H, W), whole numbers or floats as the file holds them; rows run downward.
        is_inverted: Whether dense tissue is dark; None: the anatomy says it.
        is_log: Whether grey values are proportional to attenuation; display values are not.

    Raises:
        PlantingError: Not a plane of numbers, too small, blank, no chest, or no step from lung to
            mediastinum.
    """
    check_film(pixels)
    small = shrink(pixels, SIDE)
    frame = fit_chest(small, is_inverted=is_inverted)
    upright = turned_upright(small, pixels, is_inverted=frame.is_inverted)
    return replace(_describe(pixels, upright, _air(upright, frame), frame), is_log=is_log)


def chest_of_lungs(pixels: NDArray[Any], lungs: NDArray[np.bool_]) -> Terrain:
    """The same from a mask of the lungs (H, W) that the user gives.

    Raises:
        PlantingError: As `find_chest`, or a mask of another shape or without lungs.
    """
    check_film(pixels)
    lungs = np.asarray(lungs, dtype=bool)  # a mask file holds numbers, 255 for lung perhaps
    if lungs.shape != pixels.shape or not lungs.any():
        message = (
            f"the mask of the lungs has shape {lungs.shape} and {int(lungs.sum())} px of lung; "
            f"wanted shape {pixels.shape}, that of the film, and some lung"
        )
        raise PlantingError(message)
    small, air = shrink(pixels, SIDE), shrink(lungs, SIDE) > 0.5  # noqa: PLR2004 (most of a pixel)
    frame = _frame_around(small, air)
    upright = turned_upright(small, pixels, is_inverted=frame.is_inverted)
    return _describe(pixels, upright, air, frame)


def check_film(pixels: NDArray[Any]) -> None:
    """Refuse what is no film.

    Raises:
        PlantingError: Not a plane, too small, no numbers, or some that aren't finite.
    """
    if pixels.ndim != 2 or min(pixels.shape) < _LEAST_SIDE:  # noqa: PLR2004 (rows and columns)
        message = f"a film has two axes of at least {_LEAST_SIDE} px, not the shape {pixels.shape}"
        raise PlantingError(message)
    if not (np.issubdtype(pixels.dtype, np.integer) or np.issubdtype(pixels.dtype, np.floating)):
        message = f"a film holds whole numbers or floats, not {pixels.dtype}"
        raise PlantingError(message)
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        message = "the film has values that are no finite number; mend or refuse them first"
        raise PlantingError(message)


def turned_upright(small: Float32Array, pixels: NDArray[Any], *, is_inverted: bool) -> Float32Array:
    """A small copy of a film in which dense tissue is bright, in the greys of `greys.upright`.

    Turned between the film's own ends: the copy's are less far apart, where means took a marker in.
    """
    if not is_inverted:
        return small
    upright: Float32Array = float(pixels.min()) + float(pixels.max()) - small
    return upright


def _frame_around(small: Float32Array, air: NDArray[np.bool_]) -> ChestFrame:
    """The frame of lungs that are known; the spine between them says which way grey runs."""
    rows, columns = np.flatnonzero(air.any(axis=1)), np.flatnonzero(air.any(axis=0))
    if rows.size == 0:
        message = "the mask of the lungs holds less than a pixel of a 128 px copy"
        raise PlantingError(message)
    longer = max(small.shape)
    ends = np.array([columns[0], columns[-1] + 1, rows[0], rows[-1] + 1]) / longer
    x, y = (ends[0] + ends[1]) / 2, (ends[2] + ends[3]) / 2
    half_width, half_height = (ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2
    frame = ChestFrame(x, y, half_width, half_height, is_inverted=False, score=1.0)
    spine = spine_at(*frame.coordinates(small.shape)) & ~air
    is_inverted = bool(spine.any() and np.median(small[spine]) < np.median(small[air]))
    return replace(frame, is_inverted=is_inverted)


def _air(upright: Float32Array, frame: ChestFrame) -> NDArray[np.bool_]:
    """The lungs: darker than the middle between lung and spine, not far from the fitted outline.

    Deep inside the outline a pixel is lung however bright it is (an effusion, a mass); far outside
    it never is (air beside the patient).
    """
    outline = lungs_at(*frame.coordinates(upright.shape))
    spine = spine_at(*frame.coordinates(upright.shape))
    if not (outline.any() and spine.any()):
        message = "the lungs that fit, or the spine between them, lie outside the film"
        raise PlantingError(message)
    smooth = ndimage.gaussian_filter(upright, 1.0)
    dark, bright = np.quantile(smooth[outline], 0.3), np.median(smooth[spine])
    evidence = np.clip(((dark + bright) / 2 - smooth) / max(0.5 * (bright - dark), 1e-6), -1, 1)
    reach = _REACH * frame.half_width * max(upright.shape)
    distance = ndimage.distance_transform_edt(outline) - ndimage.distance_transform_edt(~outline)
    prior = np.clip(distance / reach, -1.5, 1.5)
    evidence[_beside_patient(smooth, float(dark)) & (distance < reach)] = -1.5
    air: NDArray[np.bool_] = ndimage.gaussian_filter(evidence + prior, 1.5) > 0
    return air


def _beside_patient(smooth: Float32Array, lung: float) -> NDArray[np.bool_]:
    """What the film's edge is part of and is much darker than lung: air, a collimator, no film."""
    pieces, _ = ndimage.label(smooth < (lung + float(smooth.min())) / 2)
    edge = (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1])
    touching = np.unique(np.concatenate(edge))
    beside: NDArray[np.bool_] = np.isin(pieces, touching[touching > 0])
    return beside


def _describe(
    pixels: NDArray[Any], upright: Float32Array, air: NDArray[np.bool_], frame: ChestFrame
) -> Terrain:
    x, y = _coordinates_of(air, frame)
    width = float(np.ptp(np.flatnonzero(air.any(axis=0))) + 1) if air.any() else 0.0
    if air.mean() < _LEAST_LUNG or width == 0:
        message = f"lungs fill {air.mean():.1%} of the film, wanted {_LEAST_LUNG:.0%} or more"
        raise PlantingError(message)
    cell = max(pixels.shape) / max(upright.shape)
    zones = map_zones(air, x, y)
    tone = _tone(upright, air, spine_at(*frame.coordinates(upright.shape)) & ~air)
    zones[_beside_patient(upright, tone.loose)] = NO_ZONE
    return Terrain(
        shape=(pixels.shape[0], pixels.shape[1]),
        is_inverted=frame.is_inverted,
        score=frame.score,
        tone=tone,
        width_px=width * cell,
        edge_px=edge_sigma(pixels),
        zones=zones,
        names=ZONES,
        room_px=ndimage.distance_transform_edt(np.pad(zones != NO_ZONE, 1))[1:-1, 1:-1] * cell,
        cell_px=cell,
        ends=(float(pixels.min()), float(pixels.max())),
    )


def _coordinates_of(air: NDArray[np.bool_], frame: ChestFrame) -> tuple[FloatArray, FloatArray]:
    """Coordinates of the chest by the lungs that were found, across by the frame's midline."""
    x, _ = frame.coordinates((air.shape[0], air.shape[1]))
    rows = np.flatnonzero(air.mean(axis=1) > 0.02)  # noqa: PLR2004 (a row with lung, not a speck)
    if rows.size == 0:
        return frame.coordinates((air.shape[0], air.shape[1]))
    middle, half = (rows[0] + rows[-1] + 1) / 2, (rows[-1] + 1 - rows[0]) / 2
    down = (np.arange(air.shape[0]) + 0.5 - middle) / half
    return x, np.broadcast_to(down[:, None], air.shape)


def _tone(upright: Float32Array, air: NDArray[np.bool_], spine: NDArray[np.bool_]) -> Tone:
    """Greys of the film; the clear lung is its darker third, for what lies in it is brighter."""
    black, white = float(upright.min()), float(upright.max())
    lung = float(np.quantile(upright[air], 0.3))
    tissue = float(np.median(upright[spine])) if spine.any() else lung
    if tissue - lung < _LEAST_STEP * (white - black):
        message = (
            f"the mediastinum is {tissue - lung:.4g} grey values brighter than the lungs, wanted "
            f"{_LEAST_STEP:.0%} of the film's {white - black:.4g} or more: no scale for a lesion"
        )
        raise PlantingError(message)
    return Tone(loose=lung, dense=tissue, black=black, white=white)
