"""`files.csv` while a run is under way: rows that survive a kill, sorted at the end."""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING, TextIO

from medrec.domain.ids import CaseId
from medrec.domain.series import FileRecord, FileStatus
from medrec.io.tables import unguard_text, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COLUMNS = ("path", "case_id", "status", "code", "detail")


class FileLedger:
    """Appends the rows of each case, fsynced, to `files.csv.part`; `finish` makes `files.csv`."""

    def __init__(self, folder: Path) -> None:
        self._part = folder / "files.csv.part"
        self._final = folder / "files.csv"

    def append(self, records: Iterable[FileRecord]) -> None:
        """Write rows; call it before the case's line in the journal."""
        with self._part.open("a+", encoding="utf-8", newline="") as stream:
            self._end_torn_row(stream)
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerows(_to_row(record) for record in records)
            stream.flush()
            os.fsync(stream.fileno())

    @staticmethod
    def _end_torn_row(stream: TextIO) -> None:
        """A kill may have cut the last row off: the next one must not be glued to it."""
        size = stream.seek(0, os.SEEK_END)
        if size and os.pread(stream.fileno(), 1, size - 1) != b"\n":
            stream.write("\n")

    def read(self, finished: set[CaseId]) -> list[FileRecord]:
        """Rows of the cases that the journal calls finished, from this run or the one resumed."""
        rows = [*self._rows(self._final, skip_header=True), *self._rows(self._part)]
        records = [_from_row(row) for row in rows if len(row) == len(COLUMNS)]
        latest = {(record.path, record.case_id): record for record in records}
        return [record for record in latest.values() if record.case_id in finished]

    def finish(self, records: Iterable[FileRecord]) -> None:
        """Write `files.csv`, sorted by path, and drop the part file."""
        ordered = sorted(records, key=lambda record: record.path)
        rows = [dict(zip(COLUMNS, _to_row(record), strict=True)) for record in ordered]
        write_rows(self._final, COLUMNS, rows)
        self._part.unlink(missing_ok=True)

    @staticmethod
    def _rows(path: Path, *, skip_header: bool = False) -> list[list[str]]:
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        return [[unguard_text(cell) for cell in row] for row in rows[1:]] if skip_header else rows


def _to_row(record: FileRecord) -> tuple[str, str, str, str, str]:
    # As `files.csv` has it: a bare carriage return would part the row, and a resumed run would take
    # the two spellings for two files.
    path = record.path.replace("\r", "\\r")
    return path, record.case_id or "", record.status, record.code, record.detail


def _from_row(row: list[str]) -> FileRecord:
    path, case_id, status, code, detail = row
    return FileRecord(path, FileStatus(status), CaseId(case_id) if case_id else None, code, detail)
