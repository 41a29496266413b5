"""Masks to boxes."""

from __future__ import annotations

import numpy as np
import pytest

from medrec.data.components import boxes_in_mask
from medrec.domain.box import Box


def a_mask():
    """Two slices of one lesion, and a pixel that touches it by a corner of a voxel."""
    mask = np.zeros((8, 6, 4), dtype=bool)
    mask[1:4, 2:5, 1:3] = True
    mask[4, 5, 3] = True
    mask[7, 0, 0] = True
    return mask


def test_pieces_of_a_volume_touch_by_corners_too():
    assert [(Box(7, 0, 8, 1, 0, 1), 1), (Box(1, 2, 5, 6, 1, 4), 19)] == sorted(
        boxes_in_mask(a_mask(), slice_axis=2, per="volume"), key=lambda pair: pair[1]
    )


def test_pieces_of_slices_are_one_slice_thick():
    assert [
        (Box(7, 0, 8, 1, 0, 1), 1),
        (Box(1, 2, 4, 5, 1, 2), 9),
        (Box(1, 2, 4, 5, 2, 3), 9),
        (Box(4, 5, 5, 6, 3, 4), 1),
    ] == boxes_in_mask(a_mask(), slice_axis=2, per="slice")


def test_x_and_y_are_the_other_axes_in_stored_order():
    turned = np.moveaxis(a_mask(), 2, 0)

    assert boxes_in_mask(a_mask(), slice_axis=2, per="volume") == boxes_in_mask(
        turned, slice_axis=0, per="volume"
    )


def test_a_picture_has_flat_boxes():
    mask = np.zeros((8, 6, 1), dtype=bool)
    mask[2:5, 1:3] = True

    assert [(Box(2, 1, 5, 3), 6)] == boxes_in_mask(mask, slice_axis=2, per="picture")


def test_a_stack_is_no_picture():
    with pytest.raises(ValueError, match="a picture has one slice, not 4"):
        boxes_in_mask(a_mask(), slice_axis=2, per="picture")


def test_an_empty_mask_has_no_box():
    assert [] == boxes_in_mask(np.zeros((4, 4, 2), bool), slice_axis=2, per="volume")


def test_a_deep_thin_piece_is_as_large_as_its_largest_region_on_a_slice():
    mask = np.zeros((4, 4, 20), dtype=bool)
    mask[1, 1:3, :] = True
    mask[1:3, 1:3, 4] = True
    assert [(Box(1, 1, 3, 3, 0, 20), 4)] == boxes_in_mask(
        mask, slice_axis=2, per="volume", by_slice=True
    )
