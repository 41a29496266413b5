"""Brains and films into which lesions are planted, written as files and read back."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from chest_factory import a_chest_film
from dicom_factory import a_stack, save_stack
from head_factory import SPACING_MM, a_head
from PIL import Image

from medrec.config.base import read_config
from medrec.config.lesions import LesionsConfig
from medrec.domain.box import Box
from medrec.domain.finding import Label, RawRegion
from medrec.domain.ids import PatientKey
from medrec.domain.modality import Sequence
from medrec.errors import PlantingError
from medrec.io.index import index_scans
from medrec.io.loading import load_volume
from medrec.lesions.build import build_recipe
from medrec.lesions.grid import Cell, grid_of
from medrec.lesions.lesion import lesion_generator
from medrec.workflows.acceptance_grounds import find_ground
from medrec.workflows.acceptance_recipe import Planned
from medrec.workflows.acceptance_trial import lies_on

CONFIGS = Path(__file__).parents[3] / "configs" / "lesions"


def planned(name, kind, sequence=None):
    config = read_config(CONFIGS / f"{name}.yaml", LesionsConfig)
    recipe = build_recipe(config)
    return Planned(config, recipe, grid_of(recipe), kind, sequence)


def series_in(folder):
    index = index_scans(folder, patient_key=PatientKey)
    (series,) = index.cases[0].series
    return series


@pytest.fixture
def nifti(tmp_path):
    (tmp_path / "in").mkdir()
    image = nib.Nifti1Image(a_head().astype(np.int16), np.diag([*SPACING_MM, 1]))
    image.to_filename(tmp_path / "in" / "head.nii.gz")
    return series_in(tmp_path / "in")


@pytest.fixture
def dicom(tmp_path):
    save_stack(a_stack(a_head().astype(np.uint16), spacing_mm=SPACING_MM), tmp_path / "in")
    return series_in(tmp_path / "in")


@pytest.mark.parametrize("sequence", [Sequence.T1C, Sequence.FLAIR])
@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_a_tumor_in_a_brains_file_brightens_its_box_and_nothing_far_from_it(
    request, tmp_path, kind, sequence
):
    series = request.getfixturevalue(kind)
    before = load_volume(series)
    ground = find_ground(series, before, planned("mri-brain", "brain_mri", sequence))

    planted = ground.plant(Cell(0.2, 2.0, "inner"), lesion_generator(4), tmp_path)
    change = (load_volume(planted.series).voxels - before.voxels)[0]

    low, high = np.floor(planted.box.low).astype(int), np.ceil(planted.box.high).astype(int)
    inside = change[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    assert inside.mean() > 10
    assert 0 == change[0].max()
    assert "inner" == planted.zone
    assert 15 < planted.diameter_mm < 40
    assert planted.picture.shape == (112, 96)


def test_a_box_on_a_slice_of_a_tumor_lies_on_it_and_on_another_slice_does_not():
    tumor = Box(10, 20, 30, 40, 3, 6)

    def region(number, box):
        return RawRegion(Label("tumor"), 1.0, "scan", box, number)

    flat = Box(15, 25, 25, 35)
    assert lies_on(region(4, flat), tumor)
    assert not lies_on(region(6, flat), tumor)
    assert not lies_on(region(4, Box(25, 25, 45, 35)), tumor)
    assert lies_on(region(None, Box(15, 25, 25, 35, 2, 6)), tumor)
    assert not lies_on(region(None, Box(15, 25, 25, 35, 5, 9)), tumor)


def test_a_film_keeps_the_values_far_from_its_lesion(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(a_chest_film(256)).save(tmp_path / "in" / "film.png")
    series = series_in(tmp_path / "in")
    before = load_volume(series)
    ground = find_ground(series, before, planned("xray-chest-evaluation", "chest_film"))

    planted = ground.plant(Cell(0.12, 2.0, "upper"), lesion_generator(1), tmp_path)
    change = (load_volume(planted.series).voxels - before.voxels)[0, :, :, 0].T

    x, y = (int(value) for value in planted.box.centre)
    assert change[y, x] > 10
    assert 0 == np.abs(change[200:]).max()
    assert ground.width_mm is None
    assert float(change.sum()) == pytest.approx(planted.raised)


def test_a_picture_without_a_chest_is_no_ground(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((128, 128), 90, dtype=np.uint8)).save(tmp_path / "in" / "film.png")
    series = series_in(tmp_path / "in")

    with pytest.raises(PlantingError):
        find_ground(series, None, planned("xray-chest-evaluation", "chest_film"))
