from __future__ import annotations

import numpy as np
import pytest
import torch

from medrec.models.anchors import AnchorGrid, fit_anchors


def test_anchors_stand_around_the_middle_of_their_cells():
    grid = AnchorGrid((((4.0, 2.0),),), ((8, 8),))
    found = grid([(1, 2)], device=torch.device("cpu"))
    assert [[2, 3, 6, 5], [2, 11, 6, 13]] == found.tolist()


def test_the_anchors_of_a_place_follow_each_other():
    grid = AnchorGrid((((4.0,), (8.0,)),), ((10,),))
    found = grid([(2,)], device=torch.device("cpu"))
    assert [[3, 7], [1, 9], [13, 17], [11, 19]] == found.tolist()


def test_anchors_are_fitted_to_the_sizes_that_there_are():
    sides = np.repeat([[10.0, 10], [20, 20], [40, 80]], 30, axis=0)
    assert (((10.0, 10.0),), ((20.0, 20.0),), ((40.0, 80.0),)) == fit_anchors(
        sides, levels=3, per_place=1
    )


def test_few_boxes_still_give_an_anchor_a_level_small_ones_first():
    found = fit_anchors(np.array([[20.0, 10.0]]), levels=3, per_place=1)
    sizes = [float(np.prod(level[0])) for level in found]
    assert sorted(sizes) == sizes
    assert 3 == len(set(sizes))
    assert pytest.approx(200, rel=0.02) == sizes[1]


def test_without_boxes_there_is_nothing_to_fit():
    with pytest.raises(ValueError, match="no"):
        fit_anchors(np.zeros((0, 2)), levels=3, per_place=1)
