"""Find, read and group all that a folder holds; every file ends up somewhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from medrec.domain.series import ScanIndex
from medrec.errors import OutputError
from medrec.io.discover import FoundFile
from medrec.io.grouping import group_stored
from medrec.io.header_readers import read_rows
from medrec.io.header_rows import PackedRow
from medrec.io.header_store import HeaderStore
from medrec.io.sources import list_files, open_packed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from medrec.domain.ids import PatientKey
    from medrec.domain.series import FileRecord
    from medrec.io.header_rows import HeaderRow


@contextmanager
def open_index(scans: Path, *, patient_key: Callable[[str], PatientKey]) -> Iterator[ScanIndex]:
    """The cases of a folder, a zip, a DICOMDIR or a file, and a record of each file without one.

    The index, and what had to be unpacked, lies in a temporary folder: it can be read, over and
    over, until the context ends.

    Raises:
        InputError: Nothing is there.
        OutputError: The temporary folder can't hold the index.
    """
    with TemporaryDirectory(prefix="medrec-", ignore_cleanup_errors=True) as folder:
        workspace = Path(folder)
        store = HeaderStore(workspace / "index.sqlite", patient_key=patient_key)
        with closing(store):
            found = list_files(scans)
            with _disk_errors(), closing(_read_all(found, workspace / "unpacked")) as rows:
                for row in rows:
                    store.add(row)
                index = group_stored(store)
            yield index


def index_scans(scans: Path, *, patient_key: Callable[[str], PatientKey]) -> ScanIndex:
    """The same, held in memory: for a folder of one study, not for an archive.

    Raises:
        InputError: Nothing is there.
    """
    with open_index(scans, patient_key=patient_key) as index:
        return ScanIndex(cases=tuple(index.cases), records=tuple(index.records))


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        message = f"the index can't be written ({error}): is the folder for temporary files full? "
        message += "Name another one by the environment variable TMPDIR"
        raise OutputError(message) from error


def _read_all(
    files: Iterable[FoundFile | FileRecord], unpacked: Path, *, are_members: bool = False
) -> Generator[HeaderRow | FileRecord, None, None]:
    """Read the headers of files, and then of what lies in those that had to be unpacked first."""
    packed: list[FoundFile] = []
    with closing(read_rows(files)) as rows:
        for row in rows:
            if isinstance(row, PackedRow):
                packed.append(FoundFile(Path(row.path), row.source))
            else:
                yield row
    if packed:
        inner = (
            found for file in packed for found in open_packed(file, unpacked, is_member=are_members)
        )
        yield from _read_all(inner, unpacked, are_members=True)
