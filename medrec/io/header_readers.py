"""Read the headers of many files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.domain.series import FileRecord
from medrec.io.header_rows import read_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from medrec.io.discover import FoundFile
    from medrec.io.header_rows import HeaderRow


def read_rows(files: Iterable[FoundFile | FileRecord]) -> Iterator[HeaderRow | FileRecord]:
    """Read headers, in any order; records among the files are passed on."""
    for file in files:
        yield file if isinstance(file, FileRecord) else read_row(file)
