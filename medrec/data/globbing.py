"""Files that a pattern finds below a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def glob_below(root: Path, pattern: str) -> list[Path]:
    """Files below a folder, sorted.

    Raises:
        UsageError: No pattern that can be searched for.
    """
    try:
        return sorted(path for path in root.glob(pattern) if not path.is_dir())
    except (ValueError, NotImplementedError) as error:
        message = f"{pattern!r}: {error}; wanted a glob below the folder, such as */image.nii.gz"
        raise UsageError(message) from error
