from __future__ import annotations

import numpy as np
import pytest
from dicom_factory import AXIAL, SAGITTAL, affine_of, oblique
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec.errors import RefusedScanError
from medrec.io.stacking import PlanePlace, stack

SPACING = (0.5, 0.75, 5.0)
ORIGIN = (-20.0, 4.0, 30.0)


def places_of(distances, *, directions=AXIAL, aside=None):
    row, column = np.array(directions[0]), np.array(directions[1])
    normal = np.cross(row, column)
    aside = np.zeros(len(distances)) if aside is None else aside
    return [
        PlanePlace(
            position_lps_mm=np.array(ORIGIN) + distance * normal + shift * column,
            row_direction=row,
            column_direction=column,
            row_spacing_mm=SPACING[1],
            column_spacing_mm=SPACING[0],
            thickness_mm=5.0,
        )
        for distance, shift in zip(distances, aside, strict=True)
    ]


def refusal_of(places):
    with pytest.raises(RefusedScanError) as caught:
        stack(places)
    return caught.value.code, caught.value.detail


@pytest.mark.parametrize("directions", [AXIAL, SAGITTAL, oblique()], ids=["ax", "sag", "oblique"])
def test_the_affine_is_that_of_the_definition(directions):
    stacked = stack(places_of(5.0 * np.arange(10), directions=directions))

    assert stacked.order == tuple(range(10))
    np.testing.assert_allclose(
        stacked.geometry.affine_lps, affine_of(directions, SPACING, ORIGIN), atol=1e-9
    )


@given(order=st.permutations(range(12)))
@settings(max_examples=25)
def test_planes_are_sorted_along_the_normal_in_whatever_order_they_come(order):
    stacked = stack(places_of(5.0 * np.array(order), directions=oblique()))

    assert list(np.argsort(order)) == list(stacked.order)
    np.testing.assert_allclose(
        stacked.geometry.affine_lps, affine_of(oblique(), SPACING, ORIGIN), atol=1e-9
    )


def test_a_missing_slice_is_named():
    distances = [5.0 * index for index in range(24) if index != 6]

    assert refusal_of(places_of(distances)) == (
        "gap",
        "slice 7 of 24 is missing: 10.0 mm where 5.0 mm is usual",
    )


def test_several_missing_slices_are_counted():
    distances = [3.0 * index for index in range(20) if index not in (4, 5, 11)]

    code, detail = refusal_of(places_of(distances))

    assert code == "gap"
    assert "slice 5 of 20" in detail
    assert "3 are missing in all" in detail


def test_a_gap_is_found_in_spite_of_rounded_positions():
    jitter = np.random.default_rng(1).uniform(-0.01, 0.01, 30)
    distances = [5.0 * index + jitter[index] for index in range(30) if index != 15]

    assert refusal_of(places_of(distances))[0] == "gap"


def test_two_images_at_one_place_are_refused():
    code, detail = refusal_of(places_of([0.0, 5.0, 10.0, 10.0, 15.0]))

    assert code == "duplicate_position"
    assert "images 3 and 4 of 5" in detail


def test_slices_at_irregular_distances_are_refused():
    code, detail = refusal_of(places_of([0.0, 5.0, 10.0, 17.3, 22.3]))

    assert code == "variable_spacing"
    assert "5.00 to 7.30 mm" in detail


def test_a_leaning_stack_is_refused_with_its_angle():
    distances = 5.0 * np.arange(10)

    code, detail = refusal_of(places_of(distances, aside=distances * np.tan(np.radians(15))))

    assert code == "tilt"
    assert "15.0 degrees" in detail


def test_a_lean_too_slight_to_refuse_stays_in_the_affine():
    distances = 5.0 * np.arange(10)

    stacked = stack(places_of(distances, aside=distances * 0.02))

    np.testing.assert_allclose(stacked.geometry.affine_lps[:3, 2], [0.0, 0.1, 5.0], atol=1e-9)


def test_a_plane_that_stands_aside_is_refused():
    code, detail = refusal_of(places_of([0.0, 5.0, 10.0, 15.0, 20.0], aside=[0, 0, 0.4, 0, 0]))

    assert code == "bad_geometry"
    assert "slice 3 of 5 stands 0.40 mm aside" in detail


def test_planes_of_several_orientations_are_refused():
    places = [*places_of([0.0, 5.0]), *places_of([10.0], directions=SAGITTAL)]

    assert refusal_of(places)[0] == "mixed_orientation"


def test_directions_that_are_no_right_angle_are_refused():
    places = places_of([0.0, 5.0], directions=((1.0, 0.0, 0.0), (0.3, 0.95, 0.0)))

    assert refusal_of(places)[0] == "bad_geometry"


@pytest.mark.parametrize("spacing", [5.0, 0.5])
def test_positions_rounded_by_the_scanner_are_regular(spacing):
    jitter = np.random.default_rng(2).uniform(-0.005, 0.005, 40)

    stacked = stack(places_of(spacing * np.arange(40) + jitter))

    assert stacked.geometry.spacing_mm[2] == pytest.approx(spacing, abs=1e-3)


def test_one_plane_has_its_thickness():
    stacked = stack(places_of([0.0]))

    np.testing.assert_allclose(stacked.geometry.affine_lps, affine_of(AXIAL, SPACING, ORIGIN))
