from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from medrec.errors import WeightsError
from medrec.models.boxes import BoxRules
from medrec.models.classifiers import TimmClassifier
from medrec.models.detections import DetectorOutput
from medrec.models.detectors import Detector, decode
from medrec.models.finder import Finder
from medrec.models.pyramids import Pyramid, TimmPyramid, VolumePyramid
from medrec.models.windows import Windows


def _pictures(backbone: str = "test_efficientnet", **facts: Any) -> Detector:
    torch.manual_seed(0)
    network = TimmClassifier(backbone, label_count=1)
    pyramid = TimmPyramid(network, finest_stride=8, levels=3, channels=16)
    sides = [[(side, side)] for side in (16.0, 32.0, 64.0)]
    return Detector(pyramid, anchors=sides, label_of=(0,), label_count=1, **facts).eval()


def _volumes() -> Detector:
    torch.manual_seed(0)
    pyramid = VolumePyramid("resnet10", depth_stride=1, first_stage=1, levels=2, channels=8)
    sides = [[(side, side, side)] for side in (8.0, 16.0)]
    return Detector(pyramid, anchors=sides, label_of=(0,), label_count=1).eval()


class _Drawn(nn.Module):
    """Stands in for a detector: one box around all that is bright, as sure as it is wide."""

    label_of = (0,)

    def forward(self, images: torch.Tensor) -> DetectorOutput:
        boxes = torch.stack([self._box(image[0]) for image in images])[:, None]
        seen = (images.flatten(1).amax(dim=1) > 0.5)[:, None, None]
        logits = torch.where(seen, 1.0, -9.0)
        return DetectorOutput(logits[:, 0], logits, boxes, boxes[0], (1,))

    def _box(self, image: torch.Tensor) -> torch.Tensor:
        places = (image > 0.5).nonzero().float()
        if len(places) == 0:
            return torch.zeros(2 * image.ndim)
        return torch.cat([places.amin(dim=0), places.amax(dim=0) + 1])


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_resnet", "test_convnext"])
def test_every_place_has_a_box_and_a_logit(backbone):
    with torch.inference_mode():
        output = _pictures(backbone)(torch.rand(2, 1, 64, 64))
    assert (64, 16, 4) == output.level_sizes
    assert (2, 84, 4) == tuple(output.boxes.shape)
    assert (2, 84, 1) == tuple(output.class_logits.shape)


def test_a_detector_of_volumes_finds_boxes_of_three_sides():
    with torch.inference_mode():
        output = _volumes()(torch.rand(1, 1, 8, 32, 32))
    assert (4 * 64, 2 * 16) == output.level_sizes
    assert (1, 288, 6) == tuple(output.boxes.shape)


def test_without_deltas_boxes_are_anchors():
    anchors = torch.tensor([[0.0, 0, 4, 8]])
    assert [[[0, 0, 4, 8]]] == decode(anchors, torch.zeros(1, 1, 4)).tolist()


def test_deltas_move_by_sides_and_grow_by_factors():
    anchors = torch.tensor([[0.0, 0, 4, 8]])
    deltas = torch.tensor([[[0.5, 0.0, 0.0, float(torch.log(torch.tensor(2.0)))]]])
    torch.testing.assert_close(torch.tensor([[[2.0, -4, 6, 12]]]), decode(anchors, deltas))


@pytest.mark.parametrize("image_dropout", [None, 0.1])
def test_a_picture_is_never_less_likely_than_its_likeliest_place(image_dropout):
    detector = _pictures(image_dropout=image_dropout)
    with torch.inference_mode():
        output = detector(torch.rand(4, 1, 64, 64))
    assert (output.logits >= output.class_logits.amax(dim=1)).all()


def test_centre_points_read_the_finest_level_alone():
    network = TimmClassifier("test_efficientnet", label_count=1)
    detector = Detector(
        TimmPyramid(network, finest_stride=4, levels=4, channels=16),
        anchors=[[(10.0, 10.0)]],
        label_of=(0,),
        label_count=1,
        reads_finest=True,
    )
    assert (16 * 16,) == detector(torch.rand(1, 1, 64, 64)).level_sizes


