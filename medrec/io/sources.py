"""List what there is to read: every file, what a DICOMDIR names, what archives hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.domain.codes import ReasonCode
from medrec.domain.series import FileRecord, FileStatus
from medrec.errors import FailedScanError, RefusedScanError, ScanError
from medrec.io.archive import unpack
from medrec.io.dicomdir import is_dicomdir, referenced_files
from medrec.io.discover import FoundFile, discover, is_regular_file, to_source
from medrec.io.gzipped import inflate
from medrec.io.header_rows import to_record
from medrec.io.inflating import disk_errors
from medrec.io.member_names import to_source as to_member_source
from medrec.io.packing import Packing, packing_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sized
    from pathlib import Path


def list_files(scans: Path) -> Iterator[FoundFile | FileRecord]:
    """List every file of a folder, one file, or the files that a DICOMDIR names.

    A DICOMDIR counts only where it is the scans itself: in a folder its files are found anyway.

    Raises:
        InputError: Nothing is there.
    """
    for file in discover(scans):
        if not scans.is_dir() and _is_directory(file.path):
            yield from _named_by(file)
        else:
            yield file


def open_packed(
    file: FoundFile, workspace: Path, *, is_member: bool
) -> Iterator[FoundFile | FileRecord]:
    """Open a packed file: what it holds, unpacked into the workspace, and a zip's own record.

    What is unpacked must stay there as long as it is read. An archive in an archive is refused, so
    that nesting ends at once.
    """
    try:
        with disk_errors():
            workspace.mkdir(exist_ok=True)
            packing = packing_of(file.path)
        if packing is Packing.ZIP and not is_member:
            members = unpack(file, workspace)
            yield _contents(file, f"an archive of {_count(members)}, listed below it")
            yield from members
        else:
            yield _inflated(file, workspace, packing)
    except ScanError as error:
        yield to_record(file.source, error)


def _inflated(file: FoundFile, workspace: Path, packing: Packing | None) -> FoundFile:
    match packing:
        case Packing.GZIP:
            return inflate(file, workspace)
        case Packing.ZIP:
            detail = "an archive in an archive is not opened: unpack the outer one first"
            raise RefusedScanError(ReasonCode.ARCHIVE_LIMIT, detail)
        case None:
            raise FailedScanError(ReasonCode.IO, "the file changed while it was read")
        case _:
            detail = f"packed by {packing} and not opened: unpack it first, or make a zip of it"
            raise RefusedScanError(ReasonCode.ARCHIVE_LIMIT, detail)


def _is_directory(path: Path) -> bool:
    try:
        return is_regular_file(path) and is_dicomdir(path)
    except OSError:
        return False


def _named_by(file: FoundFile) -> Iterator[FoundFile | FileRecord]:
    """The files that a DICOMDIR names, each by its path from the DICOMDIR's folder."""
    try:
        with disk_errors():
            named = referenced_files(file.path)
    except ScanError as error:
        yield to_record(file.source, error)
        return
    yield _contents(file, f"a DICOMDIR, which names {_count(named)}")
    for parts, path in named:
        if path is None:
            missing = FailedScanError(ReasonCode.IO, "named by the DICOMDIR but not there")
            yield to_record(to_member_source(parts), missing)
        else:
            yield FoundFile(path=path, source=to_source(path.relative_to(file.path.parent)))


def _contents(file: FoundFile, detail: str) -> FileRecord:
    return FileRecord(file.source, FileStatus.SKIPPED, None, ReasonCode.NOT_AN_IMAGE, detail)


def _count(files: Sized) -> str:
    return f"{len(files)} file{'' if len(files) == 1 else 's'}"
