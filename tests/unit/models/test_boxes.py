from __future__ import annotations

import pytest
import torch
from monai.data.box_utils import box_iou, non_max_suppression
from torchvision.ops import batched_nms, nms

from medrec.models.boxes import BoxRules, choose, either, overlaps, suppress
from medrec.models.detections import DetectorOutput


def _boxes(count: int, dims: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = 60 * torch.rand(count, dims, generator=generator)
    sides = 5 + 20 * torch.rand(count, dims, generator=generator)
    return torch.cat([low, low + sides], dim=1)


def _output(class_logits: torch.Tensor, boxes: torch.Tensor) -> DetectorOutput:
    logits = class_logits[None].amax(dim=(1, 2))[:, None]
    return DetectorOutput(logits, class_logits[None], boxes[None], boxes, (len(boxes),))


def test_overlap_is_intersection_over_union():
    first = torch.tensor([[0.0, 0, 4, 4]])
    second = torch.tensor([[0.0, 2, 4, 6], [4.0, 0, 8, 4]])
    assert [[pytest.approx(8 / 24), 0.0]] == overlaps(first, second).tolist()


@pytest.mark.parametrize("dims", [2, 3])
def test_overlap_agrees_with_monai(dims):
    first, second = _boxes(20, dims), _boxes(30, dims, seed=1)
    torch.testing.assert_close(box_iou(first, second), overlaps(first, second))


def test_suppression_in_3d_is_the_greedy_rule_box_after_box():
    boxes, logits = _boxes(1500, 3), torch.randn(1500, generator=torch.Generator().manual_seed(2))
    greedy = non_max_suppression(boxes, logits, 0.3)
    found = suppress(boxes, logits, torch.zeros(1500, dtype=torch.long), overlap=0.3)
    assert 100 < len(greedy) < 1400
    assert greedy.tolist() == found.tolist()


def test_suppression_in_3d_agrees_with_torchvision_on_flat_boxes():
    flat = _boxes(1300, 2)
    deep = torch.stack(
        [torch.zeros(1300), flat[:, 0], flat[:, 1], torch.ones(1300), flat[:, 2], flat[:, 3]], dim=1
    )
    logits = torch.randn(1300, generator=torch.Generator().manual_seed(3))
    found = suppress(deep, logits, torch.zeros(1300, dtype=torch.long), overlap=0.4)
    assert nms(flat, logits, 0.4).tolist() == found.tolist()


@pytest.mark.parametrize("dims", [2, 3])
def test_boxes_of_different_groups_leave_each_other_alone(dims):
    boxes = _boxes(1, dims).repeat(2, 1)
    found = suppress(boxes, torch.tensor([1.0, 2.0]), torch.tensor([0, 1]), overlap=0.5)
    assert {0, 1} == set(found.tolist())


@pytest.mark.parametrize("dims", [2, 3])
def test_nothing_is_left_of_no_boxes(dims):
    found = suppress(
        torch.zeros(0, 2 * dims), torch.zeros(0), torch.zeros(0, dtype=torch.long), overlap=0.5
    )
    assert 0 == len(found)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("most", [1, 7, 60, 5000])
def test_the_highest_boxes_are_the_same_whether_lower_ones_are_looked_at(dims, most):
    boxes, logits = (
        _boxes(2500, dims),
        torch.randn(2500, generator=torch.Generator().manual_seed(4)),
    )
    groups = torch.arange(2500) % 2
    every = suppress(boxes, logits, groups, overlap=0.3)
    found = suppress(boxes, logits, groups, overlap=0.3, most=most)
    assert min(most, len(every)) <= len(found)
    assert every[: len(found)].tolist() == found.tolist()


def test_few_wanted_boxes_are_not_held_against_all_others(monkeypatch):
    looked_at = []

    def counting(boxes, *rest):
        looked_at.append(len(boxes))
        return batched_nms(boxes, *rest)

    monkeypatch.setattr("medrec.models.boxes.batched_nms", counting)
    boxes, logits = _boxes(2500, 2), torch.randn(2500, generator=torch.Generator().manual_seed(4))
    suppress(boxes, logits, torch.zeros(2500, dtype=torch.long), overlap=0.3, most=10)
    assert [40] == looked_at


def test_a_label_far_below_the_wanted_boxes_keeps_its_likeliest():
    boxes = torch.tensor([[5.0 * n, 0, 5.0 * n + 4, 4] for n in range(40)])
    logits = torch.linspace(8, 4, 40)[:, None].repeat(1, 2)
    logits[:, 1] -= 12
    (found,) = choose(_output(logits, boxes), (0, 1), BoxRules(most=3), (300, 300))
    assert [(8.0, 0), (-4.0, 1)] == [
        (float(found.logits[n]), int(found.labels[n])) for n in (0, len(found) - 1)
    ]
    assert 4 == len(found)


def test_a_lesion_of_unsure_type_is_as_likely_as_any_of_its_types():
    logits = torch.logit(torch.tensor([0.4, 0.4, 0.1]))
    assert pytest.approx(1 - 0.6 * 0.6 * 0.9) == float(either(logits).sigmoid())


def test_a_single_type_keeps_its_logit():
    assert 3.25 == float(either(torch.tensor([3.25])))


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[-90.0, -95.0], [90.0, 95.0]])
    assert torch.isfinite(either(logits)).all()


