"""Rows of one folder in the manifest of another: their paths start where the manifest lies."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from medrec.domain.reference import Reference


def relocate(references: Iterable[Reference], *, root: Path, folder: Path) -> list[Reference]:
    """Rewrite the paths of scans, masks and boxes from `root` to `folder`."""
    prefix = Path(os.path.relpath(root.resolve(), folder.resolve()))

    def moved(path: str | None) -> str | None:
        return (prefix / path).as_posix() if path else None

    return [
        replace(row, path=moved(row.path) or "", mask=moved(row.mask), boxes=moved(row.boxes))
        for row in references
    ]
