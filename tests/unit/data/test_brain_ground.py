"""Tumors in slices and volumes of training: planted in three dimensions, shown as they are seen."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from head_factory import SHAPE, SPACING_MM, a_head
from planting_factory import RECIPES

from medrec.data.build import build_cache, build_grey_cache
from medrec.data.dataset import prepare_slices
from medrec.data.film_ground import PlantingRule
from medrec.data.grounds import prepare_grounds
from medrec.data.planting import Planting
from medrec.data.volumes import prepare_volumes
from medrec.domain.modality import Sequence
from medrec.domain.reference import Reference
from medrec.io.loading import load_file
from medrec.lesions.build import read_recipe
from medrec.preprocess.greys import GreyPreprocessor, scan_in
from medrec.preprocess.pipeline import Preprocessor
from medrec.preprocess.volumes import VolumePreprocessor

CHAINS = {
    "slices": Preprocessor(size_px=64),
    "volumes": VolumePreprocessor(size=(40, 64, 64)),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A head, and a volume of noise in which there is no brain."""
    folder = tmp_path_factory.mktemp("heads")
    affine = np.diag([*SPACING_MM, 1.0])
    nib.Nifti1Image(a_head(), affine).to_filename(folder / "head.nii")
    noise = np.random.default_rng(0).integers(90, 110, SHAPE).astype(np.uint8)
    nib.Nifti1Image(noise, affine).to_filename(folder / "noise.nii")
    return folder


def found_in(root, kind, *, path="head.nii"):
    chain = CHAINS[kind]
    grey = GreyPreprocessor(chain)
    grounds = prepare_grounds(
        [path], root=root, prepare=grey, recipe=read_recipe(RECIPES / "mri-brain.yaml"), rules=None,
        cache=build_grey_cache(grey, anatomy="brain", folder=root / "cache"),
    )  # fmt: skip
    return grey, grounds


def planted(root, kind, sequence=Sequence.T1C):
    """The head's rows, each of which gets tumors."""
    prepare = prepare_slices if kind == "slices" else prepare_volumes
    rows = prepare(
        [Reference("head.nii", "P", {"tumor": False})], root=root, prepare=CHAINS[kind],
        labels=["tumor"], cache=build_cache(None, CHAINS[kind], folder=root / "cache"),
    )  # fmt: skip
    grey, grounds = found_in(root, kind)
    rule = PlantingRule(
        read_recipe(RECIPES / "mri-brain.yaml"), 1.0, (1, 2), column=0, sequence=sequence
    )
    own = tuple(grounds.found["head.nii"].at(row.slice) for row in rows.references)
    return replace(rows, planting=Planting(rule, grey, grounds.greys, own))


@pytest.mark.parametrize("sequence", [Sequence.T1C, Sequence.FLAIR])
def test_a_slice_gets_a_tumor_where_its_box_says(root, sequence):
    rows = planted(root, "slices", sequence)
    middle = len(rows) // 2
    nothing = torch.tensor([[0.0, 0, 0, 0, -1]])
    drawn = [
        rows.planting((*rows[middle], nothing), seed=1, row=middle, epoch=epoch)
        for epoch in range(6)
    ]

    positive = [(image, objects) for image, targets, objects in drawn if targets[0] == 1]

    assert len(positive) >= 4
    for image, objects in positive:
        change = (image - rows[middle][0])[0]
        y0, x0, y1, x1, number = objects[0].int().tolist()
        assert 0 == number
        assert change[y0:y1, x0:x1].abs().mean() > 4 * change.abs().mean()
    assert all(torch.equal(rows[middle][0], image) for image, t, _ in drawn if t[0] == 0)


def test_a_volume_gets_tumors_with_solid_boxes(root):
    rows = planted(root, "volumes")
    nothing = torch.tensor([[0.0, 0, 0, 0, 0, 0, -1]])

    image, targets, objects = rows.planting((*rows[0], nothing), seed=1, row=0, epoch=0)

    assert 1 == targets[0]
    assert (2, 7) == objects.shape
    z0, y0, x0, z1, y1, x1, number = objects[0].int().tolist()
    assert 0 == number
    change = (image - rows[0][0])[0].abs()
    assert change[z0:z1, y0:y1, x0:x1].mean() > 4 * change.mean()
    assert (1, 3) == rows.planting.sides([0])[:1].shape


@pytest.mark.parametrize("kind", CHAINS)
def test_a_head_that_gets_no_tumor_is_the_prepared_one_to_the_bit(root, kind):
    rows = planted(root, kind)
    grey, greys = rows.planting.prepare, rows.planting.greys
    ground = rows.planting.grounds[0]
    packed = greys[ground.first][0].numpy()
    where = scan_in(packed)
    before = ground.scale.unpack(packed[where])
    shown = rows[0][0][0].numpy()[where]

    assert np.array_equal(shown, grey.repaint(shown, before, before.copy(), ground.scale))


@pytest.mark.parametrize("kind", CHAINS)
def test_greys_have_the_spacing_of_the_resized_scan(root, kind):
    greys = GreyPreprocessor(CHAINS[kind])(load_file(root / "head.nii"))

    thick, down, across = greys.spacing_mm
    assert abs(down - across) < 0.02 * down
    assert 150 < down * 64 < 220  # the head is 0.9 of 112 rows of 1.8 mm
    assert (8.5 < thick < 9.5) == (kind == "slices")


@pytest.mark.parametrize("kind", CHAINS)
def test_a_volume_without_a_brain_is_refused_with_the_reason(root, kind):
    _, grounds = found_in(root, kind, path="noise.nii")

    assert {} == grounds.found
    assert "head" in grounds.refused["noise.nii"] or "brain" in grounds.refused["noise.nii"]


def test_a_slice_that_is_none_of_the_pictures_has_no_ground(root):
    _, grounds = found_in(root, "slices")

    assert grounds.found["head.nii"].at(999) is None