def test_one_lesion_gives_one_box_whatever_its_types():
    boxes = torch.tensor([[10.0, 10, 20, 20], [10.0, 11, 20, 21], [40.0, 40, 50, 50]])
    logits = torch.tensor([[2.0, -9], [-9.0, 1], [-9.0, 0.5]])
    (found,) = choose(_output(logits, boxes), (0, 0), BoxRules(), (64, 64))
    assert [[10, 10, 20, 20], [40, 40, 50, 50]] == found.boxes.tolist()
    assert [0, 1] == found.classes.tolist()
    assert [0, 0] == found.labels.tolist()


def test_two_labels_may_share_a_place():
    boxes = torch.tensor([[10.0, 10, 20, 20]])
    (found,) = choose(_output(torch.tensor([[2.0, 1.0]]), boxes), (0, 1), BoxRules(), (64, 64))
    assert [0, 1] == found.labels.tolist()


def test_boxes_are_cut_at_the_edge_and_dropped_beyond_it():
    boxes = torch.tensor([[-5.0, 10, 5, 20], [70.0, 70, 80, 80]])
    (found,) = choose(_output(torch.ones(2, 1), boxes), (0,), BoxRules(), (64, 64))
    assert [[0, 10, 5, 20]] == found.boxes.tolist()


def test_of_unlikely_boxes_the_likeliest_alone_is_kept():
    boxes, logits = _boxes(3, 2), torch.tensor([[-8.0], [-7.0], [-9.0]])
    (found,) = choose(_output(logits, boxes), (0,), BoxRules(), (100, 100))
    assert [-7.0] == found.logits.tolist()


@pytest.mark.parametrize("rules", [BoxRules(most=2), BoxRules(candidates=2)])
def test_a_label_keeps_its_likeliest_box_however_many_others_are_likelier(rules):
    boxes = torch.tensor([[20.0 * n, 0, 20 * n + 10, 10] for n in range(4)])
    logits = torch.tensor([[4.0, -9], [3.0, -9], [2.0, -6], [1.0, -5]])
    (found,) = choose(_output(logits, boxes), (0, 1), rules, (100, 100))
    assert [(4.0, 0), (3.0, 0), (-5.0, 1)] == list(
        zip(found.logits.tolist(), found.labels.tolist(), strict=True)
    )


def test_the_likeliest_box_of_a_label_is_one_that_lies_in_the_picture():
    boxes = torch.tensor([[120.0, 0, 130, 10], [0.0, 0, 10, 10]])
    (found,) = choose(_output(torch.tensor([[-5.0], [-8.0]]), boxes), (0,), BoxRules(), (100, 100))
    assert [-8.0] == found.logits.tolist()
