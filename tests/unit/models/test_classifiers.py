"""Classifiers over timm backbones."""

import pytest
import torch

from medrec.errors import WeightsError
from medrec.models.classifiers import TimmClassifier

CONVOLUTIONAL = ["test_efficientnet", "test_resnet", "test_convnext"]


@pytest.mark.parametrize("backbone", [*CONVOLUTIONAL, "test_vit", "test_maxvit"])
def test_every_kind_of_backbone_judges_grey_pictures(backbone):
    network = TimmClassifier(backbone, label_count=3, size_px=64).eval()

    with torch.inference_mode():
        logits = network(torch.rand(2, 1, 64, 64)).logits

    assert (2, 3) == tuple(logits.shape)
    assert torch.float32 == logits.dtype


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_the_explained_layer_has_a_place_for_each_feature(backbone):
    network = TimmClassifier(backbone, label_count=1).eval()
    seen = []
    network.explained_layer.register_forward_hook(lambda *call: seen.append(call[-1]))

    network(torch.rand(1, 1, 64, 64))

    assert 4 == seen[0].ndim
    assert seen[0].shape[-1] > 1


def test_an_unknown_backbone_is_named():
    with pytest.raises(WeightsError, match="resnet_of_nobody"):
        TimmClassifier("resnet_of_nobody", label_count=1)
