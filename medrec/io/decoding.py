"""Decode a series in this process, whatever its format.

`medrec.io.loading.load_volume` has it done in a process of its own, which may die of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, assert_never

from medrec.domain.codes import ReasonCode
from medrec.domain.modality import FileFormat
from medrec.errors import FailedScanError
from medrec.io.dicom_volume import load_dicom
from medrec.io.nifti import load_nifti
from medrec.io.raster import load_raster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from medrec.domain.series import Series
    from medrec.domain.volume import Volume


def decode_series(series: Series, on_file: Callable[[int | None], None]) -> Volume:
    """Decode a series; `on_file` hears the index of each file before it is opened, then None.

    Raises:
        RefusedScanError: The pixels can't be decoded, or the slices make no regular volume.
        FailedScanError: A file can't be opened now (`io`).
    """
    first = series.first
    with io_errors():
        match first.format:
            case FileFormat.DICOM:
                return load_dicom(series, on_file)
            case FileFormat.NIFTI:
                on_file(0)
                return load_nifti(first.path, source=first.source)
            case FileFormat.RASTER:
                on_file(0)
                return load_raster(first.path, source=first.source)
            case unknown:
                assert_never(unknown)


@contextmanager
def io_errors() -> Iterator[None]:
    """Turn what the disk says into a failure; its message holds the path, which may hold a name."""
    try:
        yield
    except OSError as error:
        detail = f"the file can't be read now: {error.strerror or type(error).__name__}"
        raise FailedScanError(ReasonCode.IO, detail) from error
