"""A planted lesion comes back where it was put, whatever happened to the image on the way."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
import torch
from dicom_factory import AXIAL, SAGITTAL, a_stack, oblique, save_stack
from PIL import Image

from medrec.domain.box import Box, to_mm
from medrec.errors import RefusedScanError
from medrec.io.loading import load_file
from medrec.preprocess.augment import Augmenter
from medrec.preprocess.pipeline import Preprocessor
from medrec.preprocess.places import (
    from_source_slice,
    from_source_volume,
    move_boxes,
    to_source_slice,
    to_source_volume,
)
from medrec.preprocess.volumes import VolumePreprocessor

BODY, LESION = 100, 1000
SHAPE = (40, 36, 12)
LOW, HIGH = np.array([20, 9, 4]), np.array([28, 15, 8])
"""The lesion, in stored indices (i, j, k), half-open."""
TURNS = list(product(permutations(range(3)), product((1, -1), repeat=3)))
CROPS = ["none", "foreground"]
CROPPED = [(*turn, CROPS[number % 2]) for number, turn in enumerate(TURNS)]
EXACT = {"lower": 0.0, "upper": 100.0, "blank_fraction": 0.0}


def _planted() -> np.ndarray:
    voxels = np.zeros(SHAPE, dtype=np.int16)
    voxels[6:37, 3:30, 1:11] = BODY
    voxels[tuple(slice(low, high) for low, high in zip(LOW, HIGH, strict=True))] = LESION
    return voxels


def _extent(picture: np.ndarray) -> np.ndarray:
    """The box (2D,) of the lesion to parts of a pixel: its mass has a middle, and a length."""
    shown = np.clip(picture - BODY / LESION * picture.max(), 0, None)
    lows, highs = [], []
    for axis in range(picture.ndim):
        others = tuple(other for other in range(picture.ndim) if other != axis)
        line = shown.sum(axis=others)
        middle = (line * (np.arange(len(line)) + 0.5)).sum() / line.sum()
        half = np.sqrt(3 * ((line * (np.arange(len(line)) + 0.5 - middle) ** 2).sum() / line.sum()))
        lows.append(middle - half)
        highs.append(middle + half)
    return np.array([*lows, *highs])


def _nifti(folder, axes, signs):
    """The planted volume, its stored axes turned; the lesion's stored low and high corner too."""
    stored = _planted().transpose(axes)
    flips = tuple(slice(None, None, sign) for sign in signs)
    affine = np.zeros((4, 4))
    spacing = np.array([1.0, 1.25, 4.0])
    for stored_axis, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, stored_axis] = spacing[axis] * sign
    affine[3, 3] = 1
    first = [0 if sign > 0 else side - 1 for side, sign in zip(stored.shape, signs, strict=True)]
    affine[:3, 3] = np.array([-7.0, 3, 11]) - affine[:3, :3] @ first
    path = folder / "planted.nii"
    nib.Nifti1Image(np.ascontiguousarray(stored[flips]), affine).to_filename(path)
    low, high = LOW[list(axes)], HIGH[list(axes)]
    sides = np.array(stored.shape)
    turned = np.array(signs) < 0
    return path, np.where(turned, sides - high, low), np.where(turned, sides - low, high)


def _xyz(volume, low, high):
    order = [*(axis for axis in range(3) if axis != volume.slice_axis), volume.slice_axis]
    return np.concatenate([low[order], high[order]])


@pytest.mark.parametrize(("axes", "signs", "crop"), CROPPED)
def test_a_lesion_seen_in_a_slice_lies_where_it_was_stored(tmp_path, axes, signs, crop):
    path, low, high = _nifti(tmp_path, axes, signs)
    volume = load_file(path)
    inputs = Preprocessor(size_px=64, crop=crop, **EXACT)(volume)
    wanted = _xyz(volume, low, high)[[0, 1, 3, 4]]
    number = int(low[volume.slice_axis]) + 1
    seen = _extent(inputs.images[inputs.slices.index(number), 0].numpy())
    np.testing.assert_allclose(to_source_slice(seen[None], inputs.to_source)[0], wanted, atol=0.5)
    back = from_source_slice(wanted[None].astype(float), inputs.to_source)
    np.testing.assert_allclose(back[0], seen, atol=0.6)


