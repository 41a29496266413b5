"""Multi-frame images that hold several stacks: each becomes a series of its own."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_factory import AXIAL, SAGITTAL, affine_of, an_enhanced, save

from medrec.domain.ids import PatientKey
from medrec.errors import RefusedScanError
from medrec.io.index import index_scans
from medrec.io.loading import load_file, load_volume

RNG = np.random.default_rng(3)
ONE, TWO = (RNG.integers(1, 4000, (7, 9, 5)).astype(np.uint16) for _ in range(2))


def series_of(image, folder):
    save(image, folder / "image")
    (case,) = index_scans(folder, patient_key=PatientKey).cases
    return case.series


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"echo": 10.0}, {"echo": 90.0}),
        ({"time": 1}, {"time": 2}),
        ({"b": 0.0}, {"b": 1000.0}),
        ({"b": 1000.0, "gradient": [1.0, 0.0, 0.0]}, {"b": 1000.0, "gradient": [0.0, 1.0, 0.0]}),
        ({"stack_id": "1"}, {"stack_id": "2"}),
        ({"frame_type": list("OPM")}, {"frame_type": list("OPP")}),
        ({"frame_type": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, {"frame_type": ["ORIGINAL"]}),
    ],
    ids=["echo", "time", "b-value", "gradient", "stack", "component", "derivation"],
)
def test_frames_are_parted_by_what_tells_them_apart(tmp_path, one, two):
    first, second = series_of(an_enhanced([(ONE, one), (TWO, two)]), tmp_path)

    np.testing.assert_array_equal(load_volume(first).voxels[0], ONE)
    np.testing.assert_array_equal(load_volume(second).voxels[0], TWO)


def test_the_facts_of_a_stack_are_those_of_its_frames(tmp_path):
    image = an_enhanced(
        [(ONE, {"echo": 10.0, "b": 0.0, "time": 1}), (TWO, {"echo": 10.0, "b": 800.0, "time": 1})]
    )

    first, second = (series.first for series in series_of(image, tmp_path))

    assert (0.0, 800.0) == (first.b_value, second.b_value)
    assert (10.0, 1) == (second.echo_time_ms, second.temporal_position)
    assert second.frames == (1, 3, 5, 7, 9)
    assert second.shape == (7, 9, 5)


def test_stacks_of_several_orientations_each_have_their_geometry(tmp_path):
    one, two = {"stack_id": "1"}, {"stack_id": "1", "directions": SAGITTAL}

    found = [load_volume(s) for s in series_of(an_enhanced([(ONE, one), (TWO, two)]), tmp_path)]

    assert len(found) == 2
    for volume, directions in zip(found, (AXIAL, SAGITTAL), strict=True):
        wanted = affine_of(directions, (0.5, 0.75, 4.0), (1.0, 2.0, 3.0))
        np.testing.assert_allclose(volume.geometry.affine_lps, wanted, atol=1e-9)


def test_each_frame_keeps_its_own_rescale(tmp_path):
    stacks = [(ONE, {"echo": 1.0, "slope": "2"}), (TWO, {"echo": 9.0, "slope": "3"})]

    first, second = series_of(an_enhanced(stacks), tmp_path)

    np.testing.assert_array_equal(load_volume(first).voxels[0], ONE * 2.0)
    np.testing.assert_array_equal(load_volume(second).voxels[0], TWO * 3.0)


DIMENSIONS = ("InStackPositionNumber", "NominalCardiacTriggerDelayTime")


def test_repeats_are_parted_by_any_dimension_that_the_file_declares(tmp_path):
    image = an_enhanced([(ONE, {"index": [1]}), (TWO, {"index": [2]})], dimensions=DIMENSIONS)

    first, second = series_of(image, tmp_path)

    np.testing.assert_array_equal(load_volume(first).voxels[0], ONE)
    np.testing.assert_array_equal(load_volume(second).voxels[0], TWO)


def test_a_dimension_that_is_not_needed_parts_no_stack(tmp_path):
    image = an_enhanced([(ONE, {"index": [1]})], dimensions=DIMENSIONS)
    for number, group in enumerate(image.PerFrameFunctionalGroupsSequence):
        group.FrameContentSequence[0].DimensionIndexValues = [number + 1, number % 2]

    (series,) = series_of(image, tmp_path)

    assert load_volume(series).voxels.shape == (1, 7, 9, 5)


def test_repeats_that_nothing_tells_apart_are_refused(tmp_path):
    (series,) = series_of(an_enhanced([(ONE, {}), (TWO, {})]), tmp_path)

    with pytest.raises(RefusedScanError, match="duplicate_position"):
        load_volume(series)


def test_a_file_of_several_stacks_is_no_single_scan(tmp_path):
    path = save(an_enhanced([(ONE, {"echo": 1.0}), (TWO, {"echo": 9.0})]), tmp_path / "image")

    with pytest.raises(RefusedScanError, match="2 stacks"):
        load_file(path)


def test_a_localizer_among_the_stacks_is_left_out(tmp_path):
    stacks = [
        (ONE, {"stack_id": "1", "frame_type": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
        (TWO, {"stack_id": "2", "frame_type": ["ORIGINAL", "PRIMARY", "M"]}),
    ]
    save(an_enhanced(stacks), tmp_path / "image")

    (case,) = index_scans(tmp_path, patient_key=PatientKey).cases

    assert [reason.code for _, reason in case.left_out] == ["localizer"]
    assert [series.first.frames for series in case.series] == [(1, 3, 5, 7, 9)]
