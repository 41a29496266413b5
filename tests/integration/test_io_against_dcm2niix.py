"""An independent oracle for series geometry: dcm2niix, which shares no code with us."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_factory import (
    AXIAL,
    SAGITTAL,
    a_multi_frame,
    a_stack,
    an_enhanced,
    decimals,
    oblique,
    save,
    save_stack,
)
from pydicom import dcmread

from medrec.domain.ids import PatientKey
from medrec.errors import ScanError
from medrec.io.index import index_scans
from medrec.io.loading import load_file, load_volume

CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture
def voxels():
    """Every voxel has a value of its own, so that none can be mistaken for another."""
    values = np.random.default_rng(11).permutation(24 * 18 * 10).reshape(24, 18, 10)
    return values.astype(np.uint16)


def convert_all(folder: Path, out: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Voxels and LPS affine of every volume that dcm2niix finds; its time series one by one."""
    program = shutil.which("dcm2niix") or str(Path(sys.executable).with_name("dcm2niix"))
    if not Path(program).exists():
        pytest.skip("dcm2niix is not installed")
    out.mkdir()
    command = [program, "-z", "n", "-b", "n", "-f", "volume", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    found = []
    for path in sorted(out.glob("*.nii")):
        image = nib.load(path)
        values = np.asanyarray(image.dataobj)
        volumes = np.moveaxis(values, -1, 0) if values.ndim == 4 else values[np.newaxis]
        found += [(volume, RAS_TO_LPS @ image.affine) for volume in volumes]
    return found


def convert(folder: Path, out: Path) -> tuple[np.ndarray, np.ndarray]:
    """The one volume that dcm2niix finds."""
    (found,) = convert_all(folder, out)
    return found


def assert_same_world(
    volume, values, affine_lps, *, tolerance: float = 0.0, is_padded: bool = False
) -> None:
    """Each voxel of ours lies where dcm2niix puts the voxel of that value.

    Padding is the darkest tissue to us, and a stored value like any other to dcm2niix.
    """
    indices = np.indices(volume.voxels.shape[1:]).reshape(3, -1).T
    theirs = indices @ volume.geometry.affine_lps[:3, :3].T + volume.geometry.affine_lps[:3, 3]
    inverse = np.linalg.inv(affine_lps)
    found = theirs @ inverse[:3, :3].T + inverse[:3, 3]
    nearest = np.rint(found).astype(int)
    distance_mm = np.abs((found - nearest) @ affine_lps[:3, :3].T).max()
    assert distance_mm < 1e-3
    ours = volume.voxels[0].ravel()
    compared = ours > ours.min() if is_padded else np.ones(ours.shape, dtype=bool)
    np.testing.assert_allclose(
        values[tuple(nearest.T)][compared], ours[compared], rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("is_numbered_backwards", [False, True])
@pytest.mark.parametrize(
    "directions", [AXIAL, SAGITTAL, CORONAL, oblique()], ids=["ax", "sag", "cor", "oblique"]
)
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


def two_stacks(voxels, keyword, values):
    """Two images at each place, under one series UID."""
    images = []
    for number, value in enumerate(values):
        for image in a_stack(voxels + np.uint16(5000 * number), **{keyword: value}):
            image.SOPInstanceUID += f".{number}"
            image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
            image.InstanceNumber += number * voxels.shape[2]
            images.append(image)
    return images


def assert_same_volumes(folder, out, count):
    """Every series of ours is one of dcm2niix's volumes: in values, size, spacing and affine."""
    (case,) = index_scans(folder, patient_key=PatientKey).cases
    theirs = {int(values.min()): (values, affine) for values, affine in convert_all(folder, out)}
    ours = [load_volume(series) for series in case.series]

    assert count == len(ours) == len(theirs)
    for volume in ours:
        values, affine_lps = theirs[int(volume.voxels.min())]
        assert sorted(values.shape) == sorted(volume.voxels.shape[1:])
        assert_same_world(volume, values, affine_lps)


@pytest.mark.parametrize(
    ("keyword", "values"),
    [("EchoTime", ["10", "90"]), ("TemporalPositionIdentifier", ["1", "2"])],
    ids=["echoes", "times"],
)
def test_stacks_under_one_series_uid_are_those_of_dcm2niix(tmp_path, voxels, keyword, values):
    folder = save_stack(two_stacks(voxels, keyword, values), tmp_path / "in")

    assert_same_volumes(folder, tmp_path / "out", 2)


def test_the_time_points_of_a_multi_frame_image_are_those_of_dcm2niix(tmp_path, voxels):
    image = an_enhanced(
        [
            (voxels, {"time": 1, "index": [1]}),
            (voxels + np.uint16(5000), {"time": 2, "index": [2]}),
        ],
        dimensions=("InStackPositionNumber", "TemporalPositionIndex"),
        in_turn=False,
    )
    save(image, tmp_path / "in" / "image")

    assert_same_volumes(tmp_path / "in", tmp_path / "out", 2)


def test_each_echo_of_a_multi_frame_image_is_what_dcm2niix_makes_of_it_alone(tmp_path, voxels):
    """Alone, for dcm2niix stacks the slices of both echoes as one volume, and says nothing."""
    stacks = [(voxels, {"echo": 10.0}), (voxels + np.uint16(5000), {"echo": 90.0})]
    save(an_enhanced(stacks), tmp_path / "both" / "image")

    (case,) = index_scans(tmp_path / "both", patient_key=PatientKey).cases

    for series, stack in zip(case.series, stacks, strict=True):
        name = str(series.first.echo_time_ms)
        save(an_enhanced([stack]), tmp_path / name / "image")
        found = convert(tmp_path / name, tmp_path / f"out{name}")
        assert_same_world(load_volume(series), *found)


def test_rounded_positions_move_no_voxel_further_than_they_were_rounded(tmp_path, voxels):
    """dcm2niix takes the first step for all; ours is the mean step, nearer to the truth."""
    images = a_stack(voxels)
    jitter = np.random.default_rng(5).uniform(-0.02, 0.02, len(images))
    for image, step in zip(images, jitter, strict=True):
        image.ImagePositionPatient = decimals(
            np.add([float(value) for value in image.ImagePositionPatient], [0, 0, step])
        )
    folder = save_stack(images, tmp_path / "in")

    volume = load_file(folder)
    values, affine_lps = convert(folder, tmp_path / "out")

    assert sorted(values.shape) == sorted(volume.voxels.shape[1:])
    theirs = np.sort(np.linalg.norm(affine_lps[:3, :3], axis=0))
    np.testing.assert_allclose(theirs, np.sort(volume.geometry.spacing_mm), atol=0.04)
    assert volume.geometry.spacing_mm[2] == pytest.approx(5.0, abs=0.04 / 9)


@pytest.fixture(scope="module")
def archive() -> Path:
    """Public DICOM files, in a folder `dicom` of the archives."""
    folder = Path(os.environ.get("MEDREC_TEST_DATA", "")) / "dicom"
    if not folder.is_dir():
        pytest.skip("MEDREC_TEST_DATA names no folder with DICOM files")
    return folder


def _volume_or_none(path):
    try:
        return load_file(path) if path.is_file() else None
    except ScanError:
        return None


@pytest.mark.data
def test_public_mr_and_ct_images_lie_where_dcm2niix_puts_them(archive, tmp_path):
    """Every image that both can read; ours refuses what it can't place, dcm2niix guesses."""
    compared = []
    for number, path in enumerate(sorted(archive.rglob("*"))):
        volume = _volume_or_none(path)
        if volume is None or volume.geometry is None:
            continue
        is_padded = "PixelPaddingValue" in dcmread(path, force=True, stop_before_pixels=True)
        folder = tmp_path / f"in{number}"
        folder.mkdir()
        shutil.copy(path, folder / "image.dcm")
        try:
            found = convert_all(folder, tmp_path / f"out{number}")
        except subprocess.CalledProcessError:  # 12-bit JPEG, JPEG-LS of some kinds
            continue
        for values, affine_lps in found:
            # Slopes are single precision there: 1e-6 of the range.
            tolerance = 2e-6 * float(np.ptp(volume.voxels))
            assert_same_world(volume, values, affine_lps, tolerance=tolerance, is_padded=is_padded)
            compared.append(path.name)

    assert len(compared) >= 20, compared