@pytest.mark.parametrize(("axes", "signs", "crop"), CROPPED)
def test_a_lesion_seen_in_a_volume_lies_where_it_was_stored(tmp_path, axes, signs, crop):
    path, low, high = _nifti(tmp_path, axes, signs)
    volume = load_file(path)
    size = (48, 45, 40)
    inputs = VolumePreprocessor(size=size, crop=crop, lower=0, upper=100)(volume)
    wanted = _xyz(volume, low, high)
    seen = _extent(inputs.voxels[0].numpy())
    found = to_source_volume(seen[None], inputs.to_source, slice_axis=volume.slice_axis)
    np.testing.assert_allclose(found[0], wanted, atol=0.5)
    back = from_source_volume(
        wanted[None].astype(float), inputs.to_source, slice_axis=volume.slice_axis
    )
    again = to_source_volume(back, inputs.to_source, slice_axis=volume.slice_axis)
    np.testing.assert_allclose(again[0], wanted, atol=1e-6)


@pytest.mark.parametrize(("axes", "signs", "crop"), CROPPED)
def test_a_lesion_seen_at_a_fixed_spacing_lies_where_it_was_stored(tmp_path, axes, signs, crop):
    path, low, high = _nifti(tmp_path, axes, signs)
    volume = load_file(path)
    spacing = (2.0, 1.0, 0.75)
    prepare = VolumePreprocessor(
        size=(16, 16, 16), crop=crop, lower=0, upper=100, spacing_mm=spacing
    )
    inputs = prepare(volume)
    seen = _extent(inputs.voxels[0].numpy())
    found = to_source_volume(seen[None], inputs.to_source, slice_axis=volume.slice_axis)
    np.testing.assert_allclose(found[0], _xyz(volume, low, high), atol=0.5)
    # 8 x 1 mm right to left, 6 x 1.25 mm front to back, 4 x 4 mm feet to head.
    wanted_mm = np.array([4 * 4.0, 6 * 1.25, 8 * 1.0])
    np.testing.assert_allclose((seen[3:] - seen[:3]) * spacing, wanted_mm, atol=0.8)


def test_a_volume_keeps_its_size_in_mm_and_is_padded_to_the_window(tmp_path):
    path, *_ = _nifti(tmp_path, (0, 1, 2), (1, 1, 1))  # 40 x 45 x 48 mm
    prepare = VolumePreprocessor(size=(16, 32, 32), crop="none", spacing_mm=(2.0, 1.0, 2.0))
    assert (1, 24, 45, 32) == tuple(prepare(load_file(path)).voxels.shape)


def test_a_volume_of_unknown_spacing_is_refused_where_one_is_wanted(tmp_path):
    volume = replace(load_file(_nifti(tmp_path, (0, 1, 2), (1, 1, 1))[0]), geometry=None)
    prepare = VolumePreprocessor(size=(16, 16, 16), spacing_mm=(1.0, 1.0, 1.0))
    with pytest.raises(RefusedScanError, match=r"size of its voxels in mm is unknown"):
        prepare(volume)
    assert VolumePreprocessor(size=(16, 16, 16))(volume).voxels.shape == (1, 16, 16, 16)


def test_more_voxels_than_a_computer_takes_are_refused(tmp_path):
    path, *_ = _nifti(tmp_path, (0, 1, 2), (1, 1, 1))
    prepare = VolumePreprocessor(size=(16, 16, 16), crop="none", spacing_mm=(0.02, 0.05, 0.05))
    with pytest.raises(RefusedScanError, match=r"2400 x 900 x 800 voxels of 0.02 x 0.05 x 0.05 mm"):
        prepare(load_file(path))


