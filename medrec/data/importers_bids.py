"""Participants of a BIDS dataset to rows of a manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medrec.data.importers_table import ColumnMapping, import_rows
from medrec.data.table import Table, read_table
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from medrec.domain.reference import Reference

PARTICIPANTS = "participants.tsv"
_SUBJECT = "participant_id"
_SCAN = "path of the scan"  # a name that no table has
_ENDINGS = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Participants:
    """The rows of those who have a scan; how many have none and are left out."""

    references: tuple[Reference, ...]
    without_scan: int = 0


def import_bids(
    root: Path,
    *,
    suffix: str,
    labels: Mapping[str, str],
    attributes: Mapping[str, str] | None = None,
) -> Participants:
    """Make one row a scan of a BIDS dataset; the participant is the patient.

    A participant with several scans of the suffix (sessions, runs) has as many rows, all with the
    participant's labels. `derivatives` and `sourcedata` are not looked into.

    Args:
        root: The dataset's folder, with participants.tsv.
        suffix: What scans are called last: T1w, FLAIR, ce-gadolinium_T1w ...
        labels: Expressions over the columns of participants.tsv, by name.
        attributes: The same for what is kept beside.

    Raises:
        ManifestError: No or a wrong participants.tsv, participants that stand in it twice, subjects
            that don't stand in it, no such scan of anybody; all are listed.
    """
    table = read_table(root / PARTICIPANTS, delimiters="\t")
    if _SUBJECT not in table.columns:
        problem = f"column {_SUBJECT}: missing, but required; there are {', '.join(table.columns)}"
        raise ManifestError(str(root / PARTICIPANTS), [problem])
    problems = list(_repeated(table))
    found = {row.line: _scans(root, row.cells[_SUBJECT], suffix) for row in table.rows}
    problems += _unlisted(root, {row.cells[_SUBJECT] for row in table.rows})
    if not any(found.values()):
        problems.append(f"nobody has a scan sub-*_{suffix}.nii.gz: what does --suffix name?")
    if problems:
        raise ManifestError(str(root / PARTICIPANTS), problems)
    rows = tuple(
        replace(row, cells={**row.cells, _SCAN: path})
        for row in table.rows
        for path in found[row.line]
    )
    mapping = ColumnMapping(_SCAN, _SUBJECT, labels, attributes or {})
    scans = Table((*table.columns, _SCAN), rows, table.uneven)
    references = import_rows(scans, mapping, root=root, where=root / PARTICIPANTS)
    return Participants(tuple(references), sum(not paths for paths in found.values()))


def _repeated(table: Table) -> Iterator[str]:
    first: dict[str, int] = {}
    for row in table.rows:
        line = first.setdefault(row.cells[_SUBJECT], row.line)
        if line != row.line:
            yield f"line {row.line}: {row.cells[_SUBJECT]} stands on line {line} already"


def _scans(root: Path, subject: str, suffix: str) -> list[str]:
    """A subject's images, relative to the dataset; a name that leads elsewhere has none."""
    if not subject.startswith("sub-") or "/" in subject:
        return []
    paths = (root / subject).rglob(f"{subject}_*")
    return sorted(
        path.relative_to(root).as_posix()
        for path in paths
        if any(path.name.endswith(f"_{suffix}{ending}") for ending in _ENDINGS) and path.is_file()
    )


def _unlisted(root: Path, listed: set[str]) -> Iterator[str]:
    """Subjects of whom there is a folder and no line, so that nobody knows their labels."""
    for folder in sorted(root.glob("sub-*")):
        if folder.is_dir() and folder.name not in listed:
            yield f"{folder.name}: has a folder, and no line in {PARTICIPANTS}"
