"""CSV tables that a spreadsheet can open without running what is in them."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV table whole or not at all; a missing or None value is an empty cell.

    A text that a spreadsheet would take for a formula gets a leading apostrophe; numbers don't.

    Raises:
        ValueError: A row has a column that is not listed.
        OSError: The folder can't be written; an older table is still there then.
    """
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="backslashreplace", newline="", dir=path.parent,
        prefix=f".{path.name}.", delete=False,
    ) as file:  # fmt: skip
        temporary = Path(file.name)
        try:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writerow({column: column for column in columns})
            for row in rows:
                writer.writerow({column: _to_cell(value) for column, value in row.items()})
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def guard_text(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run.

    >>> guard_text("=1+1"), guard_text("scan 1")
    ("'=1+1", 'scan 1')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def unguard_text(cell: str) -> str:
    """Take off the apostrophe that `guard_text` put before a cell.

    >>> unguard_text("'=1+1"), unguard_text("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if cell.startswith("'") and guard_text(cell[1:]) == cell else cell


def _to_cell(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    # Before Python 3.13 a bare carriage return is written unquoted, and readers end the row there.
    return guard_text(value).replace("\r", "\\r")


def _umask() -> int:
    """The process's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
