"""Tables of text as people write them: rows with the line they stand on."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.errors import ManifestError
from medrec.io.tables import unguard_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: its number and its cells by column, without blanks around them."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """The columns, the rows that have a cell for each, and what is wrong with the others."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    uneven: tuple[str, ...] = ()


def read_table(path: Path, *, delimiters: str = ",") -> Table:
    """Read a table in UTF-8 whose first line names its columns.

    `delimiters` are the characters that may stand between cells: the one that the first line holds
    most often counts, the first of them where it holds none.

    Raises:
        ManifestError: The file can't be read, or is no text in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.reader(file, strict=True, delimiter=max(delimiters, key=head.count))
            columns = tuple(name.strip() for name in next(reader, []))
            lines = [(reader.line_num, cells) for cells in reader if any(cells)]
    except OSError as error:
        raise ManifestError(str(path), [f"can't be read: {error.strerror}"]) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(str(path), [f"is not a CSV file in UTF-8: {error}"]) from error
    uneven = tuple(
        f"line {number}: {len(cells)} cells, but the first line names {len(columns)} columns"
        for number, cells in lines
        if len(cells) != len(columns)
    )
    rows = tuple(
        Row(
            number,
            {name: unguard_text(cell.strip()) for name, cell in zip(columns, cells, strict=True)},
        )
        for number, cells in lines
        if len(cells) == len(columns)
    )
    return Table(columns, rows, uneven)
