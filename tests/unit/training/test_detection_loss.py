from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torchvision.ops import generalized_box_iou

from medrec.models.classifiers import TimmClassifier
from medrec.models.detections import DetectorOutput
from medrec.models.detectors import Detector
from medrec.models.finder import Finder
from medrec.models.pyramids import TimmPyramid, VolumePyramid
from medrec.models.windows import Windows
from medrec.training.detection import DetectionLoss, _match, giou
from medrec.training.detector_module import Detection, DetectorModule
from medrec.training.settings import FitSettings

KINDS = [("atss", "focal"), ("atss", "hard_negative"), ("centre", "focal")]
_NAN = float("nan")


def _detector(*, matching: str = "atss", image_dropout: float | None = None) -> Detector:
    torch.manual_seed(0)
    network = TimmClassifier("test_efficientnet", label_count=1)
    sides = [[(side, side)] for side in (12.0, 24.0, 48.0)]
    return Detector(
        TimmPyramid(network, finest_stride=8, levels=3, channels=16),
        anchors=sides[:1] if matching == "centre" else sides,
        label_of=(0, 0),
        label_count=1,
        image_dropout=image_dropout,
        reads_finest=matching == "centre",
    )


def _objects(*rows: list[float]) -> torch.Tensor:
    return torch.tensor([rows])


def test_giou_agrees_with_torchvision():
    low, sides = torch.rand(50, 2) * 30, 1 + torch.rand(50, 2) * 20
    boxes = torch.cat([low, low + sides], dim=1)
    wanted = generalized_box_iou(boxes[:25], boxes[25:]).diagonal()
    torch.testing.assert_close(wanted, giou(boxes[:25], boxes[25:]))


def test_giou_of_cubes_apart_is_worked_by_hand():
    first, second = torch.tensor([[0.0, 0, 0, 1, 1, 1]]), torch.tensor([[3.0, 0, 0, 4, 1, 1]])
    assert [pytest.approx(-0.5)] == giou(first, second).tolist()


@pytest.mark.parametrize(("matching", "class_loss"), KINDS)
@pytest.mark.parametrize("image_dropout", [None, 0.1])
def test_a_batch_without_lesions_teaches_every_weight(matching, class_loss, image_dropout):
    detector = _detector(matching=matching, image_dropout=image_dropout)
    nothing = torch.full((2, 3, 5), -1.0)
    loss = DetectionLoss(matching, class_loss)
    value = loss(detector(torch.rand(2, 1, 64, 64)), nothing, torch.zeros(2, 1))
    value.backward()
    assert torch.isfinite(value)
    gradients = [weight.grad for weight in detector.parameters()]
    assert all(gradient is not None for gradient in gradients)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(("matching", "class_loss"), KINDS)
def test_pictures_of_which_nothing_is_known_teach_nothing(matching, class_loss):
    detector = _detector(matching=matching)
    output = detector(torch.rand(2, 1, 64, 64))
    unknown = torch.full((2, 3, 5), _NAN)
    loss = DetectionLoss(matching, class_loss)(output, unknown, torch.zeros(2, 1))
    assert 0.0 == loss.item()


@pytest.mark.parametrize(("matching", "class_loss"), KINDS)
def test_a_detector_learns_where_a_bright_square_is(matching, class_loss):
    detector = _detector(matching=matching)
    image = torch.zeros(1, 1, 64, 64)
    image[..., 20:34, 36:50] = 1
    objects, targets = _objects([20.0, 36, 34, 50, 1]), torch.ones(1, 1)
    loss = DetectionLoss(matching, class_loss)
    optimiser = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        value = loss(detector(image), objects, targets)
        value.backward()
        optimiser.step()
    output = detector(image)
    best = int(output.class_logits[0, :, 1].argmax())
    assert torch.tensor([20.0, 36, 34, 50]).allclose(output.boxes[0, best], atol=3)
    assert output.class_logits[0, best, 1] > output.class_logits[0, best, 0]


@pytest.mark.parametrize("matching", ["atss", "centre"])
def test_a_lesion_far_smaller_than_any_anchor_still_has_a_place(matching):
    detector = _detector(matching=matching)
    output = detector(torch.rand(1, 1, 64, 64))
    tiny, empty = _objects([30.5, 30.5, 31.5, 31.5, 0]), _objects([0.0, 0, 0, 0, -1])
    loss = DetectionLoss(matching)
    apart = loss(output, tiny, torch.ones(1, 1)) - loss(output, empty, torch.ones(1, 1))
    assert apart.item() > 1  # its box, whose generalised IoU is low, is in the sum


def _owners(matching: str, anchors: list[list[float]], objects: torch.Tensor) -> list[int]:
    """The class of each place, where every object has a class of its own."""
    places, count = torch.tensor(anchors), len(anchors)
    logits = torch.zeros(1, count, len(objects))
    output = DetectorOutput(logits[:, 0], logits, places[None], places, (count,))
    return _match(matching, output, objects).classes.tolist()


