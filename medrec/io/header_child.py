"""A process that reads headers for another one: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.domain.series import FileRecord, FileStatus
from medrec.io.discover import FoundFile
from medrec.io.header_rows import HeaderRow, PackedRow, Row, read_rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def question_for(files: Sequence[FoundFile]) -> bytes:
    """The line that asks for the headers of files."""
    return _to_line([(os.fspath(file.path), file.source) for file in files])


def answer_of(line: bytes) -> list[Row]:
    """The rows that a line answers with.

    Raises:
        ValueError, TypeError: It is no such line.
    """
    return [_to_row(row) if isinstance(row, list) else _record(row) for row in json.loads(line)]


def _to_row(cells: list[str]) -> HeaderRow | PackedRow:
    return PackedRow(*cells) if len(cells) == len(PackedRow._fields) else HeaderRow(*cells)


def _record(row: dict[str, str]) -> FileRecord:
    return FileRecord(row["path"], FileStatus(row["status"]), None, row["code"], row["detail"])


def _to_line(value: object) -> bytes:
    # Escaped: a path may hold surrogates, which no encoding takes.
    return json.dumps(value, default=asdict).encode("ascii") + b"\n"


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends this one
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    answers.write(2 * _to_line([]))  # ready for two questions
    answers.flush()
    for line in sys.stdin.buffer:
        files = [FoundFile(Path(path), source) for path, source in json.loads(line)]
        answers.write(_to_line(read_rows_of(files)))
        answers.flush()


if __name__ == "__main__":
    main()
