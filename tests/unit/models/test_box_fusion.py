from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from medrec.models.detections import Detections, DetectorOutput
from medrec.models.finder import Finder
from medrec.models.fusion import fuse
from medrec.models.windows import Windows


def _found(*rows: tuple[list[float], float]) -> Detections:
    boxes = torch.tensor([box for box, _ in rows]).reshape(len(rows), -1)
    logits = torch.tensor([logit for _, logit in rows])
    none = torch.zeros(len(rows), dtype=torch.long)
    return Detections(boxes, logits, none, none)


_NONE = Detections(
    torch.zeros(0, 4), torch.zeros(0), *(torch.zeros(0, dtype=torch.long) for _ in range(2))
)


def test_looks_that_agree_give_what_each_of_them_gave():
    look = _found(([10.0, 10, 20, 20], 1.0), ([40.0, 40, 50, 52], -1.0))
    fused = fuse([look, look, look], overlap=0.5, is_vote=True)
    torch.testing.assert_close(look.boxes, fused.boxes)
    torch.testing.assert_close(look.logits, fused.logits)


def test_a_fused_box_is_the_mean_weighted_by_probability():
    first, second = torch.logit(torch.tensor(0.75)), torch.logit(torch.tensor(0.25))
    fused = fuse(
        [_found(([0.0, 0, 10, 10], float(first))), _found(([0.0, 0, 10, 14], float(second)))],
        overlap=0.5,
        is_vote=True,
    )
    torch.testing.assert_close(torch.tensor([[0.0, 0, 10, 11]]), fused.boxes)
    assert pytest.approx(0.5) == float(fused.logits.sigmoid())


def test_very_unlikely_boxes_weigh_against_each_other_too():
    looks = [_found(([0.0, 0, 10, 10], -200.0)), _found(([0.0, 0, 10, 14], -200.0 - np.log(3)))]
    fused = fuse(looks, overlap=0.5, is_vote=True)
    torch.testing.assert_close(torch.tensor([[0.0, 0, 10, 11]]), fused.boxes)


def test_what_tells_sure_looks_apart_outlives_their_fusion():
    sure = [_found(([0.0, 0, 10, 10], logit)) for logit in (13.0, 12.0)]
    fused = fuse(sure, overlap=0.5, is_vote=True)
    wanted = np.logaddexp(0, -13.0), np.logaddexp(0, -12.0)
    share = np.mean(np.exp(-np.array(wanted, dtype=np.float64)))
    assert pytest.approx(np.log(share / (1 - share)), abs=1e-5) == float(fused.logits)


def test_what_one_look_of_two_saw_is_half_as_likely():
    fused = fuse([_found(([0.0, 0, 10, 10], 0.0)), _NONE], overlap=0.5, is_vote=True)
    assert pytest.approx(0.25) == float(fused.logits.sigmoid())


def test_windows_do_not_vote():
    fused = fuse([_found(([0.0, 0, 10, 10], 0.5)), _NONE], overlap=0.5, is_vote=False)
    assert [0.5] == fused.logits.tolist()


def test_nothing_found_fuses_to_nothing():
    assert 0 == len(fuse([_NONE, _NONE], overlap=0.5, is_vote=True))


def test_windows_cover_every_pixel():
    windows = Windows((32, 32), overlap=0.5)
    seen = torch.zeros(75, 100)
    for y, x in windows.starts((75, 100)):
        seen[y : y + 32, x : x + 32] = 1
    assert 75 * 100 == int(seen.sum())


def test_a_picture_smaller_than_the_window_is_padded():
    cut = Windows((32, 32)).cut(torch.ones(1, 1, 20, 40), (0, 8))
    assert (1, 1, 32, 32) == tuple(cut.shape)
    assert 20 * 32 == int(cut.sum())


def test_wherever_a_small_lesion_lies_a_window_answers_for_all_of_it():
    windows, shape = Windows((32,) * 2, overlap=0.5), (75, 100)
    for place in range(0, 92, 1):
        lesion = torch.tensor([[30.0, place, 38, place + 8]])
        answers = []
        for start in windows.starts(shape):
            low = torch.tensor(start, dtype=torch.float32)
            inside = lesion - low.repeat(2)
            if inside.min() >= 0 and inside.max() <= 32:
                found = windows.own(_found((inside[0].tolist(), 1.0)), start, shape)
                answers += found.boxes.tolist()
        assert answers, place
        assert all(answer == lesion[0].tolist() for answer in answers)


class _Planted(nn.Module):
    """Boxes each bright cube (or square) that its window shows, as far as it shows it.

    Of every window it also says that something unlikely lies at its low corner.
    """

    label_of = (0,)

    def forward(self, images: torch.Tensor) -> DetectorOutput:
        dims = images.ndim - 2
        shape = torch.tensor(images.shape[2:], dtype=torch.float32)
        found = [[torch.cat([torch.zeros(dims), 0.05 * shape])]]
        values = images[0, 0].unique()
        for value in values[values > 0]:
            places = (images[0, 0] == value).nonzero().float()
            found.append([torch.cat([places.amin(dim=0), places.amax(dim=0) + 1])])
        boxes = torch.cat([torch.stack(own) for own in found])[None]
        logits = torch.full((1, len(found), 1), 3.0)
        logits[0, 0] = -6.0
        return DetectorOutput(logits.amax(dim=1), logits, boxes, boxes[0], (len(found),))


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((75, 100), (32, 32)),
        ((20, 40, 70), (16, 32, 32)),
        ((12, 90, 33), (16, 32, 32)),
        ((6, 20, 24), (16, 32, 32)),
    ],
)
def test_lesions_are_found_whole_wherever_they_lie_in_pictures_and_volumes(shape, window):
    rng, sides = np.random.default_rng(len(shape)), np.array(window) // 5
    for _ in range(12):
        low = rng.integers(0, np.array(shape) - sides)
        image = torch.zeros(1, 1, *shape)
        image[(0, 0, *map(slice, low.tolist(), (low + sides).tolist()))] = 1
        (found,) = Finder(windows=Windows(window))([_Planted()], image)
        boxes = found.boxes.boxes[found.boxes.logits > 0]
        assert [[*low.tolist(), *(low + sides).tolist()]] == boxes.tolist()


class _AtTheEdge(nn.Module):
    """Sees most where a window's inner edge may cut it, which the neighbour answers for."""

    label_of = (0,)

    def forward(self, images: torch.Tensor) -> DetectorOutput:
        left = 28.0 if images[0, 0, 0, 0] == 1 else 0.0
        boxes = torch.tensor([[[0.0, left, 4, left + 4], [0.0, 14, 4, 18]]])
        logits = torch.tensor([[[-5.0], [-7.0]]])
        return DetectorOutput(logits[:, 0], logits, boxes, boxes[0], (2,))


def test_a_picture_whose_windows_leave_all_to_each_other_still_has_a_likeliest_box():
    picture = torch.zeros(1, 1, 32, 48)
    picture[0, 0, 0, 0] = 1
    (found,) = Finder(windows=Windows((32, 32)))([_AtTheEdge()], picture)
    assert [-7.0] == found.boxes.logits.tolist()
