"""Masks to labels."""

import numpy as np
import pytest

from medrec.data.mask_truth import MaskRule


def a_mask():
    """Four slices along the last axis: nothing, 2 pixels, two regions of 3, a region of 6."""
    mask = np.zeros((8, 9, 4), dtype=bool)
    mask[0, :2, 1] = True
    mask[0, :3, 2] = mask[5, 5:8, 2] = True
    mask[2:4, 2:5, 3] = True
    return mask


@pytest.mark.parametrize(
    ("least_px", "truths"),
    [
        (1, [False, True, True, True]),
        (3, [False, False, True, True]),
        (4, [False, False, False, True]),
        (7, [False, False, False, False]),
    ],
)
def test_a_slice_is_positive_where_one_region_is_large_enough(least_px, truths):
    assert truths == MaskRule(least_px=least_px).truths(a_mask(), slice_axis=2)


def test_smaller_regions_can_be_unknown_but_an_empty_slice_is_negative():
    rule = MaskRule(least_px=4, is_smaller_unknown=True)

    assert [False, None, None, True] == rule.truths(a_mask(), slice_axis=2)


def test_pixels_that_touch_by_a_corner_are_one_region():
    mask = np.eye(3, dtype=bool)[:, :, np.newaxis]

    assert [True] == MaskRule(least_px=3).truths(mask, slice_axis=2)


def test_slices_are_counted_along_the_axis_that_is_named():
    turned = np.moveaxis(a_mask(), 2, 0)

    assert [False, True, True, True] == MaskRule().truths(turned, slice_axis=0)


@pytest.mark.parametrize(
    ("slices", "case"),
    [([False, True, None], True), ([False, None], None), ([False, False], False)],
)
def test_a_case_is_positive_where_any_slice_is_and_unknown_where_one_may_be(slices, case):
    assert case is MaskRule(per="case").of_case(slices)


def test_a_lesion_without_a_pixel_is_refused():
    with pytest.raises(ValueError, match="wanted 1 or more"):
        MaskRule(least_px=0)
