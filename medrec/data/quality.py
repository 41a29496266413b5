"""Whether labelled data can be trained on at all: all that is wrong, before anything runs."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.counting import counted
from medrec.errors import ScanError
from medrec.io.loading import read_grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from medrec.domain.geometry import Geometry
    from medrec.domain.reference import Reference

Grid = tuple[tuple[int, int, int], "Geometry | None"]

SAME_GRID_MM = 1e-2

_SHOWN = 20


def find_data_problems(
    references: Sequence[Reference], *, root: Path, labels: Sequence[str]
) -> list[str]:
    """List what keeps a model from learning of these rows, each with the way out.

    Missing scans and masks, masks on another grid than their scan (by their headers), labels that
    are known in one class or not at all, patients whose rows stand in several splits. Rows are
    named by number, counted from 1 below the manifest's head line.
    """
    return [
        *_missing(references, root),
        *find_faults(references, root=root, labels=labels),
        *say_torn(references),
    ]


def find_faults(references: Sequence[Reference], *, root: Path, labels: Sequence[str]) -> list[str]:
    """Of the same, masks on another grid and labels of one class alone."""
    return [*_other_grids(references, root), *_one_class(references, labels)]


def read_sizes(references: Sequence[Reference], root: Path) -> dict[str, tuple[int, int, int]]:
    """The stored shape of each file, by path as the rows write it; unknown ones are left out."""
    grids = {path: _grid_of(root / path) for path in dict.fromkeys(row.path for row in references)}
    return {path: grid[0] for path, grid in grids.items() if grid}


def _missing(references: Sequence[Reference], root: Path) -> Iterator[str]:
    for what in ("path", "mask"):
        rows: dict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(references):
            if path := getattr(row, what):
                rows[path].append(number)
        lost = {path: found for path, found in rows.items() if not is_there(root / path)}
        if lost:
            named = _say_rows([found[0] for found in lost.values()])
            files = counted(len(lost), f"file of column {what} is", f"files of column {what} are")
            yield (
                f"{files} missing, {named}: paths start where the manifest lies; correct them, or "
                "leave the rows out"
            )


def is_there(path: Path) -> bool:
    """Whether a path that somebody wrote leads to anything."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _other_grids(references: Sequence[Reference], root: Path) -> Iterator[str]:
    pairs: dict[tuple[str, str], int] = {}
    for number, row in enumerate(references):
        if row.mask:
            pairs.setdefault((row.path, row.mask), number)
    wrong = [
        number
        for (path, mask), number in pairs.items()
        if _are_apart(_grid_of(root / path), _grid_of(root / mask))
    ]
    if wrong:
        yield (
            f"{counted(len(wrong), 'mask lies', 'masks lie')} on another grid than the scan, "
            f"{_say_rows(wrong)}: resample onto the scan's own, or clear the cells"
        )


def _grid_of(path: Path) -> Grid | None:
    """Shape and place of a file; None where there is none, or where its header can't be used."""
    try:
        return read_grid(path) if is_there(path) else None
    except ScanError:
        return None


def _are_apart(scan: Grid | None, mask: Grid | None) -> bool:
    if scan is None or mask is None:  # missing or unreadable: said elsewhere
        return False
    if scan[0] != mask[0]:
        return True
    if scan[1] is None or mask[1] is None:
        return scan[1] is not mask[1]
    return not np.allclose(scan[1].affine_lps, mask[1].affine_lps, atol=SAME_GRID_MM)


def _one_class(references: Sequence[Reference], labels: Sequence[str]) -> Iterator[str]:
    for label in labels:
        known = {
            truth
            for row in references
            for name, truth in row.labels.items()
            if name == label and truth is not None
        }
        if len(known) < 2:  # noqa: PLR2004 (two classes)
            what = {True: "1 alone", False: "0 alone"}[known.pop()] if known else "nothing known"
            yield (
                f"label {label}: its rows hold {what}; wanted rows with 1 and rows with 0: add "
                "scans of the other class, or leave the label out"
            )


def say_torn(references: Sequence[Reference]) -> list[str]:
    """What to say of patients whose rows stand in several splits: they are named by their rows."""
    splits: Mapping[str, set[str | None]] = defaultdict(set)
    for row in references:
        splits[row.patient].add(row.split)
    torn = {patient for patient, found in splits.items() if len(found - {None}) > 1}
    if not torn:
        return []
    rows = [number for number, row in enumerate(references) if row.patient in torn]
    patients = counted(len(torn), "patient has", "patients have")
    return [f"{patients} rows in several splits, {_say_rows(rows)}: a patient belongs to one alone"]


def _say_rows(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return (
        ("rows " if len(numbers) > 1 else "row ")
        + ", ".join(str(number + 1) for number in numbers[:_SHOWN])
        + more
    )
