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


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_a_picture_and_its_mirror_image_get_the_mean_of_their_logits(backbone):
    plain = TimmClassifier(backbone, label_count=2).eval()
    averaged = TimmClassifier(backbone, label_count=2, mirror_average=True).eval()
    averaged.load_state_dict(plain.state_dict())
    images = torch.rand(3, 1, 64, 64)

    with torch.inference_mode():
        expected = (plain(images).logits + plain(images.flip(-1)).logits) / 2
        found, mirrored = averaged(images).logits, averaged(images.flip(-1)).logits

    assert torch.allclose(expected, found, atol=1e-6)
    assert torch.allclose(found, mirrored, atol=1e-6)


def test_training_sees_each_picture_once():
    network = TimmClassifier("test_resnet", label_count=1, mirror_average=True).train()
    seen = []
    network.explained_layer.register_forward_hook(lambda *call: seen.append(len(call[-1])))

    network(torch.rand(2, 1, 64, 64))

    assert [2] == seen


def test_an_unknown_backbone_is_named():
    with pytest.raises(WeightsError, match="resnet_of_nobody"):
        TimmClassifier("resnet_of_nobody", label_count=1)


@pytest.mark.parametrize("backbone", ["test_byobnet", "densenet121"])
def test_a_backbone_that_knows_no_drop_path_is_made_without(backbone):
    network = TimmClassifier(backbone, label_count=1, drop_path=0.0).eval()

    assert (1, 1) == tuple(network(torch.rand(1, 1, 64, 64)).logits.shape)


def test_an_option_that_a_backbone_does_not_take_is_one_message():
    with pytest.raises(WeightsError, match="can't make the backbone 'densenet121' as asked"):
        TimmClassifier("densenet121", label_count=1, drop_path=0.2)


def test_channels_are_found_first_or_last_and_tokens_are_no_picture():
    network = TimmClassifier("test_convnext", label_count=1)
    channels = network.backbone.feature_info[-1]["num_chs"]

    assert 1 == network.channel_axis(torch.zeros(1, channels, 7, 7))
    assert 3 == network.channel_axis(torch.zeros(1, 7, 7, channels))
    with pytest.raises(WeightsError, match="tokens"):
        network.channel_axis(torch.zeros(1, 50, channels))
