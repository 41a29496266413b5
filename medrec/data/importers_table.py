"""A table that came with an archive to rows of a manifest: which column says what."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medrec.data.columns import ToldByColumns
from medrec.data.table import read_table
from medrec.domain.reference import Reference, Split
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medrec.data.table import Row


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column says what; `labels` and `attributes` are expressions by name."""

    path: str
    patient: str
    labels: Mapping[str, str]
    attributes: Mapping[str, str] = field(default_factory=dict)
    mask: str | None = None
    split: str | None = None


def import_table(
    table: Path,
    mapping: ColumnMapping,
    *,
    root: Path,
    same_patient: Sequence[Sequence[str]] = (),
) -> list[Reference]:
    """Make one row a line of a table; paths are relative to `root`.

    Args:
        table: CSV or TSV; cells stand apart by comma, semicolon or tab.
        mapping: Which column says what.
        root: The folder that the table's paths start from; none may lead out of it.
        same_patient: Groups of names of one patient: each row gets the first of its group.

    Raises:
        ManifestError: Columns that aren't there, cells that say nothing known, files that are
            missing or outside `root`, repeats; all are listed.
    """
    read = read_table(table, delimiters=",;\t")
    problems: list[str] = []
    told = ToldByColumns.of(mapping.labels, mapping.attributes, problems)
    places = [mapping.path, mapping.patient, mapping.mask, mapping.split]
    problems += told.absent(read.columns, others=[name for name in places if name is not None])
    if problems:
        raise ManifestError(str(table), problems)
    reader = _LineReader(mapping, told, root, to_names(same_patient), problems)
    references = [reader.read(row) for row in read.rows]
    problems += read.uneven
    problems += unknown_names(same_patient, {row.cells[mapping.patient] for row in read.rows})
    if not read.rows and not problems:
        problems.append("holds no rows")
    if problems:
        raise ManifestError(str(table), problems)
    return references


def to_names(same_patient: Sequence[Sequence[str]]) -> dict[str, str]:
    """The name that stands for each name of a group; groups that share one are one group."""
    names: dict[str, str] = {}
    for group in same_patient:
        chosen = min(names.get(name, name) for name in group)
        merged = {names.get(name, name) for name in group}
        names |= {name: chosen for name, old in names.items() if old in merged}
        names |= dict.fromkeys(group, chosen)
    return names


def unknown_names(same_patient: Sequence[Sequence[str]], patients: set[str]) -> list[str]:
    """What is wrong with groups that name patients whom nobody has seen."""
    absent = sum(name not in patients for group in same_patient for name in group)
    if not absent:
        return []
    return [f"same patient: {absent} of the names are no patient here: write them as the rows do"]


def outside(path: str) -> str | None:
    """What is wrong with a path that must lead to something below a folder, if anything."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        return f"{path!r} leads out of the archive's folder: wanted a path relative to it"
    return None


@dataclass(frozen=True, slots=True)
class _LineReader:
    """Read lines, noting all that is wrong with them in `problems`."""

    mapping: ColumnMapping
    told: ToldByColumns
    root: Path
    names: Mapping[str, str]
    problems: list[str]
    first: dict[str, int] = field(default_factory=dict)

    def read(self, row: Row) -> Reference:
        path = self._file(row, self.mapping.path)
        line = self.first.setdefault(path, row.line)
        if path and line != row.line:
            self.problems.append(f"line {row.line}: the same path as line {line}")
        patient = row.cells[self.mapping.patient]
        if not patient:
            self.problems.append(f"line {row.line}, column {self.mapping.patient}: empty; wanted "
                                 "whose scan it is")  # fmt: skip
        mask = self.mapping.mask
        return Reference(
            path=path,
            patient=self.names.get(patient, patient),
            labels=self.told.truths(row, self.problems),
            split=self._split(row),
            mask=self._file(row, mask) if mask and row.cells[mask] else None,
            attributes=self.told.attributes(row, self.problems),
        )

    def _file(self, row: Row, column: str) -> str:
        path = row.cells[column]
        where = f"line {row.line}, column {column}"
        if not path:
            self.problems.append(f"{where}: empty; wanted a path")
        elif wrong := outside(path):
            self.problems.append(f"{where}: {wrong}")
        elif not _exists(self.root, path):
            self.problems.append(f"{where}: {path!r} is not below the archive's folder")
        return PurePosixPath(path).as_posix() if path else path  # ./a and a are one file

    def _split(self, row: Row) -> Split | None:
        value = row.cells[self.mapping.split].casefold() if self.mapping.split else ""
        if not value:
            return None
        if value not in set(Split):
            self.problems.append(
                f"line {row.line}, column {self.mapping.split}: {value!r}; wanted "
                f"{', '.join(Split)}, or nothing"
            )
            return None
        return Split(value)


def _exists(root: Path, path: str) -> bool:
    try:
        return (root / path).exists()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False
