"""Pixels of evaluated cases, from the scans that a manifest names."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from dicom_factory import a_stack, save_stack
from factories import a_prediction
from PIL import Image
from pydicom.uid import generate_uid

from medrec.evaluation.detection_result import JudgedImage
from medrec.evaluation.result import CaseOutcome, Outcome
from medrec.workflows.evaluated_pictures import ScanPictures

OUTCOME = CaseOutcome(a_prediction(), {}, {}, Outcome.UNKNOWN)


@pytest.fixture
def scans(tmp_path):
    """A film of 30 columns x 20 rows, and a volume of 12 x 10 pixels and 5 slices."""
    film = np.arange(600).reshape(20, 30) % 251
    Image.fromarray(film.astype(np.uint8)).save(tmp_path / "f.png")
    voxels = np.random.default_rng(0).integers(0, 99, (12, 10, 5), dtype=np.int16)
    nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 3.0, 1.0])).to_filename(tmp_path / "v.nii")
    return tmp_path


def test_a_film_and_a_slice_of_a_volume_are_had_by_the_manifests_path(scans):
    picture_of = ScanPictures(scans)

    film = picture_of(OUTCOME, JudgedImage(None, (), (), source="x/f.png", path="f.png"), None)
    own = picture_of(OUTCOME, JudgedImage(3, (), (), source="x/v.nii", path="v.nii"), None)
    chosen = picture_of(OUTCOME, JudgedImage(None, (), (), path="v.nii"), 2)

    assert (20, 30) == (film.rows, film.columns)
    assert (10, 12) == (own.rows, own.columns) == (chosen.rows, chosen.columns)
    assert own.data != chosen.data
    assert 0 == picture_of.missing


def test_what_is_not_there_or_no_scan_gives_no_picture_and_is_counted(scans):
    (scans / "notes.png").write_text("no scan")
    picture_of = ScanPictures(scans)

    for path, number in (("gone.nii", 2), ("notes.png", None), ("v.nii", 9)):
        assert picture_of(OUTCOME, JudgedImage(None, (), (), path=path), number) is None
    assert 3 == picture_of.missing


def test_the_series_of_a_folder_is_told_by_the_file_of_its_slice(tmp_path):
    for name, rows in (("a", 16), ("b", 24)):
        voxels = np.arange(10 * rows * 3, dtype=np.int16).reshape(10, rows, 3)
        images = a_stack(voxels, SeriesInstanceUID=generate_uid(entropy_srcs=[name]))
        for image in images:
            image.SOPInstanceUID = generate_uid(entropy_srcs=[name, str(image.InstanceNumber)])
        save_stack(images, tmp_path / "s" / name)
    picture_of = ScanPictures(tmp_path)
    file = sorted((tmp_path / "s" / "b").iterdir())[0].name

    found = picture_of(OUTCOME, JudgedImage(1, (), (), source=f"x/s/b/{file}", path="s"), None)

    assert 24 == found.rows
    assert picture_of(OUTCOME, JudgedImage(1, (), (), path="s"), None) is None