@pytest.mark.parametrize(("axes", "signs"), TURNS)
def test_a_lesion_lies_at_the_same_place_in_the_patient_however_it_is_stored(tmp_path, axes, signs):
    path, low, high = _nifti(tmp_path, axes, signs)
    volume = load_file(path)
    x0, y0, z0, x1, y1, z1 = _xyz(volume, low, high).tolist()
    box = Box(x0, y0, x1, y1, z0, z1)
    found = to_mm(box, volume.geometry, slice_axis=volume.slice_axis)
    spacing, first = np.array([1.0, 1.25, 4.0]), np.array([-7.0, 3, 11])
    ends = np.array([(LOW - 0.5) * spacing + first, (HIGH - 0.5) * spacing + first])
    ends[:, :2] *= -1  # RAS to LPS
    np.testing.assert_allclose(found.low, ends.min(axis=0), atol=1e-4)
    np.testing.assert_allclose(found.high, ends.max(axis=0), atol=1e-4)


@pytest.mark.parametrize("directions", [AXIAL, SAGITTAL, oblique()], ids=["ax", "sag", "oblique"])
def test_a_lesion_of_a_dicom_series_lies_where_it_was_stored(tmp_path, directions):
    voxels = _planted().astype(np.uint16)
    volume = load_file(save_stack(a_stack(voxels, directions=directions), tmp_path))
    inputs = Preprocessor(size_px=64, **EXACT)(volume)
    seen = _extent(inputs.images[inputs.slices.index(5), 0].numpy())
    wanted = [*LOW[:2], *HIGH[:2]]
    np.testing.assert_allclose(to_source_slice(seen[None], inputs.to_source)[0], wanted, atol=0.5)


@pytest.mark.parametrize("size", [32, 64, 100])
@pytest.mark.parametrize("crop", CROPS)
def test_a_lesion_of_a_picture_lies_where_it_was_drawn(tmp_path, size, crop):
    picture = (_planted()[:, :, 5].T / LESION * 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "film.png")
    inputs = Preprocessor(size_px=size, crop=crop, **EXACT)(load_file(tmp_path / "film.png"))
    seen = _extent(inputs.images[0, 0].numpy())
    found = to_source_slice(seen[None], inputs.to_source)[0]
    np.testing.assert_allclose(found, [*LOW[:2], *HIGH[:2]], atol=0.5)


@pytest.mark.parametrize("seed", range(12))
def test_boxes_move_with_the_pixels_of_a_changed_picture(seed):
    changes = {"rotate_degrees": 0.0, "scale": 0.15, "shift": 0.08, "shear": 0.0}
    augment = Augmenter(size_px=64, flip_left_right=0.5, affine=0.8, **changes)
    picture = torch.zeros(1, 64, 64)
    picture[0, 20:30, 28:44] = 1
    moved, index_map = augment.with_map(picture, seed=seed)
    found = move_boxes(np.array([[20.0, 28, 30, 44]]), np.linalg.inv(index_map))
    np.testing.assert_allclose(found[0], _extent(moved[0].numpy()), atol=0.5)


@pytest.mark.parametrize("seed", range(6))
def test_the_box_of_a_round_lesion_stays_around_it_when_it_is_turned(seed):
    augment = Augmenter(size_px=64, affine=1.0, rotate_degrees=45.0)
    y, x = np.indices((64, 64)) + 0.5
    picture = torch.from_numpy(((y - 27) ** 2 + (x - 35) ** 2 < 8**2).astype(np.float32))[None]
    moved, index_map = augment.with_map(picture, seed=seed)
    found = move_boxes(np.array([[19.0, 27, 35, 43]]), np.linalg.inv(index_map))
    rows, columns = np.nonzero(moved[0].numpy() > 0.5)
    wanted = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
    np.testing.assert_allclose(found[0], wanted, atol=1.0)


def test_a_change_with_its_map_gives_the_pixels_of_the_change_alone():
    augment = Augmenter(size_px=32, flip_left_right=0.5, affine=1.0, scale=0.2, noise=0.5)
    picture = torch.rand(1, 32, 32)
    moved, _ = augment.with_map(picture, seed=3)
    torch.testing.assert_close(augment(picture, seed=3), moved)


def test_a_mirrored_box_is_exact():
    mirror = np.array([[1.0, 0, 0], [0, -1, 31], [0, 0, 1]])
    assert [[2, 22, 6, 30]] == move_boxes(np.array([[2.0, 2, 6, 10]]), mirror).tolist()
