from __future__ import annotations

import csv

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from medrec.data.dataset import prepare_slices
from medrec.data.detection import lay_boxes
from medrec.domain.finding import Label
from medrec.domain.reference import Reference
from medrec.errors import ManifestError
from medrec.preprocess.augment import Augmenter
from medrec.preprocess.augment_boxes import BoxAugmenter
from medrec.preprocess.augment_volumes import VolumeAugmenter
from medrec.preprocess.pipeline import Preprocessor

TUMOR = Label("tumor")
CLASSES = {"glioma": TUMOR, "meningioma": TUMOR}
_PREPARE = Preprocessor(size_px=32, crop="none", blank_fraction=0.0)


def _boxes_file(folder, rows, *, columns=("path", "x0", "y0", "x1", "y1", "label")):
    with (folder / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def _film(folder, name):
    picture = np.full((64, 64), 100, dtype=np.uint8)
    picture[::2] = 120
    Image.fromarray(picture).save(folder / name)


def _row(path, *, boxes="boxes.csv", tumor=None, number=None):
    return Reference(path, "P1", {TUMOR: tumor}, boxes=boxes, slice=number)


def _laid(folder, rows, classes=CLASSES):
    slices = prepare_slices(rows, root=folder, prepare=_PREPARE, labels=[TUMOR])
    return lay_boxes(slices, root=folder, classes=classes)


def test_boxes_of_a_film_lie_in_its_picture(tmp_path):
    _film(tmp_path, "a.png")
    _boxes_file(tmp_path, [("a.png", 10, 20, 30, 28, "meningioma")])
    laid = _laid(tmp_path, [_row("a.png")])
    assert [[[10, 5, 14, 15, 1]]] == laid.objects.tolist()
    assert [[4, 10]] == laid.sides([0]).tolist()


def test_a_box_tells_the_label_of_which_the_manifest_says_nothing(tmp_path):
    _film(tmp_path, "a.png")
    _film(tmp_path, "b.png")
    _boxes_file(tmp_path, [("a.png", 10, 20, 30, 28, "glioma")])
    laid = _laid(tmp_path, [_row("a.png"), _row("b.png")])
    assert [[1], [0]] == laid.targets.tolist()


def test_a_film_without_a_row_in_its_boxes_file_holds_nothing(tmp_path):
    _film(tmp_path, "a.png")
    _boxes_file(tmp_path, [])
    laid = _laid(tmp_path, [_row("a.png")])
    assert [-1] == laid.objects[0, :, -1].tolist()
    assert [0] == laid.known_rows()


def test_a_negative_film_without_a_boxes_file_holds_nothing(tmp_path):
    _film(tmp_path, "a.png")
    laid = _laid(tmp_path, [_row("a.png", boxes=None, tumor=False)])
    assert [0] == laid.known_rows()


def test_a_positive_film_without_a_boxes_file_is_unknown(tmp_path):
    _film(tmp_path, "a.png")
    laid = _laid(tmp_path, [_row("a.png", boxes=None, tumor=True)])
    assert torch.isnan(laid.objects).all()
    assert [] == laid.known_rows()


def test_a_solid_box_lies_in_the_slices_that_it_holds(tmp_path):
    voxels = np.full((40, 48, 6), 100, dtype=np.int16)
    voxels[::2] = 120
    nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 4.0, 1.0])).to_filename(tmp_path / "v.nii")
    columns = ("path", "x0", "y0", "x1", "y1", "z0", "z1", "label")
    _boxes_file(tmp_path, [("v.nii", 10, 8, 20, 18, 2, 4, "glioma")], columns=columns)
    laid = _laid(tmp_path, [_row("v.nii")])
    holding = [row.slice for row in laid.references if row.labels[TUMOR]]
    assert [2, 3] == sorted(holding)
    assert 6 == len(laid.known_rows())


def test_a_type_beside_the_label_names_the_class(tmp_path):
    _film(tmp_path, "a.png")
    columns = ("path", "x0", "y0", "x1", "y1", "label", "type")
    _boxes_file(tmp_path, [("a.png", 2, 2, 8, 8, "tumor", "meningioma")], columns=columns)
    assert [[1]] == _laid(tmp_path, [_row("a.png")]).objects[..., -1].tolist()


def test_boxes_of_unknown_classes_are_named_all_at_once(tmp_path):
    _film(tmp_path, "a.png")
    rows = [("a.png", 2, 2, 8, 8, "cyst"), ("a.png", 2, 2, 8, 8, "bleed")]
    _boxes_file(tmp_path, rows)
    with pytest.raises(ManifestError, match=r"(?s)cyst.*bleed"):
        _laid(tmp_path, [_row("a.png")])


def test_a_subset_keeps_the_objects_of_its_rows(tmp_path):
    _film(tmp_path, "a.png")
    _film(tmp_path, "b.png")
    _boxes_file(tmp_path, [("b.png", 10, 20, 30, 28, "glioma")])
    laid = _laid(tmp_path, [_row("a.png"), _row("b.png")]).subset([1])
    image, target, objects = laid[0]
    assert (1, 32, 32) == tuple(image.shape)
    assert [1] == target.tolist()
    assert 0 == objects[0, 4]


def test_objects_that_leave_the_picture_are_none():
    objects = torch.tensor([[10.0, 10, 20, 20, 0], [0.0, 0, 0, 0, -1]])
    far = Augmenter(size_px=32, affine=1.0, shift=0.0)
    cut = BoxAugmenter(far, window=(8, 8), lesion_share=0.0, label_of=(0,))
    for seed in range(30):
        image, moved, _ = cut(torch.rand(1, 32, 32), objects, torch.ones(1), seed=seed)
        assert (1, 8, 8) == tuple(image.shape)
        assert moved[:, :4].min() >= 0
        assert moved[:, :4].max() <= 8
        assert -1 == moved[1, 4]


