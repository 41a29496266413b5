"""Stack planes into a volume: order them along their normal, and tell what is irregular.

A volume that is not regular is refused with the evidence, never resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from highdicom.spatial import get_volume_positions

from medrec.domain.codes import ReasonCode
from medrec.domain.geometry import Geometry
from medrec.errors import RefusedScanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.geometry import FloatArray

_RELATIVE_TOLERANCE = 0.01
_ABSOLUTE_TOLERANCE_MM = 0.02
"""Headers round positions; 0.02 mm of it is no irregularity, however thin the slices."""
_SAME_PLACE_MM = 0.01
_COSINE_TOLERANCE = 1e-3
_PERPENDICULAR_TOLERANCE = 1e-3
"""Of the cosine between stack and normal: 2.6 degrees. Below it the affine holds the shear."""


@dataclass(frozen=True, eq=False)
class PlanePlace:
    """Where a plane lies, in LPS+ millimetres, as DICOM's Image Plane module has it (C.7.6.2).

    `row_direction` (3,) is the way of increasing column index, `column_direction` (3,) that of
    increasing row index. `row_spacing_mm` lies between rows, `column_spacing_mm` between columns.
    `thickness_mm` is the distance to a neighbouring slice, if the header states one. `name` is how
    a technician finds the image: its instance or frame number, if known.
    """

    position_lps_mm: FloatArray
    row_direction: FloatArray
    column_direction: FloatArray
    row_spacing_mm: float
    column_spacing_mm: float
    thickness_mm: float | None
    name: str = ""

    @property
    def normal(self) -> FloatArray:
        """Row direction cross column direction: i, j, k are right-handed in LPS+."""
        return np.cross(self.row_direction, self.column_direction)


@dataclass(frozen=True, eq=False)
class Stack:
    """`order` lists the planes from first to last k; geometry is None for one lone thin plane."""

    order: tuple[int, ...]
    geometry: Geometry | None


def stack(places: Sequence[PlanePlace]) -> Stack:
    """Order planes along their normal and give the affine from (column, row, slice) to LPS+ mm.

    Raises:
        RefusedScanError: `bad_geometry`, `mixed_orientation`, `duplicate_position`, `tilt`, `gap`
            or `variable_spacing`.
    """
    with np.errstate(all="ignore"):  # what overflows is irregular, and refused as such
        return _stack(places)


def _stack(places: Sequence[PlanePlace]) -> Stack:
    _check_planes(places)
    if len(places) == 1:
        step = None if places[0].thickness_mm is None else places[0].normal * places[0].thickness_mm
        return Stack(order=(0,), geometry=_to_geometry(places[0], step))
    positions = np.stack([place.position_lps_mm for place in places])
    distances = positions @ places[0].normal
    order = np.argsort(distances, kind="stable")
    names = [places[int(index)].name for index in order]
    _check_regular(places[0], positions[order], distances[order], names)
    # The mean step between the ends, not the normal times the spacing: it keeps a slight shear.
    step = (positions[order[-1]] - positions[order[0]]) / (len(places) - 1)
    geometry = _to_geometry(places[int(order[0])], step)
    return Stack(order=tuple(int(index) for index in order), geometry=geometry)


def _to_geometry(first: PlanePlace, step: FloatArray | None) -> Geometry | None:
    if step is None:
        return None
    affine = np.eye(4)
    affine[:3, 0] = first.row_direction * first.column_spacing_mm
    affine[:3, 1] = first.column_direction * first.row_spacing_mm
    affine[:3, 2] = step
    affine[:3, 3] = first.position_lps_mm
    try:
        return Geometry(affine)
    except ValueError as error:
        raise RefusedScanError(ReasonCode.BAD_GEOMETRY, str(error)) from error


def _check_planes(places: Sequence[PlanePlace]) -> None:
    first = places[0]
    axes = np.stack([first.row_direction, first.column_direction])
    if np.abs(axes @ axes.T - np.eye(2)).max() > 10 * _COSINE_TOLERANCE:
        detail = "the image orientation is not two unit vectors at a right angle"
        raise RefusedScanError(ReasonCode.BAD_GEOMETRY, detail)
    for place in places:
        turned = np.abs(np.stack([place.row_direction, place.column_direction]) - axes).max()
        if turned > _COSINE_TOLERANCE:
            detail = f"orientations differ by up to {turned:.3f} in a cosine"
            raise RefusedScanError(ReasonCode.MIXED_ORIENTATION, detail)
        spacing = (place.row_spacing_mm, place.column_spacing_mm)
        if not np.allclose(spacing, (first.row_spacing_mm, first.column_spacing_mm), rtol=1e-3):
            raise RefusedScanError(ReasonCode.BAD_GEOMETRY, "the pixel spacing changes on the way")


def _check_regular(
    first: PlanePlace, positions: FloatArray, distances: FloatArray, names: Sequence[str]
) -> None:
    """Check planes sorted along the normal: positions (N, 3), distances (N,), names (N,)."""
    steps = np.diff(distances)
    count = len(distances)
    if steps.min() < _SAME_PLACE_MM:
        number = int(steps.argmin()) + 1
        detail = f"images {number} and {number + 1} of {count} lie at the same place"
        detail += _between(names, number - 1)
        raise RefusedScanError(ReasonCode.DUPLICATE_POSITION, detail)
    _check_upright(first, positions)
    usual = float(steps[steps <= steps.min() * (1 + _RELATIVE_TOLERANCE)].mean())
    tolerance_mm = max(_RELATIVE_TOLERANCE * usual, _ABSOLUTE_TOLERANCE_MM)
    _check_in_line(positions, distances, tolerance_mm)
    if _indices(first, positions, tolerance_mm=tolerance_mm) is not None:
        return
    with_gaps = _indices(first, positions, tolerance_mm=tolerance_mm, usual_mm=usual)
    if with_gaps is not None:
        raise RefusedScanError(ReasonCode.GAP, _gap_detail(with_gaps, steps, usual, names))
    detail = f"slices lie {steps.min():.2f} to {steps.max():.2f} mm apart, "
    detail += f"widest after slice {int(steps.argmax()) + 1} of {count}"
    detail += _between(names, int(steps.argmax()))
    raise RefusedScanError(ReasonCode.VARIABLE_SPACING, detail)


def _check_upright(first: PlanePlace, positions: FloatArray) -> None:
    along = positions[-1] - positions[0]
    cosine = float(along @ first.normal / np.linalg.norm(along))
    if abs(cosine - 1.0) > _PERPENDICULAR_TOLERANCE:
        degrees = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
        detail = f"the stack leans {degrees:.1f} degrees against the normal of its slices"
        raise RefusedScanError(ReasonCode.TILT, detail)


def _check_in_line(positions: FloatArray, distances: FloatArray, tolerance_mm: float) -> None:
    """Refuse a plane that stands beside the line from the first plane to the last."""
    share = (distances - distances[0]) / (distances[-1] - distances[0])
    line = positions[0] + share[:, None] * (positions[-1] - positions[0])
    aside_mm = np.linalg.norm(positions - line, axis=1)
    if aside_mm.max() > tolerance_mm:
        number = int(aside_mm.argmax()) + 1
        detail = f"slice {number} of {len(positions)} stands {aside_mm.max():.2f} mm aside"
        raise RefusedScanError(ReasonCode.BAD_GEOMETRY, detail)


def _indices(
    first: PlanePlace,
    positions: FloatArray,
    *,
    tolerance_mm: float,
    usual_mm: float | None = None,
) -> list[int] | None:
    """Index of each plane in a regular volume, or None; gaps are allowed if `usual_mm` is given."""
    _, indices = get_volume_positions(
        positions.tolist(),
        [*first.row_direction, *first.column_direction],
        atol=tolerance_mm,
        perpendicular_tol=1.0,  # lean and line are checked above, in degrees and in mm
        allow_missing_positions=usual_mm is not None,
        spacing_hint=usual_mm,
        index_convention="RD",
    )
    return None if indices is None else list(indices)


def _between(names: Sequence[str], at: int) -> str:
    """The names of two neighbours, in brackets; nothing where they have none."""
    return f" ({names[at]} and {names[at + 1]})" if names[at] and names[at + 1] else ""


def _gap_detail(indices: list[int], steps: FloatArray, usual: float, names: Sequence[str]) -> str:
    total = indices[-1] + 1
    first_gap = next(at for at in range(len(steps)) if indices[at + 1] - indices[at] > 1)
    detail = f"slice {indices[first_gap] + 2} of {total} is missing: "
    detail += f"{steps[first_gap]:.1f} mm where {usual:.1f} mm is usual"
    detail += _between(names, first_gap)
    missing = total - len(indices)
    return detail if missing == 1 else f"{detail}; {missing} are missing in all"
