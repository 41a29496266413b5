import numpy as np
import pytest
import torch
from torch import nn

from medrec.errors import WeightsError
from medrec.inference.explain import gradcam, to_source_pixels
from medrec.models.classifiers import TimmClassifier
from medrec.models.ensemble import Ensemble
from medrec.models.outputs import ClassifierOutput


class BrightSpotNetwork(nn.Module):
    """Says lesion where a picture is bright: its explanation is known in advance."""

    def __init__(self):
        super().__init__()
        self.explained_layer = nn.Conv2d(1, 1, 5, stride=4, padding=2, bias=False)
        nn.init.constant_(self.explained_layer.weight, 1.0)

    def forward(self, images):
        return ClassifierOutput(self.explained_layer(images).amax(dim=(2, 3)))

    def channel_axis(self, _):
        return 1


def test_the_map_is_highest_where_the_planted_lesion_is():
    image = torch.zeros(1, 64, 64)
    image[0, 12:18, 40:46] = 1.0

    heat = gradcam(BrightSpotNetwork(), image, label=0)

    row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
    assert heat.shape == (64, 64)
    assert heat.max() == 1.0
    assert heat.min() == 0.0
    assert abs(row - 14.5) <= 4
    assert abs(column - 42.5) <= 4


class ChannelsLast(nn.Module):
    """Two channels of other weight, kept last as swin keeps them."""

    def forward(self, images):
        pooled = nn.functional.avg_pool2d(images, 4)
        return torch.cat([pooled, pooled.flip(-1)], dim=1).movedim(1, -1)


class ChannelsLastNetwork(nn.Module):
    """Its logit reads the first channel alone."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.explained_layer = ChannelsLast()

    def channel_axis(self, features):
        return 3

    def forward(self, images):
        features = self.explained_layer(images * self.scale)
        return ClassifierOutput(features[..., :1].amax(dim=(1, 2)))


def test_features_with_channels_last_give_the_map_of_the_lesion():
    image = torch.zeros(1, 64, 64)
    image[0, 12:18, 40:46] = 1.0

    heat = gradcam(ChannelsLastNetwork(), image, label=0)

    row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
    assert (64, 64) == heat.shape
    assert abs(row - 14.5) <= 4
    assert abs(column - 42.5) <= 4


@pytest.mark.parametrize(
    ("backbone", "axis"), [("test_mambaout", 3), ("test_resnet", 1), ("densenet121", 1)]
)
def test_the_axis_of_channels_is_found_and_the_logit_stays(backbone, axis):
    network = TimmClassifier(backbone, label_count=1).eval()
    image = torch.rand(1, 96, 96)
    with torch.inference_mode():
        expected = network(image[None]).logits
    seen = []
    with network.explained_layer.register_forward_hook(lambda *call: seen.append(call[-1])):
        network(image[None])

    heat = gradcam(network, image, label=0)

    assert axis == network.channel_axis(seen[0])
    assert (96, 96) == heat.shape
    with torch.inference_mode():
        assert torch.equal(expected, network(image[None]).logits)


@pytest.mark.parametrize("backbone", ["test_vit", "test_vit2"])
def test_a_network_of_tokens_has_no_map_and_says_so(backbone):
    network = TimmClassifier(backbone, label_count=1, size_px=64).eval()

    with pytest.raises(WeightsError, match="tokens"):
        gradcam(network, torch.rand(1, 64, 64), label=0)


class MirroringNetwork(BrightSpotNetwork):
    """Judges the mirror image too."""

    def forward(self, images):
        return ClassifierOutput(
            super().forward(torch.cat([images, images.flip(-1)])).logits.mean(dim=0, keepdim=True)
        )


def test_the_map_of_a_mirror_image_is_turned_back():
    image = torch.zeros(1, 64, 64)
    image[0, 12:18, 40:46] = 1.0

    heat = gradcam(MirroringNetwork(), image, label=0)

    row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
    assert abs(row - 14.5) <= 4
    assert abs(column - 42.5) <= 4
    assert heat[:, :24].max() < heat.max() / 2


def test_a_picture_that_nothing_speaks_for_gives_an_empty_map():
    assert not gradcam(BrightSpotNetwork(), torch.zeros(1, 64, 64), label=0).any()


def test_a_map_is_carried_through_flip_and_scale_to_the_source_slice():
    heat = np.zeros((32, 32))
    heat[10, 20] = 1.0  # input pixel x 20, y 10
    flip_x_and_double = np.array([[-2.0, 0.0, 62.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])

    moved = to_source_pixels(heat, flip_x_and_double, (64, 64))

    assert (20, 22) == np.unravel_index(int(np.argmax(moved)), moved.shape)


def test_what_lies_outside_the_inputs_field_is_unimportant():
    shifted = np.array([[1.0, 0.0, 16.0], [0.0, 1.0, 16.0], [0.0, 0.0, 1.0]])

    moved = to_source_pixels(np.ones((16, 16)), shifted, (64, 64))

    assert moved[:16].max() == 0.0
    assert moved[20, 20] == 1.0


def test_the_map_of_an_ensemble_is_the_sum_of_its_members_maps_in_logits():
    """A member whose logit hangs on a place three times as much counts three times as much."""

    class HalfSighted(BrightSpotNetwork):
        def __init__(self, gain, rows):
            super().__init__()
            self.gain, self.rows = gain, rows

        def forward(self, images):
            seen = torch.zeros_like(images)
            seen[:, :, self.rows] = images[:, :, self.rows]
            return ClassifierOutput(self.gain * self.explained_layer(seen).mean(dim=(2, 3)))

    ensemble = Ensemble([HalfSighted(3.0, slice(0, 32)), HalfSighted(1.0, slice(32, 64))])
    image = torch.zeros(1, 64, 64)
    image[:, 8:20, 28:40] = 1
    image[:, 44:56, 28:40] = 1

    heat = gradcam(ensemble, image, label=0)

    assert (1.0, pytest.approx(1 / 3)) == (heat[:32].max(), heat[32:].max())
