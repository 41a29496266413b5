"""Whether labelled data can be trained on at all."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from medrec.data.quality import find_data_problems, read_sizes
from medrec.domain.reference import Reference, Split


def save(path, shape=(8, 8, 4), spacing=1.0, shift=0.0):
    affine = np.diag([spacing, spacing, 5.0, 1.0])
    affine[0, 3] = shift
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.uint8), affine), path)


@pytest.fixture
def root(tmp_path):
    save(tmp_path / "scan.nii")
    return tmp_path


def a_row(**changes):
    return Reference(**{"path": "scan.nii", "patient": "P", "labels": {}, **changes})


def problems(root, *rows, labels=()):
    return find_data_problems(rows, root=root, labels=labels)


def test_data_without_fault_have_no_problem(root):
    save(root / "mask.nii")
    rows = [
        a_row(mask="mask.nii", labels={"x": True}),
        a_row(patient="Q", labels={"x": False}),
    ]

    assert [] == problems(root, *rows, labels=["x"])


def test_missing_files_are_named_by_row_and_never_by_path(root):
    (text,) = problems(root, a_row(), a_row(path="Jane_Roe.nii"), a_row(path="gone.nii"))

    assert "2 files of column path are missing, rows 2, 3" in text
    assert "Jane" not in text


def test_a_path_that_no_disk_could_hold_is_a_missing_file(root):
    (text,) = problems(root, a_row(path="a\0b"), a_row(path="x" * 5000))

    assert "2 files of column path are missing" in text


def test_many_rows_are_named_up_to_twenty(root):
    (text,) = problems(root, *(a_row(path=f"{n}.nii") for n in range(25)))

    assert "20 and 5 more" in text


@pytest.mark.parametrize(
    "change", [{"shape": (8, 8, 5)}, {"spacing": 1.1}, {"shift": 3.0}], ids=lambda c: next(iter(c))
)
def test_a_mask_on_another_grid_is_found_by_its_header(root, change):
    save(root / "mask.nii", **change)

    (text,) = problems(root, a_row(mask="mask.nii"))

    assert "1 mask lies on another grid than the scan, row 1" in text
    assert "resample" in text


def test_a_picture_mask_of_another_size_is_found(root):
    Image.new("L", (10, 20)).save(root / "film.png")
    Image.new("L", (20, 10)).save(root / "mask.png")

    (text,) = problems(root, a_row(path="film.png", mask="mask.png"))

    assert "another grid" in text


@pytest.mark.parametrize(
    ("truths", "said"),
    [([True, True], "1 alone"), ([False, None], "0 alone"), ([None, None], "nothing known")],
)
def test_a_label_of_one_class_teaches_nothing(root, truths, said):
    (text,) = problems(root, *(a_row(labels={"x": truth}) for truth in truths), labels=["x"])

    assert f"label x: its rows hold {said}" in text


def test_a_patient_of_two_splits_is_named_by_rows(root):
    rows = [a_row(split=Split.TRAIN), a_row(split=Split.TEST), a_row(patient="Q")]

    (text,) = problems(root, *rows)

    assert "1 patient has rows in several splits, rows 1, 2" in text


def test_everything_is_listed_at_once(root):
    save(root / "mask.nii", shape=(4, 4, 4))
    rows = [
        a_row(mask="mask.nii", split=Split.TRAIN, labels={"x": True}),
        a_row(split=Split.TEST, labels={"x": True}),
        a_row(path="gone.nii", patient="Q"),
    ]

    assert 4 == len(problems(root, *rows, labels=["x"]))


def test_sizes_come_from_headers_and_unknown_ones_are_left_out(root):
    (root / "junk.nii").write_bytes(b"junk")

    found = read_sizes([a_row(), a_row(path="junk.nii"), a_row(path="gone.nii")], root)

    assert {"scan.nii": (8, 8, 4)} == found
