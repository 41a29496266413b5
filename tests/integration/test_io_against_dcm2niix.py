"""An independent oracle for series geometry: dcm2niix, which shares no code with us."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_factory import AXIAL, SAGITTAL, a_multi_frame, a_stack, oblique, save, save_stack

from medrec.io.loading import load_file

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture
def voxels():
    """Every voxel has a value of its own, so that none can be mistaken for another."""
    values = np.random.default_rng(11).permutation(24 * 18 * 10).reshape(24, 18, 10)
    return values.astype(np.uint16)


def convert(folder: Path, out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and LPS affine as dcm2niix has them."""
    program = shutil.which("dcm2niix") or str(Path(sys.executable).with_name("dcm2niix"))
    if not Path(program).exists():
        pytest.skip("dcm2niix is not installed")
    out.mkdir()
    command = [program, "-z", "n", "-b", "n", "-f", "volume", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (path,) = out.glob("*.nii")
    image = nib.load(path)
    return np.asanyarray(image.dataobj), RAS_TO_LPS @ image.affine


def assert_same_world(volume, values, affine_lps) -> None:
    """Each voxel of ours lies where dcm2niix puts the voxel of that value."""
    indices = np.indices(volume.voxels.shape[1:]).reshape(3, -1).T
    theirs = indices @ volume.geometry.affine_lps[:3, :3].T + volume.geometry.affine_lps[:3, 3]
    inverse = np.linalg.inv(affine_lps)
    found = theirs @ inverse[:3, :3].T + inverse[:3, 3]
    nearest = np.rint(found).astype(int)
    distance_mm = np.abs((found - nearest) @ affine_lps[:3, :3].T).max()
    assert distance_mm < 1e-3
    np.testing.assert_array_equal(values[tuple(nearest.T)], volume.voxels[0].ravel())


@pytest.mark.parametrize("is_numbered_backwards", [False, True])
@pytest.mark.parametrize("directions", [AXIAL, SAGITTAL, oblique()], ids=["ax", "sag", "oblique"])
def test_a_series_lies_where_dcm2niix_puts_it(tmp_path, voxels, directions, is_numbered_backwards):
    images = a_stack(voxels, directions=directions)
    if is_numbered_backwards:
        for image in images:
            image.InstanceNumber = 100 - image.InstanceNumber
    folder = save_stack(images, tmp_path / "in")

    volume = load_file(folder)
    values, affine_lps = convert(folder, tmp_path / "out")

    assert sorted(values.shape) == sorted(volume.voxels.shape[1:])
    theirs = np.sort(np.linalg.norm(affine_lps[:3, :3], axis=0))
    np.testing.assert_allclose(np.sort(volume.geometry.spacing_mm), theirs, atol=1e-3)
    assert_same_world(volume, values, affine_lps)


def test_rescaled_values_are_those_of_dcm2niix(tmp_path, voxels):
    images = a_stack(voxels, RescaleSlope="2", RescaleIntercept="-100")
    folder = save_stack(images, tmp_path / "in")

    assert_same_world(load_file(folder), *convert(folder, tmp_path / "out"))


def test_a_multi_frame_image_lies_where_dcm2niix_puts_it(tmp_path, voxels):
    image = a_multi_frame(voxels)
    for group in image.PerFrameFunctionalGroupsSequence:
        del group.PixelValueTransformationSequence
    save(image, tmp_path / "in" / "image")

    volume = load_file(tmp_path / "in" / "image")

    assert_same_world(volume, *convert(tmp_path / "in", tmp_path / "out"))
