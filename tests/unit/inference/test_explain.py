import numpy as np
import torch
from torch import nn

from medrec.inference.explain import gradcam, to_source_pixels
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
