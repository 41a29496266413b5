"""What is known of patients beside their scans: one row of a table for each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from medrec.data.table import read_table
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from medrec.data.table import Row

_PATIENT = "patient"


def read_attributes(
    path: Path, *, reserved: Collection[str], problems: list[str]
) -> dict[str, dict[str, str]]:
    """Attributes by patient, of a CSV with a column `patient`.

    Columns whose names mean something else in a manifest (`reserved`) are left out. Rows without a
    patient, uneven ones and those of a patient whom an earlier row has are noted in `problems`.

    Raises:
        ManifestError: No such table or column.
    """
    table = read_table(path)
    if _PATIENT not in table.columns:
        raise ManifestError(str(path), [f"column {_PATIENT}: missing, but required"])
    twice = [name for name, count in Counter(table.columns).items() if count > 1]
    wrong = [f"column {name}: named twice" for name in twice]
    wrong += [*table.uneven, *repeated(table.rows, _PATIENT)]
    problems += [f"{path.name}, {text}" for text in wrong]
    return {
        row.cells[_PATIENT]: {
            name: value for name, value in row.cells.items() if name not in reserved and value
        }
        for row in table.rows
    }


def repeated(rows: Sequence[Row], column: str) -> list[str]:
    """What is wrong with the column that names whom a row is of: empty, or as in another line."""
    first: dict[str, int] = {}
    problems = []
    for row in rows:
        name = row.cells[column]
        line = first.setdefault(name, row.line)
        if not name:
            problems.append(f"line {row.line}, column {column}: empty; wanted whom the row is of")
        elif line != row.line:
            problems.append(
                f"line {row.line}, column {column}: the same one as in line {line}; wanted one row "
                "each"
            )
    return problems
