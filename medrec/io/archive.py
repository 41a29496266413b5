"""Unpack a zip archive that nobody vouches for, whole or not at all.

Nothing is written under a member's name: files are numbered. What the archive says of itself is
checked before a byte is written, and then counted, because headers lie.
"""

from __future__ import annotations

import errno
import io
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.io.discover import FoundFile
from medrec.io.inflating import LIMITS, UnpackLimits, check_disk, disk_errors, write_within
from medrec.io.member_names import safe_parts, to_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
"""A member, an empty archive, a part of a spanned one."""

_LOCAL_HEADER_BYTES = 30
_DOCUMENTS = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"mimetype", b"META-INF/")
"""How the first member of Office, OpenDocument, EPUB and Java files is called."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others inflate without a bound in `zipfile`."""

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_BAD_BYTES = (
    zipfile.BadZipFile,
    ArithmeticError,
    EOFError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What `zipfile` raises on flipped, missing or added bytes."""


def is_archive(head: bytes) -> bool:
    """Tell a zip by its first bytes; a document that is packed as one (docx, odt, jar) is none."""
    return head.startswith(_MAGICS) and not head[_LOCAL_HEADER_BYTES:].startswith(_DOCUMENTS)


def unpack(
    file: FoundFile, workspace: Path, *, limits: UnpackLimits = LIMITS
) -> tuple[FoundFile, ...]:
    """Unpack a zip into a new folder of the workspace; the members' sources go on from its own.

    Raises:
        RefusedScanError: `unsafe_archive`, `archive_limit`, `truncated` or `malformed`; nothing of
            it is left in the workspace.
        FailedScanError: It can't be read, or the workspace can't be written, now (`io`).
    """
    with disk_errors():
        folder = Path(tempfile.mkdtemp(prefix="zip-", dir=workspace))
        try:
            with _opened(file.path, limits) as archive:
                return _unpack(archive, file, folder, limits)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _unpack(
    archive: zipfile.ZipFile, file: FoundFile, folder: Path, limits: UnpackLimits
) -> tuple[FoundFile, ...]:
    names = _checked_names(archive.infolist(), limits)
    members = [member for member in archive.infolist() if not _is_folder(member)]
    allowed = limits.allowed_bytes(file.path.stat().st_size)
    _check_sizes(members, archive.start_dir, allowed, limits)
    declared = sum(member.file_size for member in members)
    check_disk(folder, wanted=declared, reserve=limits.disk_reserve_bytes)
    found = []
    for number, (member, name) in enumerate(zip(members, names, strict=True), 1):
        target = folder / f"{number:06}"
        allowed -= _write(archive, member, target, allowed=allowed, limits=limits)
        found.append(FoundFile(path=target, source=f"{file.source}/{name}"))
    return tuple(found)


def _write(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    target: Path,
    *,
    allowed: int,
    limits: UnpackLimits,
) -> int:
    with archive.open(member) as stream:
        written = write_within(
            stream,
            target,
            allowed=min(allowed, limits.member_bytes),
            code=ReasonCode.ARCHIVE_LIMIT,
            reserve=limits.disk_reserve_bytes,
        )
    if written != member.file_size:
        raise zipfile.BadZipFile
    return written


def _checked_names(entries: Sequence[zipfile.ZipInfo], limits: UnpackLimits) -> list[str]:
    """The source of each file, below the archive's own; names that differ by case are two."""
    if len(entries) > limits.members:
        raise RefusedScanError(ReasonCode.ARCHIVE_LIMIT, f"more than {limits.members:,} members")
    names: dict[tuple[str, ...], None] = {}
    for number, entry in enumerate(entries, 1):
        who = f"member {number} of {len(entries)}"
        _check_kind(entry, who)
        if len(entry.orig_filename) > limits.name_letters:
            raise RefusedScanError(
                ReasonCode.ARCHIVE_LIMIT, f"{who} has a name of over {limits.name_letters} letters"
            )
        try:
            parts = safe_parts(entry.orig_filename)
        except RefusedScanError as error:
            raise RefusedScanError(ReasonCode.UNSAFE_ARCHIVE, f"{who} {error.detail}") from error
        if _is_folder(entry):
            continue
        if parts in names:
            raise RefusedScanError(ReasonCode.UNSAFE_ARCHIVE, f"{who} has the name of another one")
        names[parts] = None
    return [to_source(parts) for parts in names]


def _check_kind(entry: zipfile.ZipInfo, who: str) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if stat.S_ISLNK(kind):
        raise RefusedScanError(ReasonCode.UNSAFE_ARCHIVE, f"{who} is a symbolic link")
    if kind not in (0, stat.S_IFDIR if _is_folder(entry) else stat.S_IFREG):
        raise RefusedScanError(ReasonCode.UNSAFE_ARCHIVE, f"{who} is neither a file nor a folder")
    # Java writes a folder as an empty stream of two bytes, so its packed size says nothing.
    if _is_folder(entry) and entry.file_size:
        raise RefusedScanError(ReasonCode.UNSAFE_ARCHIVE, f"{who} is a folder with content")
    if entry.flag_bits & _ENCRYPTED:
        raise RefusedScanError(
            ReasonCode.UNSAFE_ARCHIVE, f"{who} is encrypted: unpack it with its password"
        )
    if entry.compress_type not in _METHODS:
        raise RefusedScanError(
            ReasonCode.ARCHIVE_LIMIT,
            f"{who} is packed by method {entry.compress_type}: pack it again by deflate",
        )


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.orig_filename.endswith(("/", "\\"))


def _check_sizes(
    members: Sequence[zipfile.ZipInfo], end: int, allowed: int, limits: UnpackLimits
) -> None:
    """Refuse what is declared too large, and members that share bytes (a bomb without nesting)."""
    if any(member.file_size > limits.member_bytes for member in members):
        raise RefusedScanError(
            ReasonCode.ARCHIVE_LIMIT, f"a member of more than {limits.member_bytes // 1024**2} MiB"
        )
    if sum(member.file_size for member in members) > allowed:
        raise RefusedScanError(
            ReasonCode.ARCHIVE_LIMIT, f"its members come to more than {allowed // 1024**2} MiB"
        )
    for member in sorted(members, key=lambda member: member.header_offset, reverse=True):
        if member.header_offset + _LOCAL_HEADER_BYTES + member.compress_size > end:
            raise RefusedScanError(ReasonCode.UNSAFE_ARCHIVE, "members overlap")
        end = member.header_offset


@contextmanager
def _opened(path: Path, limits: UnpackLimits) -> Iterator[zipfile.ZipFile]:
    """An archive whose table of contents was read within the limit, and our errors for its own."""
    with _BoundedFile(path, limits.directory_bytes) as file:
        try:
            if not zipfile.is_zipfile(file):
                detail = "the archive has no table of contents at its end: copy it again"
                raise RefusedScanError(ReasonCode.TRUNCATED, detail)
            with zipfile.ZipFile(file) as archive:
                yield archive
        except _BAD_BYTES as error:
            raise _malformed() from error
        except OSError as error:
            if error.errno == errno.EINVAL:  # sent to a place before the file's start
                raise _malformed() from error
            raise


class _BoundedFile(io.FileIO):
    """A file that gives no more than a bounded number of bytes at once.

    `zipfile` reads a table of contents in one go and makes an object of each entry, however many.
    """

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, "rb")
        self._limit = limit
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._size - self.tell(), 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > self._limit:
            raise RefusedScanError(
                ReasonCode.ARCHIVE_LIMIT,
                f"a table of contents of more than {self._limit // 1024**2} MiB",
            )
        return super().read(wanted) or b""


def _malformed() -> RefusedScanError:
    return RefusedScanError(ReasonCode.MALFORMED, "the archive is damaged: copy it again")
