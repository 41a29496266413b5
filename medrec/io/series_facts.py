"""What a series says of itself, as rules see it: one value a fact, None where it is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medrec.domain.modality import FileFormat, Sequence

if TYPE_CHECKING:
    from medrec.domain.series import ImageHeader, Series

Orientation = Literal["axial", "coronal", "sagittal", "oblique"]

MAX_TEXT = 256
"""Characters of a description that are searched; DICOM's own limit is 64."""
_OBLIQUE_DEGREES = 30.0
_PLANES: tuple[Orientation, ...] = ("sagittal", "coronal", "axial")
"""The planes whose normals are the axes of LPS+, in their order."""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """Facts of a series; texts are in upper case but for the sequence and the orientation.

    `descriptions` are SeriesDescription and ProtocolName, those that are there. They may hold
    names and are never written anywhere.
    """

    modality: str | None
    body_part: str | None
    sequence: str | None
    descriptions: tuple[str, ...]
    repetition_time_ms: float | None
    echo_time_ms: float | None
    inversion_time_ms: float | None
    has_contrast: bool | None
    orientation: Orientation | None
    slices: int | None
    slice_distance_mm: float | None
    pixels: int
    image_type: tuple[str, ...]
    laterality: str | None
    view_position: str | None
    manufacturer: str | None


def facts_of(series: Series) -> SeriesFacts:
    """The facts of a series; its first image speaks where the images don't differ by design."""
    first = series.first
    texts = (first.series_description, first.protocol_name)
    return SeriesFacts(
        modality=first.modality,
        body_part=_upper(first.body_part),
        sequence=first.sequence,
        descriptions=tuple(text[:MAX_TEXT] for text in texts if text),
        repetition_time_ms=first.repetition_time_ms,
        echo_time_ms=first.echo_time_ms,
        inversion_time_ms=first.inversion_time_ms,
        has_contrast=_has_contrast(first),
        orientation=_orientation(first),
        slices=_slice_count(series),
        slice_distance_mm=_slice_distance(series),
        pixels=first.shape[0] * first.shape[1],
        image_type=first.image_type,
        laterality=_upper(first.laterality),
        view_position=_upper(first.view_position),
        manufacturer=_upper(first.manufacturer),
    )


def _upper(text: str | None) -> str | None:
    return text.upper() if text else None


def _has_contrast(header: ImageHeader) -> bool | None:
    if header.has_contrast_agent is None and header.sequence is Sequence.T1C:
        return True  # the description says so
    return header.has_contrast_agent


def _normal(header: ImageHeader) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """Unit normal (3,) of the image plane in LPS+; None if unknown or not a plane."""
    if header.orientation is None:
        return None
    row, column = np.array(header.orientation[:3]), np.array(header.orientation[3:])
    normal = np.cross(row, column)
    length = float(np.linalg.norm(normal))
    return normal / length if length > 0 else None


def _orientation(header: ImageHeader) -> Orientation | None:
    normal = _normal(header)
    if normal is None:
        return None
    axis = int(np.abs(normal).argmax())
    is_near = abs(float(normal[axis])) >= np.cos(np.radians(_OBLIQUE_DEGREES))
    return _PLANES[axis] if is_near else "oblique"


def _slice_count(series: Series) -> int | None:
    first = series.first
    if first.format is FileFormat.NIFTI:
        return first.slice_count
    return sum(header.shape[2] for header in series.headers)


def _slice_distance(series: Series) -> float | None:
    """Mean distance between slices along the normal, in mm."""
    normal = _normal(series.first)
    places = [header.position_lps_mm for header in series.headers]
    known = [place for place in places if place is not None]
    if normal is None or len(known) != len(places) or len(known) < 2:  # noqa: PLR2004 (two ends)
        return None
    along = np.array(known) @ normal
    return float(np.ptp(along)) / (len(known) - 1)
