from __future__ import annotations

import itertools

import numpy as np
import pytest

from medrec.domain.geometry import Geometry
from medrec.reporting.orientation import usual_turn

SHAPE = (3, 4, 5)


def stored_axes():
    """Every way to store a volume along the patient's axes: 48 of them."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = 0.0
            for stored, patient in enumerate(order):
                affine[patient, stored] = signs[stored] * (1.0 + stored)
            yield affine


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_every_stored_order_is_turned_to_the_radiological_view(slice_axis):
    for affine in stored_axes():
        geometry = Geometry(affine)
        turn = usual_turn(geometry, slice_axis)
        index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
        mm = geometry.to_mm(index.reshape(-1, 3)).reshape(*SHAPE, 3)
        plane = np.take(mm, 1, axis=slice_axis).swapaxes(0, 1)

        shown = turn.apply(plane)

        rightwards, downwards = shown[0, 1] - shown[0, 0], shown[1, 0] - shown[0, 0]
        patient_axis = int(np.argmax(np.abs(affine[:3, slice_axis])))
        across, down, letters = {
            0: ((0, 1, 0), (0, 0, -1), "APHF"),
            1: ((1, 0, 0), (0, 0, -1), "RLHF"),
            2: ((1, 0, 0), (0, 1, 0), "RLAP"),
        }[patient_axis]
        assert np.sign(rightwards).tolist() == list(across)
        assert np.sign(downwards).tolist() == list(down)
        assert letters == "".join(
            (turn.letters.left, turn.letters.right, turn.letters.top, turn.letters.bottom)
        )
        height, width = np.linalg.norm(downwards), np.linalg.norm(rightwards)
        assert turn.aspect == pytest.approx(height / width)


def test_without_geometry_a_slice_stays_as_stored():
    picture = np.arange(6.0).reshape(2, 3)
    turn = usual_turn(None, 2)

    assert turn.letters is None
    assert np.array_equal(picture, turn.apply(picture))


def test_an_oblique_slice_goes_by_the_nearest_axes():
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]

    assert usual_turn(Geometry(affine), 2).letters.left == "R"
