"""Several processes prepare what one process would."""

import nibabel
import numpy as np
import pytest
import torch

from medrec.data.build import build_cache
from medrec.data.dataset import prepare_slices
from medrec.domain.reference import Reference
from medrec.errors import ManifestError
from medrec.preprocess.pipeline import Preprocessor

PREPARE = Preprocessor(size_px=32)
COUNT = 7


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for seed in range(COUNT):
        voxels = np.zeros((20, 20, 6), np.uint8)
        voxels[4:16, 4:16, 1:] = np.random.default_rng(seed).integers(50, 200, (12, 12, 5))
        image = nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 4.0, 1.0]))
        nibabel.save(image, folder / f"{seed}.nii")
    return folder


def prepare(archive, workers):
    """Fill a cache of its own; its files by name, and the error if there was one."""
    rows = [Reference(path=f"{n}.nii", patient=f"{n}", labels={}) for n in reversed(range(COUNT))]
    cache = build_cache(None, PREPARE, folder=archive.parent / f"cache{workers}", workers=workers)
    try:
        prepare_slices(rows, root=archive, prepare=PREPARE, labels=["tumor"], cache=cache)
        error = None
    except ManifestError as raised:
        error = str(raised)
    return {path.name: path.read_bytes() for path in cache.pack.folder.iterdir()}, error


def test_one_and_two_workers_write_the_pack_of_one_process(archive):
    expected, error = prepare(archive, 0)

    assert error is None
    assert 1 < len(expected["pictures.bin"])
    assert expected == prepare(archive, 1)[0]
    assert expected == prepare(archive, 2)[0]


def test_bad_files_are_named_once_each_and_the_others_are_kept(archive):
    (archive / "2.nii").write_bytes((archive / "2.nii").read_bytes()[:400])
    (archive / "5.nii").write_bytes(b"nothing")
    expected, wanted = prepare(archive, 0)

    found, error = prepare(archive, 2)

    assert wanted == error
    assert [1, 1] == [error.count(name) for name in ("2.nii: ", "5.nii: ")]
    assert expected == found


def test_workers_leave_the_random_numbers_of_the_process_as_they_were(archive):
    before = torch.get_rng_state()

    prepare(archive, 2)

    assert torch.equal(before, torch.get_rng_state())
