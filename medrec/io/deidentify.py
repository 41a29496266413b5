"""De-identify one file, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from medrec.domain.codes import Note, ReasonCode
from medrec.domain.ids import to_case_id
from medrec.domain.modality import FileFormat
from medrec.errors import FailedScanError, RefusedScanError, SkippedFileError
from medrec.io.deidentify_dicom import deidentify_dicom
from medrec.io.deidentify_nifti import deidentify_nifti
from medrec.io.deidentify_raster import deidentify_raster
from medrec.io.digest import file_digest
from medrec.io.discover import is_regular_file, sniff
from medrec.io.header import read_header

if TYPE_CHECKING:
    from pathlib import Path

    from medrec.domain.ids import CaseId
    from medrec.io.discover import FoundFile
    from medrec.io.pseudonyms import Pseudonyms


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A copy without names. `case_id` is that of the copy: no hash of anything that was known."""

    path: Path
    case_id: CaseId
    note: Note | None = None


def deidentify_file(
    file: FoundFile, folder: Path, *, name: str, pseudonyms: Pseudonyms
) -> WrittenFile:
    """Write a copy of an image into a folder, as `name` and the extension of its format.

    Raises:
        RefusedScanError: It can't be read, or holds text that can't be cleaned (`identifiable`).
        SkippedFileError: It is no image.
        FailedScanError: It can't be read now (`io`).
        OSError: The folder can't be written.
    """
    part = folder / f"{name}.part"
    try:
        format_ = _format_of(file)
        extension, identity, note = _write(file, part, format_, pseudonyms)
        path = part.replace(folder / f"{name}{extension}")
    finally:
        part.unlink(missing_ok=True)
    return WrittenFile(path=path, case_id=to_case_id(identity or file_digest(path)), note=note)


def _write(
    file: FoundFile, part: Path, format_: FileFormat, pseudonyms: Pseudonyms
) -> tuple[str, str, Note | None]:
    """Extension, identity (empty: the copy's digest) and note of the copy."""
    match format_:
        case FileFormat.DICOM:
            try:
                done = deidentify_dicom(file, part, pseudonyms)
            except SkippedFileError as error:
                detail = f"{error.detail}: its content may hold names, and only images are cleaned"
                raise RefusedScanError(ReasonCode.IDENTIFIABLE, detail) from error
            return ".dcm", done.identity, done.note
        case FileFormat.NIFTI:
            return deidentify_nifti(file, part), "", None
        case FileFormat.RASTER:
            return deidentify_raster(file, part), "", None
        case unknown:
            assert_never(unknown)


def _format_of(file: FoundFile) -> FileFormat:
    try:
        format_ = sniff(file.path) if is_regular_file(file.path) else None
        if format_ is None:
            read_header(file)  # knows why it is none
            raise SkippedFileError(ReasonCode.NOT_AN_IMAGE, "no DICOM, NIfTI, PNG or JPEG")
    except OSError as error:
        detail = f"the file can't be read now: {error.strerror or type(error).__name__}"
        raise FailedScanError(ReasonCode.IO, detail) from error
    return format_