def test_what_comes_after_the_last_stage_is_cut_off():
    whole = sum(p.numel() for p in TimmClassifier("test_efficientnet", label_count=1).parameters())
    kept = sum(p.numel() for p in _pictures().pyramid.encoder.parameters())
    assert 0 < kept < whole


def test_a_backbone_without_a_pyramid_is_refused():
    network = TimmClassifier("test_vit", label_count=1, size_px=64)
    with pytest.raises(WeightsError, match="pyramid"):
        TimmPyramid(network, finest_stride=8, levels=3, channels=16)


def test_a_mirror_image_gives_the_box_back_where_it_was():
    image = torch.zeros(1, 1, 32, 48)
    image[..., 4:10, 30:41] = 1
    (found,) = Finder(mirrors=(0, 1))([_Drawn()], image)
    torch.testing.assert_close(torch.tensor([[4.0, 30, 10, 41]]), found.boxes.boxes)
    assert pytest.approx(1.0, abs=1e-5) == float(found.boxes.logits[0])


@pytest.mark.parametrize("place", [(0, 0), (20, 31), (57, 88), (31, 40)])
def test_windows_give_boxes_in_the_frame_of_the_whole(place):
    image = torch.zeros(1, 1, 64, 96)
    y, x = place
    image[..., y : y + 7, x : x + 8] = 1
    (found,) = Finder(windows=Windows((32, 32)))([_Drawn()], image)
    assert [y, x, y + 7, x + 8] == found.boxes.boxes[0].round().tolist()
    assert 1 == len(found.boxes)


def test_a_window_larger_than_the_volume_sees_it_whole():
    image = torch.zeros(1, 1, 8, 24, 24)
    image[..., 2:6, 3:9, 10:18] = 1
    (found,) = Finder(windows=Windows((16, 32, 32)))([_Drawn()], image)
    assert [[2, 3, 10, 6, 9, 18]] == found.boxes.boxes.tolist()


def test_nothing_is_found_where_nothing_is():
    (found,) = Finder(windows=Windows((32, 32)))([_Drawn()], torch.zeros(1, 1, 64, 64))
    assert 0 == len(found.boxes)


@pytest.mark.parametrize(
    ("side", "windows", "most"), [(320, None, 4), (32, None, 9), (640, Windows((320, 320)), 4)]
)
def test_large_pictures_go_through_the_network_few_at_a_time(side, windows, most):
    seen = []

    class _Counting(_Drawn):
        def forward(self, images):
            seen.append(len(images))
            return super().forward(images)

    images = torch.zeros(9, 1, side, side)
    for number, image in enumerate(images):
        image[0, number : number + 9, 3:20] = 1
    found = Finder(windows=windows)([_Counting()], images)
    assert most == max(seen)
    assert list(range(9)) == [int(one.boxes.boxes[0, 0]) for one in found]


def test_rectifiers_that_overwrite_give_the_same_gradient():
    images = torch.rand(2, 1, 64, 64)
    gradients = []
    for in_place in (True, False):
        detector = _pictures().train()
        layers = [layer for layer in detector.modules() if isinstance(layer, nn.ReLU)]
        assert 8 == sum(layer.inplace for layer in layers)
        for layer in layers:
            layer.inplace = in_place
        output = detector(images)
        (output.class_logits.sum() + output.boxes.square().mean()).backward()
        gradients.append([one.grad for one in detector.parameters() if one.grad is not None])
    assert all(map(torch.equal, *gradients))


def test_members_vote():
    image = torch.zeros(1, 1, 32, 32)
    image[..., 4:10, 20:28] = 1
    blind = _Drawn()
    blind._box = lambda image: torch.zeros(2 * image.ndim)
    (found,) = Finder(BoxRules(lowest_logit=-4.6))([_Drawn(), blind], image)
    assert [[4, 20, 10, 28]] == found.boxes.boxes.round().tolist()
    assert pytest.approx(float(torch.tensor(1.0).sigmoid()) / 2) == float(
        found.boxes.logits.sigmoid()
    )


def test_a_pyramid_that_says_nothing_of_its_stages_can_t_be_made():
    with pytest.raises(TypeError, match="stages"):
        Pyramid([8], strides=[(8, 8)], channels=8)
