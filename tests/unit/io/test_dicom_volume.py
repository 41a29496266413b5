from __future__ import annotations

import numpy as np
import pytest
from dicom_factory import (
    AXIAL,
    SAGITTAL,
    a_multi_frame,
    a_stack,
    affine_of,
    an_image,
    oblique,
    save,
    save_stack,
)
from pydicom.sequence import Sequence

from medrec.domain.series import Series
from medrec.errors import FailedScanError, RefusedScanError
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.loading import load_file, load_volume

SPACING = (0.5, 0.75, 5.0)
ORIGIN = (-20.0, -30.0, 10.0)


@pytest.fixture
def voxels():
    return np.random.default_rng(5).integers(0, 4000, (7, 9, 8)).astype(np.uint16)


def refusal_of(images, folder):
    with pytest.raises(RefusedScanError) as caught:
        load_file(save_stack(images, folder))
    return caught.value.code


@pytest.mark.parametrize("directions", [AXIAL, SAGITTAL, oblique()], ids=["ax", "sag", "oblique"])
def test_a_series_is_the_volume_that_it_was_cut_from(tmp_path, voxels, directions):
    volume = load_file(save_stack(a_stack(voxels, directions=directions), tmp_path))

    np.testing.assert_array_equal(volume.voxels[0], voxels)
    np.testing.assert_allclose(
        volume.geometry.affine_lps, affine_of(directions, SPACING, ORIGIN), atol=1e-6
    )
    assert volume.slice_axis == 2


def test_instance_numbers_don_t_order_the_slices(tmp_path, voxels):
    images = a_stack(voxels)
    for image in images:
        image.InstanceNumber = 100 - image.InstanceNumber

    volume = load_file(save_stack(images, tmp_path))

    np.testing.assert_array_equal(volume.voxels[0], voxels)


def test_every_slice_names_its_file(tmp_path, voxels):
    images = a_stack(voxels)
    for index, image in enumerate(images):
        save(image, tmp_path / f"z{9 - index}")

    volume = load_file(tmp_path)

    assert volume.slice_sources == tuple(f"z{9 - index}" for index in range(8))


def test_each_slice_has_its_own_rescale(tmp_path, voxels):
    images = a_stack(voxels)
    for index, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = str(index + 1), str(-index)

    volume = load_file(save_stack(images, tmp_path))

    wanted = voxels * np.arange(1.0, 9.0) - np.arange(8.0)
    np.testing.assert_array_equal(volume.voxels[0], wanted.astype(np.float32))


def test_the_window_is_that_of_the_middle_slice(tmp_path, voxels):
    images = a_stack(voxels)
    for index, image in enumerate(images):
        image.WindowCenter, image.WindowWidth = str(100 + index), "50"

    assert load_file(save_stack(images, tmp_path)).window == (104.0, 50.0)


def test_a_missing_slice_is_a_gap(tmp_path, voxels):
    images = a_stack(voxels)
    del images[3]

    assert refusal_of(images, tmp_path) == "gap"


def test_another_image_at_the_place_of_a_slice_is_refused(tmp_path, voxels):
    images = a_stack(voxels)
    extra = an_image(np.zeros((9, 7), np.uint16), number=99)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        setattr(extra, keyword, images[2][keyword].value)

    assert refusal_of([*images, extra], tmp_path) == "duplicate_position"


@pytest.mark.parametrize("spacing", [["0", "0"], ["-1", "1"]])
def test_a_stack_without_a_pixel_spacing_has_no_geometry_to_trust(tmp_path, voxels, spacing):
    assert refusal_of(a_stack(voxels, PixelSpacing=spacing), tmp_path) == "bad_geometry"


def test_a_stack_with_a_slice_that_lies_nowhere_is_refused(tmp_path, voxels):
    images = a_stack(voxels)
    for image in images:
        del image.ImagePositionPatient

    assert refusal_of(images, tmp_path) == "bad_geometry"


def test_a_multi_frame_image_is_sorted_and_rescaled_by_frame(tmp_path, voxels):
    volume = load_file(save(a_multi_frame(voxels), tmp_path / "image"))

    np.testing.assert_array_equal(volume.voxels[0], voxels * 2.0 - 1)
    wanted = affine_of(AXIAL, (0.5, 0.75, 4.0), (1.0, 2.0, 0.0))
    np.testing.assert_allclose(volume.geometry.affine_lps, wanted)
    assert volume.notes == ()


def test_a_multi_frame_image_with_a_missing_frame_is_a_gap(tmp_path, voxels):
    image = a_multi_frame(voxels)
    groups = list(image.PerFrameFunctionalGroupsSequence)
    groups[2].PlanePositionSequence[0].ImagePositionPatient = ["1", "2", "40"]
    image.PerFrameFunctionalGroupsSequence = Sequence(groups)

    with pytest.raises(RefusedScanError) as caught:
        load_file(save(image, tmp_path / "image"))

    assert caught.value.code == "gap"


def test_frames_without_a_place_each_are_refused(tmp_path, voxels):
    image = a_multi_frame(voxels)
    del image.PerFrameFunctionalGroupsSequence, image.SharedFunctionalGroupsSequence
    image.ImagePositionPatient, image.ImageOrientationPatient = ["0"] * 3, list("100010")
    image.PixelSpacing = ["1", "1"]

    with pytest.raises(RefusedScanError) as caught:
        load_file(save(image, tmp_path / "image"))

    assert caught.value.code == "bad_geometry"


def test_a_blank_slice_among_others_is_no_blank_image(tmp_path, voxels):
    voxels[:, :, 0] = 0

    assert load_file(save_stack(a_stack(voxels), tmp_path)).voxels[..., 0].max() == 0


def test_a_file_that_changed_since_its_header_was_read_is_noticed(tmp_path, voxels):
    path = save(an_image(np.arange(48, dtype=np.uint16).reshape(6, 8)), tmp_path / "image")
    series = Series((read_header(FoundFile(path=path, source="image")),))
    save(an_image(np.arange(48, dtype=np.uint16).reshape(8, 6)), path)

    with pytest.raises(FailedScanError, match="io: the file changed"):
        load_volume(series)


def test_a_file_that_vanished_since_its_header_was_read_is_a_failure(tmp_path):
    path = save(an_image(np.arange(48, dtype=np.uint16).reshape(6, 8)), tmp_path / "image")
    series = Series((read_header(FoundFile(path=path, source="image")),))
    path.unlink()

    with pytest.raises(FailedScanError, match="io"):
        load_volume(series)


def test_a_folder_of_two_series_is_no_scan(tmp_path, voxels):
    save_stack(a_stack(voxels), tmp_path / "one")
    others = a_stack(voxels, SeriesInstanceUID="1.2.3")
    for image in others:
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = (
            f"{image.SOPInstanceUID}.9"
        )
    save_stack(others, tmp_path / "two")

    with pytest.raises(RefusedScanError, match="2 series"):
        load_file(tmp_path)


def test_a_folder_with_a_broken_slice_is_refused(tmp_path, voxels):
    save_stack(a_stack(voxels), tmp_path)
    (tmp_path / "broken.dcm").write_bytes(b"x")

    with pytest.raises(RefusedScanError, match="not_dicom"):
        load_file(tmp_path)
