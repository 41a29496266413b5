from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile

import numpy as np
import pytest
from dicom_factory import a_stack, an_image, save, save_stack
from PIL import Image

from medrec.domain.ids import PatientKey
from medrec.errors import InputError, OutputError
from medrec.io.discover import discover
from medrec.io.index import index_scans, open_index

VOXELS = np.arange(7 * 9 * 5, dtype=np.uint16).reshape(7, 9, 5)


def indexed(folder):
    return index_scans(folder, patient_key=lambda patient: PatientKey(f"p-{len(patient)}"))


def test_every_file_ends_in_exactly_one_place(tmp_path):
    save_stack(a_stack(VOXELS), tmp_path / "head")
    scout = an_image(VOXELS[..., 0], number=50, SeriesDescription="scout")
    save(scout, tmp_path / "scout.dcm")
    shutil.copy(tmp_path / "scout.dcm", tmp_path / "scout copy.dcm")
    (tmp_path / "junk.txt").write_bytes(b"x")
    (tmp_path / "bad.dcm").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    Image.fromarray(VOXELS[..., 0].astype(np.uint8)).save(tmp_path / "film.png")

    index = indexed(tmp_path)

    status = {record.path: (record.status.value, record.code) for record in index.records}
    assert status == {
        "junk.txt": ("skipped", "not_an_image"),
        "bad.dcm": ("refused", "not_dicom"),
        "pipe": ("failed", "io"),
        "scout.dcm": ("duplicate", ""),
    }
    film, head = index.cases
    assert film.series[0].sources == ("film.png",)
    assert sorted(head.series[0].sources) == sorted(
        path.relative_to(tmp_path).as_posix() for path in (tmp_path / "head").iterdir()
    )
    assert [series.sources for series, _ in head.left_out] == [("scout copy.dcm",)]


def test_a_copy_rewritten_by_another_program_is_still_a_copy(tmp_path):
    image = an_image(VOXELS[..., 0])
    save(image, tmp_path / "a.dcm")
    image.preamble = b"II*\0" + bytes(124)
    image.file_meta.ImplementationVersionName = "ANOTHER_PACS"
    save(image, tmp_path / "b.dcm")

    index = indexed(tmp_path)

    assert [record.status for record in index.records] == ["duplicate"]


def test_other_pixels_under_the_same_uid_are_a_conflict(tmp_path):
    save(an_image(VOXELS[..., 0]), tmp_path / "a.dcm")
    save(an_image(VOXELS[..., 1]), tmp_path / "b.dcm")

    index = indexed(tmp_path)

    assert [record.code for record in index.records] == ["uid_conflict"] * 2
    assert index.cases == ()


def test_an_empty_folder_holds_nothing(tmp_path):
    index = indexed(tmp_path)

    assert (index.cases, index.records) == ((), ())


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, which is empty before and after."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_store_is_there_while_the_index_is_open_and_then_gone(tmp_path, temporary):
    save_stack(a_stack(VOXELS), tmp_path / "scans")

    with open_index(tmp_path / "scans", patient_key=PatientKey) as index:
        assert 1 == len(list(temporary.iterdir()))
        assert 5 == len(next(iter(index.cases)).series[0].headers)

    assert [] == list(temporary.iterdir())


def test_the_store_is_gone_after_an_error_too(tmp_path, temporary):
    with pytest.raises(InputError), open_index(tmp_path / "none", patient_key=PatientKey):
        pass
    with pytest.raises(KeyboardInterrupt), open_index(tmp_path, patient_key=PatientKey):
        raise KeyboardInterrupt

    assert [] == list(temporary.iterdir())


def test_a_full_disk_is_said_in_words(tmp_path, monkeypatch):
    def full(*_):
        message = "database or disk is full"
        raise sqlite3.OperationalError(message)

    monkeypatch.setattr("medrec.io.index.group_stored", full)

    with (
        pytest.raises(OutputError, match="TMPDIR"),
        open_index(tmp_path, patient_key=PatientKey),
    ):
        pass


def test_files_are_found_in_order_of_their_bytes_whatever_the_folders(tmp_path):
    for name in ("b/2", "b/1", "a.x", "a/z/y", "c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    assert ["a/z/y", "a.x", "b/1", "b/2", "c"] == [file.source for file in discover(tmp_path)]
