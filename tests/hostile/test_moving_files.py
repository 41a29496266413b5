"""Files that vanish, change or can't be opened while medrec runs, and what is no file at all."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path

import pytest
from hostile.dicom_inputs import image, pixels, put
from hostile.nifti_inputs import whole
from PIL import Image

import medrec
from medrec.domain.series import Series
from medrec.errors import FailedScanError
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.loading import load_volume


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    for name in ("good.dcm", "moving.dcm"):
        put(image(), folder / name)
    return folder


def after_the_index(act):
    """Act once all headers are read and before the first pixel is decoded."""

    def on_case(prediction, _done, _total):
        if prediction is None:
            act()

    return on_case


def rows_of(result):
    return {record.path: (record.status, record.code) for record in result.files}


def vanish(path):
    path.unlink()


def shrink(path):
    os.truncate(path, path.stat().st_size // 2)


def be_another(path):
    put(image(), path)


def be_a_folder(path):
    path.unlink()
    path.mkdir()


def be_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("move", [vanish, shrink, be_another, be_a_folder, be_a_pipe])
def test_a_file_that_moves_after_its_header_was_read_failed_and_may_be_tried_again(
    tmp_path, scans, brain_model, move
):
    moving, kept = scans / "moving.dcm", shutil.copy2(scans / "moving.dcm", tmp_path / "kept.dcm")
    facts = {"model": brain_model.folder, "out": tmp_path / "out"}

    first = medrec.screen(scans, **facts, on_case=after_the_index(lambda: move(moving)))
    moving.rmdir() if moving.is_dir() else moving.unlink(missing_ok=True)
    shutil.copy2(kept, moving)
    second = medrec.screen(scans, **facts, resume=True)

    assert {"good.dcm": ("scored", ""), "moving.dcm": ("failed", "io")} == rows_of(first)
    assert 3 == first.exit_code
    assert {"good.dcm": ("scored", ""), "moving.dcm": ("scored", "")} == rows_of(second)
    assert 0 == second.exit_code


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ENOENT])
def test_a_file_that_can_t_be_opened_failed(tmp_path, scans, brain_model, monkeypatch, error):
    opened = os.open

    def open_or_not(path, *arguments, **options):
        if os.fsdecode(path).endswith("moving.dcm"):
            raise OSError(error, os.strerror(error), str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", open_or_not)

    result = medrec.screen(scans, model=brain_model.folder, out=tmp_path / "out")

    (record,) = [record for record in result.files if record.path == "moving.dcm"]
    assert ("failed", "io") == (record.status, record.code)
    assert os.strerror(error) in record.detail
    assert str(tmp_path) not in record.detail


def test_what_is_no_file_is_listed_and_never_opened(tmp_path, scans, brain_model):
    os.mkfifo(scans / "pipe.dcm")
    (scans / "loop.dcm").symlink_to(scans / "loop.dcm")
    (scans / "up").symlink_to(scans, target_is_directory=True)
    (scans / "outside.dcm").symlink_to("/etc/passwd")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(scans / "socket.dcm"))
        if os.geteuid() == 0:
            os.mknod(scans / "device.dcm", 0o020600, os.makedev(1, 5))  # /dev/zero: never ends
        result = medrec.screen(scans, model=brain_model.folder, out=tmp_path / "out")

    odd = {path: row for path, row in rows_of(result).items() if row[0] != "scored"}
    skipped = {path for path, row in odd.items() if row == ("skipped", "not_an_image")}
    failed = {path for path, row in odd.items() if row == ("failed", "io")}
    assert {"up", "outside.dcm"} == skipped
    assert {"pipe.dcm", "loop.dcm", "socket.dcm"} == failed - {"device.dcm"}
    assert skipped | failed == set(odd)
    assert 3 == result.exit_code


@pytest.mark.parametrize("name", ["a.dcm", "a.nii", "a.png"])
def test_pixels_of_a_file_that_changed_under_its_header_are_not_used(tmp_path, name):
    path = tmp_path / name
    match path.suffix:
        case ".dcm":
            put(image(), path)
        case ".nii":
            path.write_bytes(whole(1))
        case _:
            Image.fromarray(pixels().astype("u1")).save(path)
    header = read_header(FoundFile(path=path, source=name))
    os.utime(path, ns=(0, 0))

    with pytest.raises(FailedScanError, match="changed while it was read"):
        load_volume(Series((header,)))


def test_a_folder_that_can_t_be_listed_failed(tmp_path, scans, brain_model, monkeypatch):
    (scans / "locked").mkdir()
    listed = os.scandir

    def scan_or_not(path="."):
        # The standard library lists open folders by their number.
        if not isinstance(path, int) and Path(os.fsdecode(path)).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scan_or_not)

    result = medrec.screen(scans, model=brain_model.folder, out=tmp_path / "out")

    assert ("failed", "io") == rows_of(result)["locked"]
