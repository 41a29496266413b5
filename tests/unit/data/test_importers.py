"""Archives to manifests."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from medrec.data.importers import MaskReading, import_masks
from medrec.domain.geometry import Geometry
from medrec.errors import ManifestError

AFFINE = np.diag([1.0, 1.0, 4.0, 1.0])


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels.astype(np.uint8), affine), path)


def add_patient(root, name, *, tumor=(2, 3), shape=(16, 16, 6), affine=AFFINE, mask_affine=None):
    outlined = np.zeros(shape)
    outlined[4:6, 4:6, list(tumor)] = 1
    save(root / name / "flair.nii.gz", np.indices(shape).sum(0), affine)
    save(root / name / "mask.nii.gz", outlined, affine if mask_affine is None else mask_affine)


def read(root, *, cases=None, images="*/flair.nii.gz", mask="mask.nii.gz", **options):
    return import_masks(root, MaskReading(images, mask, **options), cases=cases)


def test_each_slice_is_a_row_and_positive_where_the_mask_is(tmp_path):
    add_patient(tmp_path, "P1")
    add_patient(tmp_path, "P2", tumor=())

    rows = read(tmp_path)

    assert 12 == len(rows)
    assert [2, 3] == [row.slice for row in rows if row.labels["tumor"]]
    assert {("P1", "P1/flair.nii.gz"), ("P2", "P2/flair.nii.gz")} == {
        (row.patient, row.path) for row in rows
    }


def test_slices_run_along_the_thick_axis(tmp_path):
    outlined = np.zeros((5, 12, 12))
    outlined[4, 3, 3] = 1
    affine = np.diag([6.0, 1.0, 1.0, 1.0])
    save(tmp_path / "P1/flair.nii.gz", np.indices((5, 12, 12)).sum(0), affine)
    save(tmp_path / "P1/mask.nii.gz", outlined, affine)

    assert [False, False, False, False, True] == [row.labels["tumor"] for row in read(tmp_path)]


def test_cases_give_attributes(tmp_path):
    add_patient(tmp_path, "P1")
    (tmp_path / "cases.csv").write_text("patient,site,age,mask,tumor\nP1,North,40,m.nii,x\n")

    rows = read(tmp_path, cases=tmp_path / "cases.csv")

    assert {"site": "North", "age": "40"} == rows[0].attributes


def test_all_that_is_wrong_is_listed_at_once(tmp_path):
    add_patient(tmp_path, "P1", mask_affine=np.diag([1.0, 1.0, 5.0, 1.0]))
    add_patient(tmp_path, "P2")
    (tmp_path / "P2/mask.nii.gz").unlink()
    add_patient(tmp_path, "P3")
    save(tmp_path / "P3/mask.nii.gz", np.zeros((16, 16, 7)))
    add_patient(tmp_path, "P4")
    (tmp_path / "P5").mkdir()
    (tmp_path / "P5/flair.nii.gz").write_bytes(b"junk")
    (tmp_path / "P5/mask.nii.gz").write_bytes(b"junk")

    with pytest.raises(ManifestError) as refused:
        read(tmp_path)

    named = [problem.split(":")[0] for problem in refused.value.problems]
    assert [f"P{n}/flair.nii.gz" for n in (1, 2, 3, 5)] == named


def test_an_empty_archive_says_that_nothing_matches(tmp_path):
    with pytest.raises(ManifestError, match="no image matches"):
        read(tmp_path)


def test_the_geometry_is_what_the_tests_take_it_for():
    assert (1.0, 1.0, 4.0) == Geometry.from_ras(AFFINE).spacing_mm


def test_a_case_is_one_row_and_positive_from_the_smallest_lesion_on(tmp_path):
    add_patient(tmp_path, "P1", tumor=(2, 3))  # 8 voxels
    add_patient(tmp_path, "P2", tumor=(2,))  # 4 voxels

    rows = read(tmp_path, per="case", smallest=5)

    assert [("P1", None, True), ("P2", None, False)] == [
        (row.patient, row.slice, row.labels["tumor"]) for row in rows
    ]


def test_a_slice_is_positive_from_the_smallest_lesion_on(tmp_path):
    add_patient(tmp_path, "P1")  # 4 voxels on a slice

    assert not any(row.labels["tumor"] for row in read(tmp_path, smallest=5))
    assert 2 == sum(row.labels["tumor"] for row in read(tmp_path, smallest=4))


def save_picture(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def read_pictures(root, **options):
    return read(root, images="images/*.png", mask="../masks/{stem}.png", **options)


def test_pictures_have_masks_of_the_same_name_and_one_row_each(tmp_path):
    for name, outlined in (("p1_a", True), ("p1_b", False)):
        save_picture(tmp_path / f"images/{name}.png", np.indices((10, 14)).sum(0) * 9)
        save_picture(tmp_path / f"masks/{name}.png", np.full((10, 14), 255 * outlined))

    rows = read_pictures(tmp_path, patient=lambda path: path.split("/")[1][:2])

    assert [
        ("images/p1_a.png", "p1", None, "masks/p1_a.png", True),
        ("images/p1_b.png", "p1", None, "masks/p1_b.png", False),
    ] == [(row.path, row.patient, row.slice, row.mask, row.labels["tumor"]) for row in rows]


def test_a_mask_of_another_size_and_a_path_without_a_patient_are_told_with_both_sizes(tmp_path):
    save_picture(tmp_path / "images/a.png", np.indices((10, 14)).sum(0) * 9)
    save_picture(tmp_path / "images/b.png", np.indices((10, 14)).sum(0) * 9)
    save_picture(tmp_path / "masks/a.png", np.zeros((10, 12)))

    with pytest.raises(ManifestError) as caught:
        read_pictures(tmp_path, patient=lambda path: None if "b" in path else "P")

    assert [
        "images/a.png: a.png is of another grid: 12 x 10 x 1, the image 14 x 10 x 1",
        "images/b.png: --patient finds no patient in it",
    ] == list(caught.value.problems)


def test_a_patient_who_stands_twice_in_the_table_of_cases_is_told(tmp_path):
    add_patient(tmp_path, "P1")
    (tmp_path / "cases.csv").write_text("patient,site\nP1,North\nP1,South\n")

    with pytest.raises(ManifestError, match=r"cases\.csv, line 3: the same patient as line 2"):
        read(tmp_path, cases=tmp_path / "cases.csv")
