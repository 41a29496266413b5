"""`checksums.txt`: a SHA-256 for every file of a package, in the format of `sha256sum`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from medrec.errors import PackageError

if TYPE_CHECKING:
    from pathlib import Path

CHECKSUMS = "checksums.txt"


def sha256(path: Path) -> str:
    """Digest of a file's content, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_checksums(folder: Path) -> None:
    """Write `checksums.txt` over all other files of the folder."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in sorted(_files(folder))]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def verify_checksums(folder: Path) -> str:
    """Check every file and return the package's digest, `sha256:` and that of `checksums.txt`.

    Raises:
        PackageError: No checksums, or files that are missing, changed or not listed; all are named.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        message = f"{folder} is no medrec model: it has no {CHECKSUMS}"
        raise PackageError(message)
    listed = _parse(path)
    present = _files(folder)
    problems = [f"{name} is missing" for name in sorted(listed.keys() - present)]
    problems += [f"{name} is not listed in {CHECKSUMS}" for name in sorted(present - listed.keys())]
    problems += [
        f"{name} was changed"
        for name in sorted(present & listed.keys())
        if sha256(folder / name) != listed[name]
    ]
    if problems:
        message = f"{folder} was changed since it was made: {'; '.join(problems)}. Get it again."
        raise PackageError(message)
    return f"sha256:{sha256(path)}"


def _files(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in paths} - {CHECKSUMS}


def _parse(path: Path) -> dict[str, str]:
    listed = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    return listed
