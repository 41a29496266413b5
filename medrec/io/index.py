"""Find, read and group all that a folder holds; every file ends up somewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medrec.domain.series import FileRecord, FileStatus, ScanIndex
from medrec.errors import FailedScanError, ScanError, SkippedFileError
from medrec.io.discover import discover
from medrec.io.grouping import group
from medrec.io.header import read_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medrec.domain.ids import PatientKey
    from medrec.domain.series import ImageHeader


def index_scans(scans: Path, *, patient_key: Callable[[str], PatientKey]) -> ScanIndex:
    """List the cases of a folder or file, and a record of each file that belongs to none.

    Raises:
        InputError: Nothing is there.
    """
    headers: list[ImageHeader] = []
    records: list[FileRecord] = []
    for file in discover(scans):
        try:
            headers.append(read_header(file))
        except ScanError as error:
            records.append(to_record(file.source, error))
    index = group(headers, patient_key=patient_key)
    every = sorted((*index.records, *records), key=lambda record: record.path)
    return replace(index, records=tuple(every))


def to_record(source: str, error: ScanError) -> FileRecord:
    """The row of `files.csv` for a file that raised an error."""
    return FileRecord(path=source, status=status_of(error), code=error.code, detail=error.detail)


def status_of(error: ScanError) -> FileStatus:
    """How a file ended that raised an error."""
    if isinstance(error, SkippedFileError):
        return FileStatus.SKIPPED
    return FileStatus.FAILED if isinstance(error, FailedScanError) else FileStatus.REFUSED
