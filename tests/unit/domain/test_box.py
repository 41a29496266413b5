"""Boxes in the image, and in the patient."""

from __future__ import annotations

import numpy as np
import pytest

from medrec.domain.box import Box, BoxMm, ImageSize, fit, overlap, to_mm
from medrec.domain.geometry import Geometry


@pytest.mark.parametrize(
    ("corners", "complaint"),
    [
        ((5, 0, 3, 2), "x0 5 is not below x1 3"),
        ((0, 2, 3, 2), "y0 2 is not below y1 2"),
        ((0, 0, 1, 1, 4, 4), "z0 4 is not below z1 4"),
        ((float("nan"), 0, 1, 1), "no finite number"),
        ((0, 0, 1, 1, 2), "stand together"),
    ],
)
def test_a_box_that_is_none_is_refused_and_says_why(corners, complaint):
    with pytest.raises(ValueError, match=complaint):
        Box(*corners)


def test_all_axes_in_the_wrong_order_are_named_at_once():
    with pytest.raises(ValueError, match="x0 5 is not below x1 3, y0 9 is not below y1 1"):
        Box(5, 9, 3, 1)


def test_an_overhang_is_cut_off():
    assert Box(0, 0, 4, 10) == fit(Box(-1, 0, 4, 10.4), ImageSize(20, 10))


def test_a_box_inside_is_left_as_it_is():
    box = Box(0, 0, 20, 10)

    assert fit(box, ImageSize(20, 10)) is box


def test_a_box_with_less_than_half_in_the_image_is_in_another_frame():
    with pytest.raises(ValueError, match="40% of it lies in the image, which has 20 columns x 10"):
        fit(Box(16, 0, 26, 5), ImageSize(20, 10))


def test_swapped_axes_are_suspected_where_they_would_fit():
    with pytest.raises(ValueError, match="are x and y swapped"):
        fit(Box(1, 14, 5, 18), ImageSize(20, 10))


def test_a_flat_box_in_a_volume_is_refused():
    with pytest.raises(ValueError, match="no z0 and z1, but the image has 8 slices"):
        fit(Box(0, 0, 2, 2), ImageSize(20, 10, 8))


def test_a_solid_box_is_cut_along_the_slices_too():
    assert Box(0, 0, 2, 2, 6, 8) == fit(Box(0, 0, 2, 2, 6, 9), ImageSize(20, 10, 8))


def test_in_an_image_of_one_slice_boxes_are_flat():
    assert Box(0, 0, 2, 2) == fit(Box(0, 0, 2, 2, 0, 1), ImageSize(20, 10))


def test_a_solid_box_beside_the_one_slice_of_an_image_is_refused():
    with pytest.raises(ValueError, match="0% of it lies in the image"):
        fit(Box(0, 0, 2, 2, 4, 5), ImageSize(20, 10))


def test_a_slice_cuts_the_boxes_that_hold_its_middle():
    box = Box(1, 2, 3, 4, 5, 7)

    cuts = [box.on_slice(number) for number in range(4, 8)]

    assert [None, Box(1, 2, 3, 4), Box(1, 2, 3, 4), None] == cuts


def test_overlap_in_three_axes_is_that_of_volumes():
    assert 1 / 3 == pytest.approx(overlap(Box(0, 0, 2, 2, 0, 2), Box(0, 0, 2, 2, 1, 3)))


def test_overlap_of_a_flat_and_a_solid_box_is_refused():
    with pytest.raises(ValueError, match="in a plane"):
        overlap(Box(0, 0, 1, 1), Box(0, 0, 1, 1, 0, 1))


def test_a_pixel_lies_half_a_pixel_around_its_centre_in_the_patient():
    geometry = Geometry(np.diag([2.0, 3.0, 5.0, 1.0]))

    placed = to_mm(Box(1, 1, 2, 2), geometry, slice_axis=2, slice_number=4)

    assert BoxMm((1.0, 1.5, 17.5), (3.0, 4.5, 22.5)) == placed


def test_the_slice_axis_is_z_wherever_it_is_stored():
    geometry = Geometry.from_ras(np.diag([5.0, 1.0, 1.0, 1.0]))

    placed = to_mm(Box(0, 10, 4, 20, 2, 3), geometry, slice_axis=0)

    # i is the slice axis, x is j, y is k; RAS to LPS turns i's and j's sign.
    assert BoxMm((-12.5, -3.5, 9.5), (-7.5, 0.5, 19.5)) == placed


def test_a_turned_box_is_held_by_all_its_corners():
    turn = np.eye(4)
    turn[:2, :2] = [[np.sqrt(0.5), -np.sqrt(0.5)], [np.sqrt(0.5), np.sqrt(0.5)]]

    placed = to_mm(Box(0.5, 0.5, 2.5, 2.5), Geometry(turn), slice_axis=2)

    assert (2 * np.sqrt(2), 2 * np.sqrt(2)) == pytest.approx(
        (placed.high[0] - placed.low[0], placed.high[1] - placed.low[1])
    )
