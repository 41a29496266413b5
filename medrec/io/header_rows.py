"""Image headers as rows of text, for the index on disk and for the pipe of a reader."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from medrec.domain.series import FileRecord, FileStatus, ImageHeader
from medrec.errors import FailedScanError, ScanError, SkippedFileError
from medrec.io.dicom_file import silence
from medrec.io.header import PackedFileError, read_header

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medrec.io.discover import FoundFile

_HEADERS = TypeAdapter(ImageHeader)
_APART = {"patient_id"}


class HeaderRow(NamedTuple):
    """A header: what it is grouped by, and `facts`, which is all else of it, as JSON.

    `image` is what copies of an image share, `study` what images of a case share. The path stands
    apart since it may be no Unicode (then it holds surrogates, as Python has it), and the PatientID
    since it must not reach a disk.
    """

    source: str
    path: str
    format: str
    image: str
    study: str
    identity: str
    patient_id: str | None
    facts: str


class PackedRow(NamedTuple):
    """A file that must be unpacked before it can be read."""

    path: str
    source: str


Row = HeaderRow | PackedRow | FileRecord
"""What came of a file's header; one that can't be read is a row of `files.csv`."""


def read_row(file: FoundFile) -> Row:
    """Read a file's header."""
    try:
        return to_row(read_header(file))
    except PackedFileError:
        return PackedRow(os.fspath(file.path), file.source)
    except ScanError as error:
        return to_record(file.source, error)


def read_rows_of(files: Iterable[FoundFile]) -> list[Row]:
    """Read the headers of several files."""
    with silence():
        return [read_row(file) for file in files]


def to_row(header: ImageHeader) -> HeaderRow:
    """Write a header as text; `to_header` reads it."""
    return HeaderRow(
        source=header.source,
        path=os.fspath(header.path),
        format=header.format,
        image=header.sop_uid or header.identity,
        study=header.study_uid or header.identity,
        identity=header.identity,
        patient_id=header.patient_id,
        facts=_to_facts(header),
    )


def _to_facts(header: ImageHeader) -> str:
    try:
        return _HEADERS.dump_json(header, exclude=_APART).decode()
    except PydanticSerializationError:  # a path that is no Unicode
        return _HEADERS.dump_json(replace(header, path=Path()), exclude=_APART).decode()


def to_header(path: str, facts: str) -> ImageHeader:
    """The header that a row was written from, without its PatientID."""
    header = _HEADERS.validate_json(facts)
    return header if os.fspath(header.path) == path else replace(header, path=Path(path))


def to_record(source: str, error: ScanError) -> FileRecord:
    """The row of `files.csv` for a file that raised an error."""
    return FileRecord(path=source, status=status_of(error), code=error.code, detail=error.detail)


def status_of(error: ScanError) -> FileStatus:
    """How a file ended that raised an error."""
    if isinstance(error, SkippedFileError):
        return FileStatus.SKIPPED
    return FileStatus.FAILED if isinstance(error, FailedScanError) else FileStatus.REFUSED
