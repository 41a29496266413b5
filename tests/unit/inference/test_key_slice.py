"""The slice that a report shows for networks of whole volumes."""

import numpy as np
import pytest
import torch
from factories import a_volume
from torch import nn

from medrec.domain.geometry import Geometry
from medrec.inference.explain import box_to_source_slice, source_slice_of
from medrec.inference.key_slice import Explainer
from medrec.inference.volumes import BoxPredictor
from medrec.models.outputs import ClassifierOutput
from medrec.preprocess.volumes import VolumePreprocessor

SPOT = (14, 9, 8)


class Brightest(nn.Module):
    """Says how bright the brightest voxel is."""

    def __init__(self):
        super().__init__()
        self.explained_layer = nn.Identity()

    def forward(self, volumes):
        return ClassifierOutput(self.explained_layer(volumes).amax(dim=(2, 3, 4)))


def a_scan(**changes):
    rng = np.random.default_rng(1)
    voxels = np.zeros((1, 24, 20, 12), dtype=np.float32)
    voxels[0, 2:22, 2:18, 1:11] = rng.uniform(60, 80, (20, 16, 10))
    voxels[0, 13:16, 8:11, 8] = 300
    voxels[0][SPOT] = 400
    return a_volume(voxels=voxels, geometry=Geometry(np.diag([1.0, 1.0, 2.0, 1.0])), **changes)


@pytest.fixture
def predictor():
    return BoxPredictor(Brightest(), VolumePreprocessor((24, 32, 32), upper=100.0), "cpu")


def explain(predictor, volume, *, heatmap=True):
    explainer = Explainer(predictor.network, "cpu", label=0, heatmap=heatmap)
    return explainer(volume, predictor(volume))


def test_the_hottest_place_of_a_3d_map_chooses_the_slice_and_lies_on_the_lesion(predictor):
    key = explain(predictor, a_scan())
    row, column = np.unravel_index(key.heat.argmax(), key.heat.shape)
    assert SPOT[2] == key.slice
    assert key.picture.shape == key.heat.shape
    assert abs(column - SPOT[0]) <= 1
    assert abs(row - SPOT[1]) <= 1


def test_without_a_heat_map_the_middle_slice_is_shown(predictor):
    key = explain(predictor, a_scan(), heatmap=False)
    assert (6, None) == (key.slice, key.heat)


def test_a_box_maps_back_to_the_voxel_that_it_came_from(predictor):
    volume = a_scan()
    inputs = predictor(volume).inputs
    place = np.unravel_index(int(inputs.voxels[0].argmax()), inputs.voxels.shape[1:])
    found = (inputs.to_source @ [*place, 1.0])[:3]
    np.testing.assert_allclose(found, SPOT, atol=1.0)


def test_a_map_of_nothing_is_nothing_on_the_middle_slice(predictor):
    volume = a_scan()
    inputs = predictor(volume).inputs
    nothing = np.zeros(inputs.voxels.shape[1:])
    number = source_slice_of(nothing, inputs.to_source, volume)
    assert 6 == number
    assert not box_to_source_slice(nothing, inputs.to_source, volume, number).any()


def test_a_3d_network_judges_no_slices(predictor):
    logits = predictor(a_scan())
    assert ((0, 1), ()) == (logits.image.shape, logits.slices)
    assert torch.Size([1, 24, 32, 32]) == logits.inputs.voxels.shape
