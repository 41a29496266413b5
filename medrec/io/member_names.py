"""Names that a file from outside gives to others: in an archive, in a DICOMDIR."""

from __future__ import annotations

import re

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError

_DRIVE = re.compile(r"[A-Za-z]:")


def safe_parts(name: str) -> tuple[str, ...]:
    r"""Split a name into folders and a file; both `/` and `\` part them, as on any system.

    >>> safe_parts("DICOM\\PT0/./IM0001")
    ('DICOM', 'PT0', 'IM0001')

    Raises:
        RefusedScanError: It leads out of its folder, or nowhere (`unsafe_archive`).
    """
    unified = name.replace("\\", "/")
    parts = tuple(part for part in unified.split("/") if part not in ("", "."))
    problem = _problem_of(unified, parts)
    if problem:
        raise RefusedScanError(ReasonCode.UNSAFE_ARCHIVE, problem)
    return parts


def _problem_of(unified: str, parts: tuple[str, ...]) -> str:
    if not parts:
        return "has no name"
    if "\0" in unified:
        return "has a name with a zero byte"
    if unified.startswith("/"):
        return "has an absolute path"
    if _DRIVE.match(parts[0]):
        return "names a drive"
    return "climbs out of its folder (..)" if ".." in parts else ""


def to_source(parts: tuple[str, ...]) -> str:
    r"""Join parts as the path of a file that is shown and written: printable, valid UTF-8.

    Different parts give different paths: they hold no backslash of their own.

    >>> to_source(("a\nb", "IM1"))
    'a\\nb/IM1'
    """
    return "/".join("".join(map(_escaped, part)) for part in parts)


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
