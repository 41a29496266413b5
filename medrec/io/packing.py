"""Tell how a file is packed, by what is in it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from medrec.domain.modality import FileFormat
from medrec.io.archive import is_archive
from medrec.io.discover import HEAD_BYTES, format_of, inflated_head, is_gzip

if TYPE_CHECKING:
    from pathlib import Path


class Packing(StrEnum):
    """What must be unpacked before it can be read; the value is its name in words.

    medrec itself unpacks the first two.
    """

    ZIP = "zip"
    GZIP = "gzip"  # of one image
    GZIPPED_ARCHIVE = "gzip, around an archive,"
    TAR = "tar"
    SEVEN_ZIP = "7z"
    RAR = "rar"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTANDARD = "zstd"


_MAGICS = {
    Packing.TAR: re.compile(rb".{257}ustar", re.DOTALL),
    Packing.SEVEN_ZIP: re.compile(rb"7z\xbc\xaf\x27\x1c"),
    Packing.RAR: re.compile(rb"Rar!\x1a\x07"),
    Packing.BZIP2: re.compile(rb"BZh[1-9]1AY&SY"),
    Packing.XZ: re.compile(rb"\xfd7zXZ\x00"),
    Packing.ZSTANDARD: re.compile(rb"\x28\xb5\x2f\xfd"),
}


def packing_of(path: Path) -> Packing | None:
    """How a regular file is packed; None for one that is read as it lies, a NIfTI in gzip too.

    Raises:
        OSError: The file can't be opened.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if is_gzip(head):
            inner = inflated_head(file)
            if format_of(inner) in (FileFormat.DICOM, FileFormat.RASTER):
                return Packing.GZIP
            return Packing.GZIPPED_ARCHIVE if _archive_of(inner) else None
        return None if format_of(head) else _archive_of(head)


def _archive_of(head: bytes) -> Packing | None:
    if is_archive(head):
        return Packing.ZIP
    return next((kind for kind, magic in _MAGICS.items() if magic.match(head)), None)