@pytest.mark.parametrize("matching", ["atss", "centre"])
def test_a_lesion_never_takes_the_only_place_of_another(matching):
    # All three are likest the first anchor, and ATSS calls none of the anchors positive.
    anchors = [[0.0, 0, 8, 8], [0.0, 8, 8, 16], [8.0, 8, 16, 16]]
    objects = torch.tensor([[5.5, 5, 6, 6, 0], [5.2, 5, 6, 6, 1], [5.0, 5, 6, 6, 2]])
    assert [0, 1, 2] == sorted(_owners(matching, anchors, objects))


def test_a_lesion_that_no_anchor_overlaps_has_the_nearest_one():
    anchors = [[0.0, 0, 2, 2], [0.0, 8, 2, 10], [0.0, 16, 2, 18]]
    assert [-1, -1, 0] == _owners("atss", anchors, torch.tensor([[12.0, 16, 13, 17, 0]]))


def test_volumes_learn_by_the_same_loss():
    pyramid = VolumePyramid("resnet10", depth_stride=1, first_stage=1, levels=2, channels=8)
    sides = [[(side,) * 3] for side in (8.0, 16.0)]
    detector = Detector(pyramid, anchors=sides, label_of=(0,), label_count=1)
    objects = _objects([2.0, 8, 8, 6, 20, 20, 0])
    value = DetectionLoss()(detector(torch.rand(1, 1, 8, 32, 32)), objects, torch.ones(1, 1))
    value.backward()
    assert torch.isfinite(value)


def test_of_several_processes_the_first_one_s_loss_chooses_the_epoch(monkeypatch):
    logged = {}
    of_first = SimpleNamespace(strategy=SimpleNamespace(broadcast=lambda _: torch.tensor(7.0)))
    monkeypatch.setattr(DetectorModule, "trainer", of_first)
    monkeypatch.setattr(
        DetectorModule, "log", lambda _, name, value, **__: logged.update({name: float(value)})
    )
    module = DetectorModule(
        _detector(),
        FitSettings(epochs=1, batch_size=1),
        Detection(DetectionLoss(), Finder()),
    )
    batch = (torch.rand(1, 1, 64, 64), torch.zeros(1, 1), _objects([-1.0] * 5))
    with torch.no_grad():
        module.validation_step(batch, 0)
    module.on_validation_epoch_end()
    assert {"watched_loss": 7.0} == logged


class _Seen(torch.nn.Module):
    """A detector that notes the shapes of what it is shown."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector, self.label_of, self.shapes = detector, detector.label_of, []

    def forward(self, images: torch.Tensor) -> DetectorOutput:
        self.shapes.append(tuple(images.shape))
        return self.detector(images)


def _watched(network, windows, batch):
    module = DetectorModule(
        network,
        FitSettings(epochs=1, batch_size=1),
        Detection(DetectionLoss(), Finder(windows=windows)),
    )
    with torch.no_grad():
        module.validation_step(batch, 0)
    return module.watched_figures()["watched_loss"]


def test_what_learns_from_windows_is_watched_through_windows():
    pyramid = VolumePyramid("resnet10", depth_stride=1, first_stage=1, levels=2, channels=8)
    sides = [[(side,) * 3] for side in (8.0, 16.0)]
    seen = _Seen(Detector(pyramid, anchors=sides, label_of=(0,), label_count=1).eval())
    objects = _objects([2.0, 8, 8, 6, 20, 20, 0]).repeat(2, 1, 1)
    batch = (torch.rand(2, 1, 16, 48, 48), torch.ones(2, 1), objects)

    _watched(seen, Windows((8, 32, 32)), batch)

    assert {(2, 1, 8, 32, 32)} == set(seen.shapes)


def test_the_loss_of_windows_is_the_mean_of_parts_that_cover_the_picture():
    torch.manual_seed(1)
    images = torch.rand(1, 1, 64, 128)
    here, there = [8.0, 70, 24, 100, 1.0], [-1.0] * 5
    detector = _detector().eval()
    with torch.no_grad():
        left = DetectionLoss()(detector(images[..., :64]), _objects(there), torch.zeros(1, 1))
        right = DetectionLoss()(
            detector(images[..., 64:]), _objects([8.0, 6, 24, 36, 1.0]), torch.ones(1, 1)
        )

    found = _watched(detector, Windows((64, 64)), (images, torch.ones(1, 1), _objects(here)))

    assert pytest.approx((float(left) + float(right)) / 2) == found


def test_a_picture_that_fits_its_window_is_watched_as_without_one():
    batch = (
        torch.rand(2, 1, 64, 64),
        torch.ones(2, 1),
        _objects([8.0, 8, 24, 30, 0]).repeat(2, 1, 1),
    )
    detector = _detector().eval()

    assert pytest.approx(_watched(detector, None, batch)) == _watched(
        detector, Windows((64, 64)), batch
    )
