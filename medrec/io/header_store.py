"""The headers of a folder on disk: sorted, parted into cases, and handed out case by case.

A database in a temporary folder, so that a folder of any size is indexed in the same memory.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from medrec.domain.ids import CaseId, PatientKey, to_case_id
from medrec.domain.series import FileRecord, FileStatus
from medrec.io.header_rows import HeaderRow, to_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from medrec.domain.series import ImageHeader

_ROWS_AT_ONCE = 500
_TABLES = """
    PRAGMA journal_mode = OFF;  -- nothing here outlives a crash, or is meant to
    PRAGMA synchronous = OFF;
    CREATE TABLE image (
        id INTEGER PRIMARY KEY, source TEXT, path BLOB, format TEXT, image TEXT, study TEXT,
        identity TEXT, patient BLOB, patient_key TEXT, facts TEXT
    );
    CREATE TABLE record (path TEXT, status TEXT, code TEXT, detail TEXT, original INTEGER);
    CREATE TABLE dropped (id INTEGER PRIMARY KEY);
    CREATE TABLE exam (
        id INTEGER PRIMARY KEY, source TEXT, study TEXT, identity TEXT, is_shared INTEGER,
        patient BLOB, patient_key TEXT, case_id TEXT
    );
"""
# Of several patients under one study each is a case. An absent PatientID is unknown: it is another
# patient only where there are several. With MIN, SQLite takes `identity` from the row of the least
# source (https://sqlite.org/lang_select.html#bareagg).
_PART_INTO_CASES = """
    CREATE INDEX image_by_study ON image (study, patient, source);
    INSERT INTO exam (source, identity, study, is_shared, patient)
    SELECT MIN(source), identity, study, patients > 1, CASE WHEN patients > 1 THEN patient END
    FROM image
    JOIN (SELECT study, COUNT(DISTINCT patient) AS patients FROM image GROUP BY study) USING (study)
    GROUP BY study, CASE WHEN patients > 1 THEN patient END
    ORDER BY MIN(source);
    CREATE INDEX exam_by_study ON exam (study);
    UPDATE exam SET patient_key = (
        SELECT MAX(patient_key) FROM image
        WHERE image.study = exam.study AND (NOT is_shared OR image.patient IS exam.patient)
    );
    UPDATE exam SET case_id = to_case_id(
        CASE WHEN is_shared THEN identity || '/' || COALESCE(patient_key, '') ELSE identity END
    );
    CREATE INDEX record_by_path ON record (path);
"""
_IMAGES = """
    SELECT path, facts FROM image WHERE study = ?1 AND (NOT ?2 OR patient IS ?3) ORDER BY source
"""
_RECORDS = """
    SELECT record.path, status, case_id, code, detail FROM record
    LEFT JOIN image ON image.id = original
    LEFT JOIN exam ON exam.study = image.study AND (NOT is_shared OR exam.patient IS image.patient)
    ORDER BY record.path
"""


class Twin(NamedTuple):
    """One of several files that carry one SOPInstanceUID, or are one file by their content."""

    id: int
    source: str
    path: Path
    format: str


class StoredCase(NamedTuple):
    """A case before its images are put together; `images` are in order of source, never none."""

    id: CaseId
    source: str
    patient_key: PatientKey | None
    images: list[ImageHeader]


class HeaderStore:
    """Takes rows in any order; once they are `parted`, hands cases and records out, sorted.

    A PatientID is kept as its key, and as a hash under a secret of this store alone that tells
    patients apart where keys don't.

    Args:
        path: Where the database is made; None for one in memory.
        patient_key: What becomes of a PatientID.
    """

    def __init__(self, path: Path | None, *, patient_key: Callable[[str], PatientKey]) -> None:
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._database.executescript(_TABLES)
        self._database.create_function("to_case_id", 1, to_case_id, deterministic=True)
        self._to_patient = lru_cache(maxsize=1024)(_PatientHash(patient_key))
        self._pending: list[HeaderRow] = []

    def close(self) -> None:
        """End the use of the database; its file is left to whoever owns the folder."""
        self._database.close()

    def add(self, row: HeaderRow | FileRecord) -> None:
        """Take a header, or the record of a file that has none."""
        if isinstance(row, FileRecord):
            self.add_record(row)
            return
        self._pending.append(row)
        if len(self._pending) >= _ROWS_AT_ONCE:
            self._write_pending()

    def add_record(self, record: FileRecord, *, original: Twin | None = None) -> None:
        """Take the record of a file; a copy's case will be that of its original."""
        values = (record.path, record.status, record.code, record.detail)
        self._database.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?)", (*values, original and original.id)
        )

    def twins(self) -> Iterator[Callable[[], Iterator[Twin]]]:
        """Images that are there several times: for each a function that lists its files, sorted."""
        self._write_pending()
        self._database.execute("CREATE INDEX image_by_image ON image (image, source)")
        repeated = "SELECT image FROM image GROUP BY image HAVING COUNT(*) > 1 ORDER BY MIN(source)"
        for (image,) in self._database.execute(repeated):
            yield partial(self._twins, image)

    def drop(self, twin: Twin) -> None:
        """Let a file be no image of any case."""
        self._database.execute("INSERT INTO dropped VALUES (?)", (twin.id,))

    def part(self) -> None:
        """Make cases of all images that weren't dropped."""
        self._write_pending()
        self._database.execute("DELETE FROM image WHERE id IN (SELECT id FROM dropped)")
        self._database.executescript(_PART_INTO_CASES)

    def count(self, table: str) -> int:
        """How many cases (`exam`) or records (`record`) there are."""
        return int(self._database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])  # noqa: S608

    def cases(self) -> Iterator[StoredCase]:
        """The cases, in order of source; one at a time is in memory."""
        select = (
            "SELECT case_id, source, patient_key, study, is_shared, patient FROM exam ORDER BY id"
        )
        for case_id, source, patient_key, *place in self._database.execute(select):
            rows = self._database.execute(_IMAGES, place)
            images = [to_header(os.fsdecode(path), facts) for path, facts in rows]
            yield StoredCase(case_id, source, patient_key, images)

    def records(self) -> Iterator[FileRecord]:
        """The files that are no image of any case, in order of path."""
        for path, status, case_id, code, detail in self._database.execute(_RECORDS):
            yield FileRecord(path, FileStatus(status), case_id, code, detail)

    def _twins(self, image: str) -> Iterator[Twin]:
        select = "SELECT id, source, path, format FROM image WHERE image = ? ORDER BY source"
        for id_, source, path, format_ in self._database.execute(select, (image,)):
            yield Twin(id_, source, Path(os.fsdecode(path)), format_)

    def _write_pending(self) -> None:
        rows = [
            (
                row.source,
                os.fsencode(row.path),
                row.format,
                row.image,
                row.study,
                row.identity,
                *(self._to_patient(row.patient_id) if row.patient_id else (None, None)),
                row.facts,
            )
            for row in self._pending
        ]
        insert = "INSERT INTO image VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._database.execute("BEGIN")
        self._database.executemany(insert, rows)
        self._database.execute("COMMIT")
        self._pending.clear()


class _PatientHash:
    def __init__(self, patient_key: Callable[[str], PatientKey]) -> None:
        self._patient_key = patient_key
        self._secret = secrets.token_bytes(32)

    def __call__(self, patient_id: str) -> tuple[bytes, PatientKey]:
        """What tells this patient from others, and the patient's key."""
        digest = hashlib.blake2b(patient_id.encode(), key=self._secret, digest_size=16)
        return digest.digest(), self._patient_key(patient_id)