def test_a_part_is_cut_around_a_lesion_as_often_as_asked():
    picture = torch.zeros(1, 64, 64)
    picture[0, 40:44, 6:10] = 1
    objects = torch.tensor([[40.0, 6, 44, 10, 2]])
    cut = BoxAugmenter(Augmenter(size_px=64), window=(16, 16), lesion_share=1.0, label_of=(0, 0, 0))
    for seed in range(20):
        image, moved, _ = cut(picture, objects, torch.ones(1), seed=seed)
        y0, x0, y1, x1 = moved[0, :4].int().tolist()
        assert image[0, y0:y1, x0:x1].min() == 1
        assert pytest.approx(float(image.sum())) == (y1 - y0) * (x1 - x0)


def test_unknown_pictures_stay_unknown():
    objects = torch.full((1, 5), float("nan"))
    plain = BoxAugmenter(Augmenter(size_px=32))
    _, moved, _ = plain(torch.rand(1, 32, 32), objects, torch.ones(1), seed=1)
    assert torch.isnan(moved).all()


_FAR, _NEAR = [2.0, 2, 6, 6], [17.0, 17, 20, 20]


def _labels_of_corner(rows, targets):
    """The labels of the part (16, 16) of a picture (20, 20) that lies in its low corner."""
    cut = BoxAugmenter(Augmenter(size_px=20), (16, 16), 0.0, label_of=(0, 0, 1))
    for seed in range(400):
        picture = torch.zeros(1, 20, 20)
        picture[0, 15, 15] = 1
        part, _, found = cut(picture, torch.tensor(rows), torch.tensor(targets), seed=seed)
        if part[0, 15, 15] == 1:
            return found.tolist()
    pytest.fail("no part was the corner")


def test_a_part_has_the_labels_of_the_boxes_in_it():
    assert [1.0, 0.0] == _labels_of_corner([[*_FAR, 1], [*_NEAR, 2]], [1.0, 1.0])
    assert [0.0, 1.0] == _labels_of_corner([[*_FAR, 2], [*_NEAR, 0]], [1.0, 1.0])


def test_a_part_that_shows_a_sliver_of_a_lesion_has_no_known_label():
    sliver = [15.0, 2, 20, 6]
    assert str([float("nan"), 0.0]) == str(_labels_of_corner([[*sliver, 0]], [1.0, 0.0]))


def test_a_part_with_a_lesion_that_counts_neither_way_has_no_known_label():
    found = _labels_of_corner([[*_FAR, -2], [*_NEAR, 0]], [1.0, 0.0])
    assert str([float("nan"), 0.0]) == str(found)
    assert [0.0, 1.0] == _labels_of_corner([[*_NEAR, -2], [*_FAR, 2]], [1.0, 1.0])


def test_no_part_is_known_of_a_label_that_no_box_explains():
    assert str([float("nan"), 0.0]) == str(_labels_of_corner([[*_FAR, -1]], [1.0, 0.0]))
    unknown = [[float("nan")] * 5]
    assert str([float("nan"), 0.0]) == str(_labels_of_corner(unknown, [1.0, 0.0]))


def test_a_whole_picture_keeps_its_labels():
    plain = BoxAugmenter(Augmenter(size_px=32), label_of=(0,))
    _, _, found = plain(torch.rand(1, 32, 32), torch.tensor([[*_FAR, -1]]), torch.ones(1), seed=1)
    assert [1.0] == found.tolist()


@pytest.mark.parametrize("shape", [(12, 40, 36), (6, 40, 12)])
def test_a_part_of_a_volume_is_cut_around_a_lesion_and_padded_where_the_volume_ends(shape):
    low, high = np.array([2, 5, 3]), np.array([5, 9, 8])
    volume = torch.zeros(1, *shape)
    volume[(0, *map(slice, low, high))] = 1
    cut = BoxAugmenter(VolumeAugmenter(size=shape), (8, 16, 16), 1.0, label_of=(0,))
    objects = torch.tensor([[*low, *high, 0]]).float()
    for seed in range(20):
        part, moved, found = cut(volume, objects, torch.ones(1), seed=seed)
        assert (1, 8, 16, 16) == tuple(part.shape)
        z0, y0, x0, z1, y1, x1 = moved[0, :6].int().tolist()
        assert part[0, z0:z1, y0:y1, x0:x1].min() == 1
        assert pytest.approx(float(part.sum())) == (z1 - z0) * (y1 - y0) * (x1 - x0)
        assert found.item() == 1 or moved[0, 6] == -1


def test_a_slice_row_without_boxes_leaves_those_of_its_file_to_be_seen(tmp_path):
    voxels = np.random.default_rng(0).integers(50, 200, (64, 64, 4)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1, 5, 1])), tmp_path / "a.nii.gz")
    columns = ("path", "x0", "y0", "x1", "y1", "z0", "z1", "label")
    _boxes_file(tmp_path, [("a.nii.gz", 10, 20, 30, 28, 1, 3, "glioma")], columns=columns)
    rows = [
        _row("a.nii.gz", tumor=True),
        _row("a.nii.gz", tumor=True, number=1, boxes=None),
        _row("a.nii.gz", tumor=False, number=3, boxes=None),
    ]

    laid = _laid(tmp_path, rows)

    assert [[False], [True], [True], [False]] == (laid.objects[..., -1] == 0).tolist()
    assert [0, 1, 2, 3] == laid.known_rows()
