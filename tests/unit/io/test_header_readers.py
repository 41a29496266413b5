from __future__ import annotations

import time
from itertools import islice

import numpy as np
import pytest
from dicom_factory import a_stack, save_stack

from medrec.domain.series import FileRecord, FileStatus
from medrec.io import header_readers
from medrec.io.discover import FoundFile, discover
from medrec.io.header_readers import read_rows
from medrec.io.header_rows import read_rows_of

SLICES = 140


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A stack, files that are no images, and a name that is no Unicode."""
    folder = tmp_path_factory.mktemp("scans")
    save_stack(a_stack(np.zeros((4, 3, SLICES), np.uint16)), folder / "head")
    (folder / "junk.txt").write_bytes(b"x")
    (folder / "bad\udcff\n.dcm").write_bytes(b"x")
    return folder


def test_many_readers_read_what_one_reads(folder):
    alone = sorted(read_rows(discover(folder), readers=0), key=str)

    assert SLICES + 2 == len(alone)
    assert alone == sorted(read_rows(discover(folder), readers=2, alone=0), key=str)


def test_other_processes_do_read(folder, monkeypatch):
    read_here, rows = [], []

    def read(files):
        read_here.extend(files)
        return read_rows_of(files)

    def until_somebody_helps():
        deadline = time.monotonic() + 60
        while len(rows) == len(read_here) and time.monotonic() < deadline:
            yield from islice(discover(folder), 32)
            time.sleep(0.05)

    monkeypatch.setattr(header_readers, "read_rows_of", read)

    for row in read_rows(until_somebody_helps(), readers=1, alone=0):
        rows.append(row)  # noqa: PERF402 (it is looked at meanwhile)

    assert len(read_here) < len(rows)


def test_what_a_dead_reader_leaves_is_read_here(folder, monkeypatch):
    monkeypatch.setattr(header_readers.sys, "executable", "/bin/false")

    rows = list(read_rows(discover(folder), readers=2, alone=0))

    assert sorted(read_rows(discover(folder), readers=0), key=str) == sorted(rows, key=str)


def test_a_record_among_the_files_is_passed_on(tmp_path):
    record = FileRecord("a.zip", FileStatus.REFUSED, None, "unsafe_archive", "a link")
    (tmp_path / "b").write_bytes(b"x")

    rows = list(read_rows([record, FoundFile(tmp_path / "b", "b")]))

    assert ["a.zip", "b"] == [row.path for row in rows]
    assert record == rows[0]


def test_no_process_is_left_when_reading_ends_early(folder):
    rows = read_rows(discover(folder), readers=1, alone=0)
    next(rows)

    rows.close()  # a pipe or a process left behind would be a warning, and so an error


def test_what_lies_in_the_folder_that_medrec_is_called_in_is_not_run(folder, tmp_path, monkeypatch):
    planted = tmp_path / "ran"
    (tmp_path / "json.py").write_text(f"open({str(planted)!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)

    rows = list(read_rows(discover(folder), readers=1, alone=0))

    assert SLICES + 2 == len(rows)
    assert not planted.exists()
