from __future__ import annotations

import numpy as np
import pytest
import torch
from factories import a_volume
from torch import nn

from medrec.domain.codes import ReasonCode
from medrec.errors import FailedScanError, RefusedScanError
from medrec.inference.predictor import Predictor
from medrec.models.outputs import ClassifierOutput
from medrec.models.pooling import pool_exam_logit
from medrec.preprocess.pipeline import ModelInput, Preprocessor


class Brightness(nn.Module):
    """Two logits a picture, its mean and minus that; remembers how many pictures came at once."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, images):
        self.batches.append(len(images))
        mean = images.mean(dim=(1, 2, 3))
        return ClassifierOutput(torch.stack([mean, -mean], dim=1))


def inputs_of(count):
    levels = torch.arange(count, dtype=torch.float32) / 10
    images = levels[:, None, None, None].repeat(1, 1, 4, 4)
    return ModelInput(images, tuple(range(10, 10 + count)), np.eye(3))


def a_predictor(preprocessor, **options):
    facts = {"positions": 4, "top": 2, "device": "cpu", **options}
    return Predictor(network=Brightness(), preprocessor=preprocessor, **facts)


def test_there_is_one_row_of_logits_for_each_slice_in_its_order():
    inputs = inputs_of(5)

    found = a_predictor(lambda _: inputs)(a_volume())

    assert found.inputs is inputs
    assert [0.0, 0.1, 0.2, 0.3, 0.4] == pytest.approx(found.image[:, 0].tolist())
    assert np.array_equal(found.image[:, 1], -found.image[:, 0])


@pytest.mark.parametrize(("batch_size", "batches"), [(2, [2, 2, 1]), (5, [5]), (32, [5])])
def test_slices_go_through_the_network_in_batches_that_change_nothing(batch_size, batches):
    whole = a_predictor(lambda _: inputs_of(5))(a_volume())
    predictor = a_predictor(lambda _: inputs_of(5), batch_size=batch_size)

    found = predictor(a_volume())

    assert batches == predictor.network.batches
    assert np.array_equal(whole.image, found.image)


def test_the_exam_is_pooled_from_the_slices_label_by_label():
    found = a_predictor(lambda _: inputs_of(4))(a_volume())

    assert [0.25, -0.05] == pytest.approx(found.exam.tolist())
    expected = [pool_exam_logit(column, positions=4, top=2) for column in found.image.T]
    assert expected == found.exam.tolist()


def test_the_highest_slice_alone_is_the_exam_of_top_1():
    found = a_predictor(lambda _: inputs_of(4), top=1)(a_volume())

    assert 0.3 == pytest.approx(found.exam[0])


def test_half_precision_is_used_only_where_it_was_asked_for():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.dtypes = nn.Linear(16, 1), []

        def forward(self, images):
            logits = self.layer(images.flatten(1))
            self.dtypes.append(logits.dtype)
            return ClassifierOutput(logits)

    network = Linear()
    facts = {"network": network, "positions": 1, "top": 1, "device": "cpu"}
    for precision in ("32", "bf16"):
        predictor = Predictor(preprocessor=lambda _: inputs_of(2), precision=precision, **facts)
        assert np.float64 == predictor(a_volume()).image.dtype

    assert [torch.float32, torch.bfloat16] == network.dtypes


def test_blank_slices_are_not_judged():
    voxels = np.zeros((1, 16, 16, 6), dtype=np.float32)
    rng = np.random.default_rng(0)
    voxels[0, 2:14, 2:14, 2:5] = rng.uniform(50, 100, (12, 12, 3))

    found = a_predictor(Preprocessor(size_px=32))(a_volume(voxels=voxels))

    assert (2, 3, 4) == tuple(sorted(found.inputs.slices))
    assert (3, 2) == found.image.shape


def test_a_volume_of_air_is_refused():
    voxels = np.zeros((1, 16, 16, 6), dtype=np.float32)

    with pytest.raises(RefusedScanError) as error:
        a_predictor(Preprocessor(size_px=32))(a_volume(voxels=voxels))

    assert ReasonCode.BLANK_IMAGE == error.value.code


def test_a_volume_with_a_value_that_is_none_is_refused():
    voxels = np.full((1, 16, 16, 6), np.nan, dtype=np.float32)

    with pytest.raises(RefusedScanError) as error:
        a_predictor(Preprocessor(size_px=32))(a_volume(voxels=voxels))

    assert ReasonCode.NON_FINITE == error.value.code


def test_a_network_that_gives_no_number_is_a_failure_and_no_answer():
    inputs = inputs_of(3)
    inputs.images[1] = float("nan")

    with pytest.raises(FailedScanError, match="no number"):
        a_predictor(lambda _: inputs)(a_volume())


def test_a_device_without_memory_is_a_failure_that_says_what_to_do():
    def exhausted(_):
        raise torch.OutOfMemoryError

    facts = {"positions": 4, "top": 2, "device": "cpu"}
    predictor = Predictor(network=exhausted, preprocessor=lambda _: inputs_of(3), **facts)

    with pytest.raises(FailedScanError, match="lower batch_size"):
        predictor(a_volume())
