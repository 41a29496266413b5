"""Find the files of a scan folder, and tell their format by what is in them."""

from __future__ import annotations

import gzip
import os
import re
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from medrec.domain.modality import FileFormat
from medrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_BYTES = 600
"""As many first bytes as tell any format that is read or named here."""

_PREAMBLE_BYTES = 128
_NIFTI_MAGICS = (b"n+1\0", b"n+2\0")
_NIFTI1_BYTES, _NIFTI2_BYTES = 348, 540
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_GZIP = b"\x1f\x8b"
_EXPLICIT_VR = re.compile(rb"(AE|AS|AT|CS|DA|DS|DT|IS|LO|LT|OB|OW|PN|SH|SQ|ST|TM|UI|UL|UN|US|UT)")
_SHORT_VALUE_BYTES = 256


@dataclass(frozen=True, slots=True)
class FoundFile:
    r"""A file below the scanned folder.

    `source` is its path relative to that folder in POSIX form, or its name where the scans are one
    file. It is valid UTF-8: bytes of a name that are not are written as `\\xff`.
    """

    path: Path
    source: str


def discover(scans: Path) -> Iterator[FoundFile]:
    """List every file below a folder (or the one file given), sorted by path.

    Symbolic links below the folder are listed but never followed, and things that are no regular
    files are listed but never opened: `read_header` says so of each, so that nothing vanishes.

    Raises:
        InputError: Nothing is there.
    """
    check_there(scans)
    scans = scans.resolve()
    if scans.is_dir():
        yield from _walk(scans)
    else:
        yield FoundFile(path=scans, source=to_source(Path(scans.name)))


def check_there(scans: Path) -> None:
    """See that scans are there and may be looked at.

    Raises:
        InputError: They aren't, or may not.
    """
    try:
        scans.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        problem = "there is no such file or folder: check the path"
        raise InputError(str(scans), [problem]) from error
    except OSError as error:
        problem = f"it can't be opened ({error.strerror}): check the path and your permissions"
        raise InputError(str(scans), [problem]) from error


def sniff(path: Path) -> FileFormat | None:
    """Tell the format of a regular file by its first bytes; None if it is none of ours.

    Raises:
        OSError: The file can't be opened.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if is_gzip(head):
            # Of packed files NIfTI alone is read as it lies; others are unpacked first.
            inner = format_of(inflated_head(file))
            return inner if inner is FileFormat.NIFTI else None
        return format_of(head)


def format_of(head: bytes) -> FileFormat | None:
    """Tell a format by a file's first bytes, as they are or inflated."""
    if _is_dicom(head):
        return FileFormat.DICOM
    if head.startswith((_PNG, _JPEG)):
        return FileFormat.RASTER
    return FileFormat.NIFTI if _is_nifti(head) else None


def is_gzip(head: bytes) -> bool:
    """Tell a gzipped file by its first bytes, unless it is DICOM with such a preamble."""
    return head.startswith(_GZIP) and not _is_dicom(head)


def inflated_head(file: BinaryIO) -> bytes:
    """The first bytes of what a gzipped file holds; none where it is no such file."""
    file.seek(0)
    try:
        with gzip.open(file) as inflated:
            return inflated.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""


def is_regular_file(path: Path) -> bool:
    """Tell whether a path is a regular file itself: no link, folder, pipe or device.

    Raises:
        OSError: Nothing is there any more.
    """
    return stat.S_ISREG(path.lstat().st_mode)


def _walk(root: Path) -> Iterator[FoundFile]:
    """Depth first, without recursion: folders may be nested deeper than Python's stack."""
    pending = [(root, True)]
    while pending:
        path, is_folder = pending.pop()
        try:
            inner = _names_in(path) if is_folder else None
        except OSError:
            inner = None  # reading it as a file fails again, and then says why
        if inner is None:
            yield FoundFile(path=path, source=to_source(path.relative_to(root)))
            continue
        prefix = "" if path == root else f"{to_source(path.relative_to(root))}/"
        names, folders = inner
        if not folders:
            yield from (FoundFile(path / name, prefix + _to_text(name)) for name in names)
        else:
            pending += [(path / name, name in folders) for name in reversed(names)]


def _names_in(folder: Path) -> tuple[list[str], set[str]]:
    """All names in a folder, sorted, and which of them are folders; names alone take little."""
    names, folders = [], set()
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if entry.is_dir(follow_symlinks=False):
                folders.add(entry.name)
    return sorted(names, key=os.fsencode), folders


def to_source(path: Path) -> str:
    r"""A path in POSIX form and valid UTF-8: bytes that are not are written as `\\xff`."""
    return _to_text(path.as_posix())


def _to_text(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_dicom(head: bytes) -> bool:
    if head[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM":
        return True
    return _starts_like_dataset(head)


def _starts_like_dataset(head: bytes) -> bool:
    """Whether a file without a preamble starts with an element of group 2 or 8.

    A header alone proves little: the reader also wants a SOPClassUID of DICOM's.
    """
    if len(head) < 8:  # noqa: PLR2004 (tag and length)
        return False
    little, big = struct.unpack_from("<H", head)[0], struct.unpack_from(">H", head)[0]
    is_explicit = _EXPLICIT_VR.match(head, 4) is not None
    if little in (2, 8):
        length = struct.unpack_from("<L", head, 4)[0]
        return head[3] == 0 and (is_explicit or length < _SHORT_VALUE_BYTES)
    return big == 8 and head[2] == 0 and is_explicit  # noqa: PLR2004 (group 8, big endian)


def _is_nifti(head: bytes) -> bool:
    for size, offset in ((_NIFTI1_BYTES, 344), (_NIFTI2_BYTES, 4)):
        if head[offset : offset + 4] in _NIFTI_MAGICS and size in (
            int.from_bytes(head[:4], "little"),
            int.from_bytes(head[:4], "big"),
        ):
            return True
    return False
