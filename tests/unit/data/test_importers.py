"""Archives to manifests."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from medrec.data.importers import import_masks
from medrec.data.mask_truth import MaskRule
from medrec.data.patients import patient_of_path
from medrec.domain.geometry import Geometry
from medrec.errors import ManifestError, UsageError

AFFINE = np.diag([1.0, 1.0, 4.0, 1.0])


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels.astype(np.uint8), affine), path)


def add_patient(root, name, *, tumor=(2, 3), shape=(16, 16, 6), affine=AFFINE, mask_affine=None):
    outlined = np.zeros(shape)
    outlined[4:6, 4:6, list(tumor)] = 1
    save(root / name / "flair.nii.gz", np.indices(shape).sum(0), affine)
    save(root / name / "mask.nii.gz", outlined, affine if mask_affine is None else mask_affine)


def read(root, **options):
    return import_masks(root, images="*/flair.nii.gz", mask="mask.nii.gz", **options)


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


def add_picture(root, name, *, size=(20, 12), mask_size=None, lesion_px=0):
    """An image of (columns, rows), and a mask of the same stem with a lesion in one row."""
    values = np.arange(size[0] * size[1]).reshape(size[1], size[0]) % 251
    outlined = np.zeros((mask_size or size)[::-1], dtype=np.uint8)
    outlined[3, :lesion_px] = 255
    for folder, content in (("images", values), ("masks", outlined)):
        (root / folder).mkdir(exist_ok=True)
        Image.fromarray(content.astype(np.uint8)).save(root / folder / f"{name}.png")


def read_pictures(root, **options):
    patient = options.pop("patient", patient_of_path("P[0-9]+"))
    mask = options.pop("mask", "../masks/{stem}.png")
    return import_masks(root, images="images/*.png", mask=mask, patient=patient, **options)


def test_a_picture_is_one_row_with_the_mask_of_its_name(tmp_path):
    add_picture(tmp_path, "P1-a", lesion_px=4)
    add_picture(tmp_path, "P1-b")

    rows = read_pictures(tmp_path)

    assert [
        ("images/P1-a.png", "masks/P1-a.png", "P1", None, True),
        ("images/P1-b.png", "masks/P1-b.png", "P1", None, False),
    ] == [(row.path, row.mask, row.patient, row.slice, row.labels["tumor"]) for row in rows]


def test_masks_that_lie_among_the_images_are_no_images(tmp_path):
    add_picture(tmp_path, "P1", lesion_px=4)
    (tmp_path / "masks/P1.png").rename(tmp_path / "images/P1_mask.png")

    (row,) = read_pictures(tmp_path, mask="{stem}_mask.png")

    assert ("images/P1.png", "images/P1_mask.png") == (row.path, row.mask)


def test_the_stem_of_a_packed_nifti_has_neither_extension(tmp_path):
    add_patient(tmp_path, "P1")
    (tmp_path / "P1/mask.nii.gz").rename(tmp_path / "P1/flair_seg.nii.gz")

    rows = import_masks(tmp_path, images="*/flair.nii.gz", mask="{stem}_seg.nii.gz")

    assert {"P1/flair_seg.nii.gz"} == {row.mask for row in rows}


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path):
    add_picture(tmp_path, "P1", size=(20, 12), mask_size=(12, 20))

    with pytest.raises(ManifestError, match="another size: 12 x 20, the image 20 x 12"):
        read_pictures(tmp_path)


def test_a_case_is_one_row_and_positive_where_a_slice_has_a_lesion_of_the_size(tmp_path):
    add_patient(tmp_path, "P1")
    add_patient(tmp_path, "P2", tumor=())

    def cases(least_px):
        rule = MaskRule(per="case", least_px=least_px)
        return [(row.slice, row.labels["tumor"]) for row in read(tmp_path, rule=rule)]

    assert [(None, True), (None, False)] == cases(4)
    assert [(None, False), (None, False)] == cases(5)


def test_pictures_of_one_folder_need_a_pattern_for_their_patients(tmp_path):
    add_picture(tmp_path, "P1")
    add_picture(tmp_path, "P2")

    with pytest.raises(ManifestError, match="all images lie in one folder"):
        read_pictures(tmp_path, patient=None)


def test_wrong_pictures_are_listed_at_once(tmp_path):
    for name in ("P1", "P2", "P3", "P4", "X5", "P6"):
        add_picture(tmp_path, name)
    (tmp_path / "masks/P1.png").unlink()
    (tmp_path / "masks/P2.png").unlink()
    (tmp_path / "masks/P2.png").symlink_to(tmp_path / "masks/P3.png")
    (tmp_path / "images/P3.png").write_bytes((tmp_path / "images/P3.png").read_bytes()[:45])
    (tmp_path / "masks/P4.png").write_bytes(b"junk")
    (tmp_path / "masks/P6.png").unlink()
    Image.new("L", (20, 12)).save(tmp_path / "masks/P6.png", format="JPEG")

    with pytest.raises(ManifestError) as refused:
        read_pictures(tmp_path)

    named = [problem.split(":")[0] for problem in refused.value.problems]
    assert [f"images/{name}.png" for name in ("P1", "P2", "P3", "P4", "P6", "X5")] == named


@pytest.mark.parametrize("mask", ["../../{stem}.png", "/etc/{stem}.png"])
def test_a_mask_outside_the_archive_is_refused(tmp_path, mask):
    add_picture(tmp_path, "P1")

    with pytest.raises(ManifestError, match="outside the archive"):
        read_pictures(tmp_path, mask=mask)


@pytest.mark.parametrize("images", ["/etc/*", "../*.png", ""])
def test_images_outside_the_archive_are_refused(tmp_path, images):
    with pytest.raises(ManifestError, match="wanted a glob below the folder"):
        import_masks(tmp_path, images=images, mask="mask.nii.gz")


def test_a_label_named_like_a_column_of_manifests_is_refused(tmp_path):
    add_patient(tmp_path, "P1")

    with pytest.raises(ManifestError, match="label slice: means something else"):
        read(tmp_path, rule=MaskRule(label="slice"))


def test_a_patient_with_two_rows_of_attributes_is_refused_by_line(tmp_path):
    add_patient(tmp_path, "P1")
    (tmp_path / "cases.csv").write_text("patient,age\nP1,40\nP2,41\nP1,50\n,3\nP2\n")

    with pytest.raises(ManifestError) as refused:
        read(tmp_path, cases=tmp_path / "cases.csv")

    starts = [problem.split(":")[0] for problem in refused.value.problems]
    assert [
        "cases.csv, line 6",
        "cases.csv, line 4, column patient",
        "cases.csv, line 5, column patient",
    ] == starts


def test_a_relative_folder_starts_where_the_user_stands_now(tmp_path, monkeypatch):
    for name in ("first", "second"):
        add_patient(tmp_path / name / "archive", name)

    for name in ("first", "second"):
        monkeypatch.chdir(tmp_path / name)  # the decoder, once started, stays in the first

        assert {f"{name}/flair.nii.gz"} == {row.path for row in read(Path("archive"))}


def test_folders_of_one_name_are_not_taken_for_one_patient(tmp_path):
    for name in ("A/visit1", "B/visit1"):
        add_patient(tmp_path, name)

    with pytest.raises(ManifestError, match="B/visit1: is called as A/visit1"):
        import_masks(tmp_path, images="*/*/flair.nii.gz", mask="mask.nii.gz")


def test_images_of_one_folder_need_a_pattern_for_patients(tmp_path):
    for name in ("a", "b"):
        add_patient(tmp_path, name)
        (tmp_path / name / "flair.nii.gz").rename(tmp_path / f"{name}.nii.gz")
        (tmp_path / name / "mask.nii.gz").rename(tmp_path / f"{name}_seg.nii.gz")

    with pytest.raises(ManifestError, match="all images lie in one folder"):
        import_masks(tmp_path, images="*.nii.gz", mask="{stem}_seg.nii.gz")


def test_a_pattern_that_is_none_is_told(tmp_path):
    with pytest.raises(UsageError, match="wanted a glob"):
        import_masks(tmp_path, images="**.nii.gz", mask="mask.nii.gz")
