"""Labelled slices in memory."""

import nibabel
import numpy as np
import pytest
import torch

from medrec.data import dataset as module
from medrec.data.dataset import prepare_slices
from medrec.domain.reference import Reference
from medrec.errors import ManifestError
from medrec.preprocess.pipeline import Preprocessor

LABELS = ["tumor", "cyst"]


@pytest.fixture
def archive(tmp_path):
    for name in ("a", "b"):
        voxels = np.zeros((20, 20, 6), np.uint8)
        voxels[4:16, 4:16, 1:] = 100 + 10 * np.arange(5) + np.arange(12)[:, None, None]
        affine = np.diag([-1.0, -1.0, 4.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / f"{name}.nii")
    return tmp_path


def row(path="a.nii", number=None, **labels):
    return Reference(path=path, patient=path, slice=number, labels=labels)


def prepare(rows, root, **options):
    return prepare_slices(
        rows, root=root, prepare=Preprocessor(size_px=32), labels=LABELS, **options
    )


def test_rows_get_their_own_slices_and_labels(archive):
    rows = [row(number=4, tumor=True), row("b.nii", 1, tumor=False, cyst=True), row(number=2)]

    data = prepare(rows, archive)

    assert [("a.nii", 2), ("a.nii", 4), ("b.nii", 1)] == [
        (row.path, row.slice) for row in data.references
    ]
    expected = torch.tensor([[torch.nan, torch.nan], [1, torch.nan], [0, 1]])
    assert torch.equal(expected.isnan(), data.targets.isnan())
    assert torch.equal(expected.nan_to_num(), data.targets.nan_to_num())
    assert [1, 2] == data.known_rows()


def test_pictures_are_those_of_the_preprocessor(archive):
    data = prepare([row(number=3)], archive)

    volume = module.load_file(archive / "a.nii")
    expected = Preprocessor(size_px=32)(volume)
    image, _ = data[0]
    assert torch.float32 == image.dtype
    assert torch.allclose(expected.images[expected.slices.index(3)], image, atol=5e-4)


def test_blank_slices_are_counted(archive):
    data = prepare([row(number=number) for number in range(6)], archive)

    assert (5, 1) == (len(data), data.blank)


def test_a_file_of_nothing_but_air_has_only_blank_slices(archive):
    voxels = np.zeros((20, 20, 6), np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 4.0, 1.0])), archive / "c.nii")

    data = prepare([row(), row("c.nii", 2)], archive)

    assert (["a.nii"] * 5, 2) == ([row.path for row in data.references], data.blank)


def test_each_volume_is_loaded_once(archive, monkeypatch):
    loaded = []
    load = module.load_file
    monkeypatch.setattr(
        module, "load_file", lambda path, **kw: loaded.append(path.name) or load(path, **kw)
    )

    prepare([row(path, n) for n in (1, 2) for path in ("a.nii", "b.nii")], archive)

    assert ["a.nii", "b.nii"] == loaded


def test_a_negative_exam_has_negative_slices_and_a_positive_one_unknown_slices(archive):
    data = prepare([row("a.nii", tumor=False, cyst=True)], archive)

    assert 5 == len(data)
    assert [0.0] * 5 == data.targets[:, 0].tolist()
    assert data.targets[:, 1].isnan().all()
    assert [1, 2, 3, 4, 5] == sorted(row.slice for row in data.references)


def test_subsets_keep_what_belongs_together(archive):
    data = prepare([row(number=number, tumor=number > 2) for number in range(1, 5)], archive)

    part = data.subset([3, 0])

    assert [data.references[3], data.references[0]] == list(part.references)
    assert torch.equal(data.images[[3, 0]], part.images[:])
    assert torch.equal(data.targets[[3, 0], 0], part.targets[:, 0])


def test_equal_pictures_have_equal_digests(archive):
    data = prepare([row("a.nii", 1), row("a.nii", 2), row("b.nii", 1)], archive)

    first, other, again = data.digests()

    assert first == again
    assert first != other


def test_all_that_can_not_be_prepared_is_listed(archive):
    (archive / "junk.nii").write_bytes(b"junk")

    with pytest.raises(ManifestError) as refused:
        prepare([row("junk.nii", 0), row(number=9), row("b.nii", 1)], archive)

    assert ["junk.nii", "a.nii"] == [p.split(":")[0] for p in refused.value.problems]
