"""Load pixels: of a series, of a file, of a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.domain.codes import ReasonCode
from medrec.domain.ids import PatientKey
from medrec.domain.modality import FileFormat
from medrec.domain.series import FileStatus, Series
from medrec.errors import FailedScanError, RefusedScanError
from medrec.io.decoding import io_errors
from medrec.io.decoding_worker import shared_worker
from medrec.io.discover import FoundFile, sniff
from medrec.io.header import read_header
from medrec.io.index import open_index
from medrec.io.nifti import load_nifti_mask, read_nifti_grid
from medrec.io.raster import load_raster_mask, read_raster_shape
from medrec.io.selection import only_series
from medrec.io.stamp import check_unchanged

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from medrec.domain.geometry import Geometry
    from medrec.domain.series import ScanIndex
    from medrec.domain.volume import Volume
    from medrec.io.decoding_worker import DecodingWorker
    from medrec.io.selection import Rules


def load_volume(series: Series, *, worker: DecodingWorker | None = None) -> Volume:
    """Decode a series, in a process of its own; `Volume.notes` repeats its headers', each once.

    `worker` has it done; None is the one that all of this program share.

    Raises:
        RefusedScanError: The pixels can't be decoded, the decoder ended on them
            (`decoder_crashed`), or the slices make no regular volume.
        FailedScanError: A file can't be opened now, or changed since its header was read (`io`); it
            took too long (`timeout`).
        MedrecError: The process can't be started.
    """
    check_unchanged(series)  # what has become a pipe must not be opened: it would never end
    try:
        return (worker or shared_worker()).load(series)
    finally:
        check_unchanged(series)  # what came of a file that changed, volume or refusal, says nothing


def load_file(
    path: Path, *, rules: Rules | None = None, worker: DecodingWorker | None = None
) -> Volume:
    """Decode one NIfTI, PNG, JPEG or DICOM file, or a folder of one DICOM series.

    Where a folder holds several series, `rules` say which one is meant. `worker` has it done; None
    is the one that all of this program share.

    Raises:
        ScanError: What a file of it is refused for; a folder in which not one series
            is meant (`not_selected`).
    """
    if path.is_dir():
        with open_index(path, patient_key=PatientKey) as index:
            return load_volume(_only_series(index, rules), worker=worker)
    series = Series((read_header(FoundFile(path=path, source=path.name)),))
    return load_volume(series, worker=worker)


def load_mask(path: Path) -> tuple[NDArray[np.bool_], Geometry | None]:
    """Read a NIfTI or PNG mask (I, J, K) as stored (PNG: columns, rows, 1), True where not 0.

    Raises:
        RefusedScanError: It is neither, or can't be read.
        FailedScanError: The file can't be opened now (`io`).
    """
    with io_errors():
        match sniff(path):
            case FileFormat.NIFTI:
                return load_nifti_mask(path)
            case FileFormat.RASTER:
                return load_raster_mask(path), None
            case _:
                raise RefusedScanError(ReasonCode.NOT_AN_IMAGE, "a mask is NIfTI or PNG")


def read_grid(path: Path) -> tuple[tuple[int, int, int], Geometry | None] | None:
    """The stored shape (I, J, K) and place of a NIfTI, PNG or JPEG file, from its header alone.

    None for other formats and for folders.

    Raises:
        RefusedScanError: Its header can't be used.
        FailedScanError: The file can't be opened now (`io`).
    """
    if path.is_dir():
        return None
    with io_errors():
        match sniff(path):
            case FileFormat.NIFTI:
                return read_nifti_grid(path)
            case FileFormat.RASTER:
                return read_raster_shape(path), None
            case _:
                return None


def _only_series(index: ScanIndex, rules: Rules | None) -> Series:
    for record in index.records:
        if record.status is FileStatus.REFUSED:
            raise RefusedScanError(record.code, f"{record.path}: {record.detail}")
        if record.status is FileStatus.FAILED:
            raise FailedScanError(record.code, f"{record.path}: {record.detail}")
    return only_series(index.cases, rules)
