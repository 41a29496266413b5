"""A DICOMDIR: the table of contents of a CD, which names files beside and below it (PS3.10)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydicom.filereader import dcmread, read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.io.dicom_file import dicom_errors
from medrec.io.member_names import safe_parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import Dataset

MAX_BYTES = 256 * 1024**2
MAX_RECORDS = 200_000

_ITEM_TAG = b"\xfe\xff\x00\xe0"
_INACTIVE = 0


def is_dicomdir(path: Path) -> bool:
    """Tell a DICOMDIR by its file meta group, whatever its name.

    Raises:
        OSError: The file can't be opened.
    """
    try:
        with dicom_errors():
            sop_class = read_file_meta_info(path).get("MediaStorageSOPClassUID")
            return bool(sop_class == MediaStorageDirectoryStorage)
    except RefusedScanError:
        return False


def referenced_files(path: Path) -> list[tuple[tuple[str, ...], Path | None]]:
    """The files that a DICOMDIR names: folders and name of each, and where it lies.

    None stands for one that isn't there. Names are looked up as they are, then in any case: CDs are
    written in capitals, and copied as the system likes.

    Raises:
        RefusedScanError: A name leads out of the DICOMDIR's folder, straight or by a link
            (`unsafe_archive`); it can't be read (`malformed`, `truncated`, `too_large`).
        OSError: The file can't be opened.
    """
    root = path.parent.resolve()
    names = dict.fromkeys(_checked(parts) for parts in _file_ids(path))
    lookup = _Lookup()
    found = []
    for parts in names:
        there = lookup.find(root, parts)
        if there is not None and not there.resolve().is_relative_to(root):
            raise RefusedScanError(
                ReasonCode.UNSAFE_ARCHIVE, "a link leads out of the DICOMDIR's folder"
            )
        found.append((parts, there))
    return found


def _file_ids(path: Path) -> Iterator[str]:
    """The file of each record that is in use and names one, its parts joined by backslashes."""
    with dicom_errors():
        for record in _records(path):
            parts = record.get("ReferencedFileID")
            if parts and record.get("RecordInUseFlag") != _INACTIVE:
                parts = [parts] if isinstance(parts, str) else parts
                # Spaces around a code string don't count (PS3.5 6.2); some writers pad with zeros.
                yield "\\".join(str(part).strip(" \0") for part in parts)


def _records(path: Path) -> list[Dataset]:
    if path.stat().st_size > MAX_BYTES:
        raise RefusedScanError(ReasonCode.TOO_LARGE, f"over {MAX_BYTES // 1024**2} MiB of records")
    # pydicom makes an object of every item, and one takes 8 bytes.
    if path.read_bytes().count(_ITEM_TAG) > MAX_RECORDS:
        raise RefusedScanError(ReasonCode.TOO_LARGE, f"more than {MAX_RECORDS:,} records")
    if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise RefusedScanError(ReasonCode.MALFORMED, "a DICOMDIR is never deflated (PS3.10)")
    dataset = dcmread(path, specific_tags=["DirectoryRecordSequence"])
    if "DirectoryRecordSequence" not in dataset:
        raise RefusedScanError(ReasonCode.TRUNCATED, "the DICOMDIR ends before its records")
    return list(dataset.DirectoryRecordSequence)


def _checked(file_id: str) -> tuple[str, ...]:
    try:
        return safe_parts(file_id)
    except RefusedScanError as error:
        raise RefusedScanError(
            ReasonCode.UNSAFE_ARCHIVE, f"a file that the DICOMDIR names {error.detail}"
        ) from error


class _Lookup:
    """Finds names in folders, listing each folder once."""

    def __init__(self) -> None:
        self._folders: dict[Path, tuple[frozenset[str], dict[str, str]]] = {}

    def find(self, root: Path, parts: tuple[str, ...]) -> Path | None:
        """Where the parts lead from a folder; None where a part is not there."""
        path = root
        for part in parts:
            exact, folded = self._names_in(path)
            name = part if part in exact else folded.get(part.casefold())
            if name is None:
                return None
            path = path / name
        return path

    def _names_in(self, folder: Path) -> tuple[frozenset[str], dict[str, str]]:
        if folder not in self._folders:
            try:
                names = sorted(os.listdir(folder), reverse=True)  # noqa: PTH208 (names are wanted)
            except OSError:  # a file, or a folder that may not be listed: nothing is found in it
                names = []
            self._folders[folder] = frozenset(names), {name.casefold(): name for name in names}
        return self._folders[folder]
