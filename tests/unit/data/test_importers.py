"""Archives to manifests."""

import nibabel
import numpy as np
import pytest

from medrec.data.importers import import_masks
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
