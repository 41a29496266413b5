"""How large an image is, from its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.domain.box import ImageSize
from medrec.domain.ids import PatientKey
from medrec.domain.modality import FileFormat
from medrec.errors import ScanError
from medrec.io.decoding import io_errors
from medrec.io.discover import FoundFile, sniff
from medrec.io.header import read_header
from medrec.io.index import open_index
from medrec.io.nifti import read_nifti_grid, read_nifti_slice_axis
from medrec.io.selection import only_series

if TYPE_CHECKING:
    from pathlib import Path


def read_image_size(path: Path) -> ImageSize:
    """Columns, rows and slices of a NIfTI, PNG, JPEG or DICOM file; of a folder the whole series.

    Raises:
        ScanError: Its header can't be used.
    """
    if path.is_dir():
        return _size_of_series(path)
    with io_errors():
        if path.is_file() and sniff(path) is FileFormat.NIFTI:
            shape, _ = read_nifti_grid(path)
            axis = read_nifti_slice_axis(path)
            columns, rows = (side for at, side in enumerate(shape) if at != axis)
            return ImageSize(columns, rows, shape[axis])
    return ImageSize(*read_header(FoundFile(path=path, source=path.name)).shape)


def read_slice_axis(path: Path) -> int:
    """The axis (0, 1 or 2) along which a file's slices lie: 2 but in a NIfTI file that says else.

    Raises:
        ScanError: Its header can't be used.
    """
    with io_errors():
        is_nifti = path.is_file() and sniff(path) is FileFormat.NIFTI
        return read_nifti_slice_axis(path) if is_nifti else 2


def known_image_size(path: Path) -> ImageSize | None:
    """The same, or None where the image isn't there or can't be read."""
    try:
        return read_image_size(path)
    except ScanError:
        return None


def _size_of_series(folder: Path) -> ImageSize:
    """One series is meant: as many slices as its files have frames."""
    with open_index(folder, patient_key=PatientKey) as index:
        series = only_series(index.cases, None)
        columns, rows, _ = series.first.shape
        return ImageSize(columns, rows, sum(header.shape[2] for header in series.headers))
