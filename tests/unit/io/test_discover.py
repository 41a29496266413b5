from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_factory import an_image, save
from PIL import Image

from medrec.domain.modality import FileFormat
from medrec.errors import InputError
from medrec.io.discover import discover, sniff


def sources(folder):
    return [found.source for found in discover(folder)]


def test_files_come_sorted_with_posix_paths_below_the_folder(tmp_path):
    for name in ("b/2.dcm", "a.nii", "b/1.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    assert sources(tmp_path) == ["a.nii", "b/1.dcm", "b/2.dcm"]


def test_one_file_is_found_by_its_name(tmp_path):
    path = tmp_path / "scan.nii"
    path.write_bytes(b"x")

    assert [(found.path, found.source) for found in discover(path)] == [(path, "scan.nii")]


def test_a_missing_folder_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(discover(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["x" * 300, "loop", "file/below"])
def test_a_path_that_can_t_be_looked_at_is_an_input_error(tmp_path, name):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_bytes(b"x")

    with pytest.raises(InputError, match="check the path"):
        list(discover(tmp_path / name))


@pytest.fixture
def deep_folder(tmp_path, monkeypatch):
    """A file below more folders than Python's stack is high, and their count."""
    monkeypatch.chdir(tmp_path)
    depth = sys.getrecursionlimit() + 200
    for _ in range(depth):
        Path("a").mkdir()
        os.chdir("a")
    Path("x").write_bytes(b"x")
    yield tmp_path, depth
    Path("x").unlink()  # what pytest removes folders by goes down on Python's stack
    for _ in range(depth):
        os.chdir("..")
        Path("a").rmdir()


def test_folders_may_be_nested_deeper_than_the_stack_of_python(deep_folder):
    folder, depth = deep_folder

    assert ["a/" * depth + "x"] == sources(folder)


def test_a_loop_of_links_ends(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to(tmp_path)

    assert sources(tmp_path) == ["sub/up"]


def test_odd_names_become_valid_utf8(tmp_path):
    names = [b"-rf", b"line\nbreak.dcm", b"latin\xe9.dcm", b"x" * 255]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")

    found = list(discover(tmp_path))

    wanted = ["-rf", "latin\\xe9.dcm", "line\nbreak.dcm", "x" * 255]
    assert wanted == sorted(file.source for file in found)
    assert all(file.source.encode("utf-8") and file.path.exists() for file in found)


def test_formats_are_told_by_content_not_by_name(tmp_path):
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    save(an_image(pixels), tmp_path / "a.txt")
    save(an_image(pixels), tmp_path / "b").write_bytes((tmp_path / "a.txt").read_bytes()[132:])
    volume = np.zeros((2, 2, 2), np.uint8)
    plain = nib.Nifti1Image(volume, np.eye(4)).to_bytes()
    (tmp_path / "c.dcm").write_bytes(plain)
    (tmp_path / "d").write_bytes(gzip.compress(nib.Nifti2Image(volume, np.eye(4)).to_bytes()))
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "e.dcm", format="PNG")
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "f.nii", format="JPEG")
    (tmp_path / "g.png").write_bytes(b"hello")
    (tmp_path / "h.nii.gz").write_bytes(gzip.compress(b"no nifti"))
    (tmp_path / "i.dcm").write_bytes(b"")

    found = {path.name: sniff(path) for path in tmp_path.iterdir()}

    assert found == {
        "a.txt": FileFormat.DICOM,
        "b": FileFormat.DICOM,
        "c.dcm": FileFormat.NIFTI,
        "d": FileFormat.NIFTI,
        "e.dcm": FileFormat.RASTER,
        "f.nii": FileFormat.RASTER,
        "g.png": None,
        "h.nii.gz": None,
        "i.dcm": None,
    }
