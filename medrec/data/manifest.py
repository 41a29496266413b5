"""Manifests: which scans there are, whose they are, and what is known of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from medrec.data.table import read_table
from medrec.domain.finding import Label
from medrec.domain.reference import Reference, Split
from medrec.errors import ManifestError
from medrec.io.tables import guard_text, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from medrec.data.table import Row

REQUIRED = ("path", "patient")
OPTIONAL = ("case", "slice", "split", "unit", "mask", "boxes", "acquired")
FIXED = REQUIRED + OPTIONAL

_TRUTHS: Mapping[str, bool | None] = {"1": True, "0": False, "": None}


def wrong_label(name: str) -> str | None:
    """What keeps a manifest from having a label (or an attribute) of this name, if anything.

    >>> wrong_label("mask")
    'means something else in a manifest'
    """
    if name in FIXED:
        return "means something else in a manifest"
    if not name.isprintable() or name != name.strip() or name != guard_text(name) or not name:
        return "is no name of a column (control characters, blanks at an end, or = + - @ first)"
    return None


def read_manifest(path: Path, *, labels: Sequence[str] | None = None) -> list[Reference]:
    """Read a manifest (CSV with the columns that the manual lists).

    `labels` names the label columns; without it they are the columns beside the fixed ones that
    hold only 1, 0 or nothing, and not nothing alone. All other columns are attributes.

    Raises:
        ManifestError: Every wrong row, by line and column; or a file that is no manifest.
    """
    if path.suffix == ".parquet":
        raise ManifestError(str(path), ["Parquet is not supported yet: save it as CSV"])
    table = read_table(path)
    columns, rows = table.columns, table.rows
    found = tuple(labels) if labels is not None else _label_columns(columns, rows)
    problems = _wrong_columns(columns, found)
    reader = _RowReader(labels=found, problems=problems)
    references = [] if problems else [reader.read(row) for row in rows]
    _find_repeats(references, rows, problems)
    problems += table.uneven
    if not rows and not problems:
        problems.append("holds no rows")
    if problems:
        raise ManifestError(str(path), problems)
    return references


def write_manifest(path: Path, references: Iterable[Reference]) -> None:
    """Write a manifest that `read_manifest` reads back; columns without a value are left out.

    Raises:
        OSError: The folder can't be written.
    """
    references = list(references)
    labels = tuple(dict.fromkeys(label for row in references for label in row.labels))
    attributes = tuple(dict.fromkeys(name for row in references for name in row.attributes))
    cells = [_to_cells(row) for row in references]
    used = [name for name in OPTIONAL if any(row[name] is not None for row in cells)]
    columns = (*REQUIRED, *used, *labels, *attributes)
    write_rows(path, columns, [{name: row.get(name) for name in columns} for row in cells])


def spell_out(references: Sequence[Reference]) -> list[Reference]:
    """Write yes and no for attributes of 1 and 0, which would be read back as labels."""
    values: dict[str, set[str]] = {}
    for row in references:
        for name, value in row.attributes.items():
            values.setdefault(name, set()).add(value)
    coded = {name for name, found in values.items() if found <= set(_TRUTHS)}
    words = {"1": "yes", "0": "no"}
    return [
        replace(
            row,
            attributes={
                name: words.get(value, value) if name in coded else value
                for name, value in row.attributes.items()
            },
        )
        for row in references
    ]


@dataclass(frozen=True, slots=True)
class _RowReader:
    """Read rows, noting all that is wrong with them in `problems`."""

    labels: tuple[str, ...]
    problems: list[str] = field(default_factory=list)

    def read(self, row: Row) -> Reference:
        cells = row.cells
        for name in REQUIRED:
            if not cells[name]:
                self.problems.append(f"line {row.line}, column {name}: empty, but required")
        others = set(cells) - set(FIXED) - set(self.labels)
        return Reference(
            path=cells["path"],
            patient=cells["patient"],
            labels={Label(name): self._truth(row, name) for name in self.labels},
            case=cells.get("case") or None,
            slice=self._slice(row),
            split=self._split(row),
            unit=cells.get("unit") or None,
            mask=cells.get("mask") or None,
            boxes=cells.get("boxes") or None,
            acquired=cells.get("acquired") or None,
            attributes={name: cells[name] for name in cells if name in others and cells[name]},
        )

    def _truth(self, row: Row, name: str) -> bool | None:
        value = row.cells[name]
        if value not in _TRUTHS:
            self._refuse(row, name, "wanted 1, 0, or nothing where it is unknown")
        return _TRUTHS.get(value)

    def _slice(self, row: Row) -> int | None:
        value = row.cells.get("slice", "")
        if not value:
            return None
        if value.isascii() and value.isdigit():
            return int(value)
        self._refuse(row, "slice", "wanted the number of a slice, 0 or more")
        return None

    def _split(self, row: Row) -> Split | None:
        value = row.cells.get("split", "")
        if not value:
            return None
        if value in set(Split):
            return Split(value)
        self._refuse(row, "split", f"wanted {', '.join(Split)}, or nothing")
        return None

    def _refuse(self, row: Row, column: str, wanted: str) -> None:
        self.problems.append(f"line {row.line}, column {column}: {row.cells[column]!r}; {wanted}")


def _label_columns(columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    def is_label(name: str) -> bool:
        values = {row.cells[name] for row in rows}
        return values <= set(_TRUTHS) and bool(values - {""})

    return tuple(name for name in dict.fromkeys(columns) if name not in FIXED and is_label(name))


def _wrong_columns(columns: Sequence[str], labels: Sequence[str]) -> list[str]:
    missing = [f"column {name}: missing, but required" for name in REQUIRED if name not in columns]
    unlabelled = [f"column {name}: missing, but a label" for name in labels if name not in columns]
    fixed = [f"column {name}: can't be a label" for name in labels if name in FIXED]
    repeated = [f"column {name}: named twice" for name, n in Counter(columns).items() if n > 1]
    unnamed = ["line 1: a column without a name"] if "" in columns else []
    return missing + unlabelled + fixed + repeated + unnamed


def _find_repeats(
    references: Sequence[Reference], rows: Sequence[Row], problems: list[str]
) -> None:
    first: dict[tuple[str, int | None], int] = {}
    for reference, row in zip(references, rows, strict=False):
        line = first.setdefault((reference.path, reference.slice), row.line)
        if reference.path and line != row.line:
            problems.append(f"line {row.line}: the same path and slice as line {line}")


def _to_cells(reference: Reference) -> dict[str, object]:
    truths: dict[str, object] = {
        str(label): None if known is None else int(known)
        for label, known in reference.labels.items()
    }
    return {
        **{name: getattr(reference, name) for name in FIXED},
        **truths,
        **reference.attributes,
    }
