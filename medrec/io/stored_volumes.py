"""Voxels of volumes as files hold them, and files of the same kind with others in their place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from medrec.domain.codes import ReasonCode
from medrec.domain.modality import FileFormat
from medrec.domain.series import Series
from medrec.errors import RefusedScanError
from medrec.io.decoding import io_errors
from medrec.io.dicom_pixels import read_pixel_spec, read_rescale
from medrec.io.nifti import read_stored_nifti
from medrec.io.stored import read_dicom_plane

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.domain.series import ImageHeader
    from medrec.domain.volume import Volume
    from medrec.io.nifti import StoredNifti
    from medrec.io.stored import DicomPlane

_NAME = "volume"


class StoredVolume(Protocol):
    """A volume whose voxels can be raised."""

    def write(self, folder: Path, rise: FloatArray) -> Series:
        """Write it with voxels (I, J, K) raised by values after rescale; what it is as scan."""


def read_volume(series: Series, volume: Volume) -> StoredVolume:
    """Read the voxels of a series that was decoded to this volume.

    Raises:
        RefusedScanError: The voxels can't be read, or a file of it holds several frames.
        FailedScanError: A file can't be opened now (`io`).
    """
    with io_errors():
        match series.first.format:
            case FileFormat.NIFTI:
                return NiftiVolume(read_stored_nifti(series.first.path), series.first)
            case FileFormat.DICOM:
                return _read_stack(series, volume)
            case _:
                raise RefusedScanError(ReasonCode.OUT_OF_SCOPE, "a picture, no volume")


@dataclass(frozen=True, eq=False)
class NiftiVolume:
    """A NIfTI file; it is written unpacked, all but its voxels byte for byte."""

    stored: StoredNifti
    header: ImageHeader

    def write(self, folder: Path, rise: FloatArray) -> Series:
        """Write the file with its voxels raised."""
        pixels = self.stored.pixels
        path = folder / f"{_NAME}.nii"
        limits = (-np.inf, np.inf)
        if np.issubdtype(pixels.dtype, np.integer):
            limits = (np.iinfo(pixels.dtype).min, np.iinfo(pixels.dtype).max)
        self.stored.write(path, raised(pixels, rise / self.stored.slope, limits))
        return Series((replace(self.header, path=path, stamp=None),))


@dataclass(frozen=True, eq=False)
class DicomStack:
    """The files of a stack in the order of their slices, and each one's slope.

    The slope is below 0 where the file stores bright as low (MONOCHROME1, PS3.3 C.7.6.3.1.2).
    """

    planes: tuple[DicomPlane, ...]
    slopes: tuple[float, ...]

    def write(self, folder: Path, rise: FloatArray) -> Series:
        """Write the files of the slices that change; the others are those of the scan itself."""
        headers = []
        for number, (plane, slope) in enumerate(zip(self.planes, self.slopes, strict=True)):
            own = rise[:, :, number].T / slope
            if not own.any():
                headers.append(plane.header)
                continue
            limits = (float(plane.pixels.min()), float(plane.highest))
            changed = raised(plane.pixels, own, limits)
            headers.append(plane.write(folder, changed, name=f"{number}").first)
        return Series(tuple(headers))


def raised(pixels: NDArray[Any], rise: FloatArray, limits: tuple[float, float]) -> NDArray[Any]:
    """Add a rise of stored values, rounded where they are whole; what has none stays as it is."""
    changed = pixels + rise
    if np.issubdtype(pixels.dtype, np.integer):
        changed = np.round(changed)
    whole: NDArray[Any] = np.where(rise != 0, np.clip(changed, *limits), pixels)
    return whole.astype(pixels.dtype)


def _read_stack(series: Series, volume: Volume) -> DicomStack:
    headers = {header.source: header for header in series.headers}
    if len(headers) != volume.slice_count or volume.slice_axis != 2:  # noqa: PLR2004 (the normal)
        detail = "several slices of it lie in one file: lesions are planted into one slice a file"
        raise RefusedScanError(ReasonCode.OUT_OF_SCOPE, detail)
    planes = tuple(read_dicom_plane(headers[source]) for source in volume.slice_sources)
    return DicomStack(planes, tuple(map(_slope_of, planes)))


def _slope_of(plane: DicomPlane) -> float:
    slope = read_rescale(plane.dataset)[0]
    return -slope if read_pixel_spec(plane.dataset).is_inverse else slope
