"""Image headers as rows of text, for the index on disk and for the pipe of a reader."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter

from medrec.domain.series import FileRecord, FileStatus, ImageHeader
from medrec.errors import FailedScanError, ScanError, SkippedFileError
from medrec.io.header import read_header

if TYPE_CHECKING:
    from medrec.io.discover import FoundFile

_HEADERS = TypeAdapter(ImageHeader)
_APART = {"path", "patient_id"}


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


def read_row(file: FoundFile) -> HeaderRow | FileRecord:
    """Read a file's header; one that can't be read is a row of `files.csv`."""
    try:
        return to_row(read_header(file))
    except ScanError as error:
        return to_record(file.source, error)


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
        facts=_HEADERS.dump_json(header, exclude=_APART).decode(),
    )


def to_header(path: str, facts: str) -> ImageHeader:
    """The header that a row was written from, without its PatientID."""
    return _HEADERS.validate_python({**json.loads(facts), "path": Path(path)})


def to_record(source: str, error: ScanError) -> FileRecord:
    """The row of `files.csv` for a file that raised an error."""
    return FileRecord(path=source, status=status_of(error), code=error.code, detail=error.detail)


def status_of(error: ScanError) -> FileStatus:
    """How a file ended that raised an error."""
    if isinstance(error, SkippedFileError):
        return FileStatus.SKIPPED
    return FileStatus.FAILED if isinstance(error, FailedScanError) else FileStatus.REFUSED
