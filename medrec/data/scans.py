"""The images of an archive, by their headers, with every file that can't be one of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medrec.domain.series import FileRecord, FileStatus
from medrec.errors import InputError
from medrec.io.discover import check_there, discover, is_regular_file
from medrec.io.header_readers import read_rows
from medrec.io.header_rows import PackedRow, to_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medrec.domain.series import ImageHeader
    from medrec.io.discover import FoundFile


@dataclass(frozen=True, slots=True)
class FoundScan:
    """An image: its path below the archive's folder, what its header says, and whose it says it is.

    `patient_id` is the header's own: it must reach no disk and no message.
    """

    source: str
    header: ImageHeader
    patient_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FoundScans:
    """Images sorted by path, what is wrong with other files, and paths of what is no image."""

    scans: tuple[FoundScan, ...]
    problems: tuple[str, ...]
    others: tuple[str, ...]


def find_scans(root: Path) -> FoundScans:
    """Read the header of every file below a folder; pixels are not decoded.

    Files that are no images (notes, tables, what file managers leave) are listed apart. Problems
    are images that can't be used, packed files, links, and names that a manifest can't hold.

    Raises:
        InputError: Nothing is there, or no folder.
    """
    problems: list[tuple[str, str]] = []
    files = list(usable_files(root, problems))
    scans: list[FoundScan] = []
    others: list[str] = []
    for row in read_rows(files):
        if isinstance(row, FileRecord):
            if row.status is FileStatus.SKIPPED:
                others.append(row.path)
            else:
                problems.append((row.path, row.detail))
        elif isinstance(row, PackedRow):
            problems.append((row.source, "is packed: unpack it first"))
        else:
            scans.append(FoundScan(row.source, to_header(row.path, row.facts), row.patient_id))
    return FoundScans(
        scans=tuple(sorted(scans, key=lambda scan: scan.source)),
        problems=tuple(f"{source}: {problem}" for source, problem in sorted(problems)),
        others=tuple(sorted(others)),
    )


def usable_files(root: Path, problems: list[tuple[str, str]]) -> Iterator[FoundFile]:
    """The regular files below a folder whose names a manifest can hold.

    Each other one is noted in `problems`, as its source and what is wrong with it.

    Raises:
        InputError: Nothing is there, or no folder.
    """
    check_there(root)
    if not root.is_dir():
        raise InputError(str(root), ["is no folder: wanted the archive's own, unpacked"])
    top = root.resolve()
    for file in discover(root):
        problem = _problem_of(file, os.fsencode(file.path.relative_to(top)))
        if problem:
            problems.append((file.source, problem))
        else:
            yield file


def _problem_of(file: FoundFile, below: bytes) -> str | None:
    try:
        is_regular = is_regular_file(file.path)
    except OSError as error:
        return f"can't be looked at ({error.strerror})"
    if not is_regular:
        return "is a link, or no regular file, and is not followed: put the file itself here"
    return wrong_name(below, file.source)


def wrong_name(path: bytes, source: str) -> str | None:
    r"""What keeps a manifest from naming a file, if anything.

    >>> wrong_name(b"a.png", "x/a.png")
    >>> wrong_name(b"x/\xff.png", "x/\\xff.png")
    'its name is no UTF-8: rename it'
    """
    try:
        path.decode()
    except UnicodeDecodeError:
        return "its name is no UTF-8: rename it"
    if not source.isprintable() or source != source.strip():
        return "its name holds control characters, or a blank at an end: rename it"
    return None
