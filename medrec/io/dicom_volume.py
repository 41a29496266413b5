"""Load a DICOM series: decode its files, order the planes, stack them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.codes import ReasonCode
from medrec.domain.volume import Volume
from medrec.errors import RefusedScanError
from medrec.io.dicom_file import MAX_DECODED_BYTES
from medrec.io.dicom_planes import Plane, read_planes
from medrec.io.image_type import MOSAIC
from medrec.io.stacking import Stack, stack
from medrec.io.voxels import check_values

if TYPE_CHECKING:
    from medrec.domain.codes import Note
    from medrec.domain.series import Series

_FLOAT32_BYTES = 4


def load_dicom(series: Series) -> Volume:
    """Decode a series to (1, columns, rows, slices), slices along the normal.

    Raises:
        RefusedScanError: An image can't be decoded, or the planes make no regular volume.
        OSError: A file can't be opened.
    """
    _check_kind(series)
    _check_size(series)
    planes, sources = _read_all(series)
    stacked = _stack(planes)
    ordered = [planes[index] for index in stacked.order]
    voxels = np.stack([plane.levels.T for plane in ordered], axis=-1)[np.newaxis]
    check_values(voxels)
    return Volume(
        voxels=voxels,
        geometry=stacked.geometry,
        slice_axis=2,
        slice_sources=tuple(sources[index] for index in stacked.order),
        # Scanners window the ends of a stack oddly; the middle slice speaks for all.
        window=ordered[len(ordered) // 2].window,
        notes=_notes(series),
    )


def _check_kind(series: Series) -> None:
    first = series.first
    if MOSAIC in first.image_type:
        detail = "a Siemens mosaic: all slices tiled into one picture. Export the series as "
        detail += "enhanced multi-frame or as one image a slice"
        raise RefusedScanError(ReasonCode.BAD_GEOMETRY, detail)
    if first.frames is None and len(first.stacks) > 1:
        detail = f"the file holds {len(first.stacks)} stacks, where one is wanted"
        raise RefusedScanError(ReasonCode.NOT_SELECTED, detail)


def _check_size(series: Series) -> None:
    voxels = sum(columns * rows * frames for columns, rows, frames in _shapes(series))
    if voxels * _FLOAT32_BYTES > 2 * MAX_DECODED_BYTES:
        detail = f"{voxels * _FLOAT32_BYTES / 1024**2:.0f} MiB of voxels in one series"
        raise RefusedScanError(ReasonCode.TOO_LARGE, detail)


def _shapes(series: Series) -> list[tuple[int, int, int]]:
    return [header.shape for header in series.headers]


def _read_all(series: Series) -> tuple[list[Plane], list[str]]:
    planes: list[Plane] = []
    sources: list[str] = []
    for header in series.headers:
        found = read_planes(header.path, frames=header.frames)
        if any(plane.levels.shape != (header.shape[1], header.shape[0]) for plane in found):
            detail = "the file has changed since its header was read"
            raise RefusedScanError(ReasonCode.SIZE_MISMATCH, detail)
        planes += found
        sources += [header.source] * len(found)
    return planes, sources


def _stack(planes: list[Plane]) -> Stack:
    places = [plane.place for plane in planes if plane.place is not None]
    if len(places) == len(planes):
        return stack(places)
    if len(planes) == 1:
        return Stack(order=(0,), geometry=None)
    missing = len(planes) - len(places)
    detail = f"{missing} of {len(planes)} slices lack position, orientation or pixel spacing"
    raise RefusedScanError(ReasonCode.BAD_GEOMETRY, detail)


def _notes(series: Series) -> tuple[Note, ...]:
    """Every note of the headers, once."""
    return tuple(dict.fromkeys(note for header in series.headers for note in header.notes))
