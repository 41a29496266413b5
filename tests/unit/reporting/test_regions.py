from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from factories import a_finding, a_prediction, a_volume
from PIL import Image

from medrec.domain.box import Box, BoxMm, to_mm
from medrec.domain.finding import Decision, JudgedSeries, Label, RawRegion, Region
from medrec.domain.geometry import Geometry
from medrec.io.predictions import to_line
from medrec.reporting.case_view import hide_paths
from medrec.reporting.orientation import Turn
from medrec.reporting.pictures import draw_boxes, draw_pictures
from medrec.reporting.regions import lies_in, on_slice, read_regions, shown_regions

TUMOR = Label("tumor")


def _region(probability: float, **changes) -> Region:
    facts = {
        "label": TUMOR,
        "score": 0.0,
        "source": "scan.nii",
        "box_px": Box(2, 3, 8, 9),
        "slice": 4,
        "box_mm": BoxMm((-1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
    }
    return Region(probability=probability, **{**facts, **changes})


def _stack(affine=None):
    """Ten slices in one file; without an affine it has no place in the patient."""
    geometry = None if affine is None else Geometry(affine)
    voxels = np.zeros((1, 12, 12, 10), dtype=np.float32)
    return a_volume(voxels=voxels, geometry=geometry, slice_sources=("scan.nii",) * 10)


def _case(*regions, threshold=0.4, decision=Decision.FLAG):
    finding = a_finding(threshold=threshold, operating_point="screening")
    return a_prediction(findings=(finding,), regions=regions, decision=decision)


def test_regions_that_reach_the_threshold_are_shown():
    assert [0.9, 0.4] == [
        region.probability
        for region in shown_regions(_case(_region(0.9), _region(0.4), _region(0.3)))
    ]


def test_without_a_threshold_those_more_likely_than_not_are_shown():
    case = _case(_region(0.6), _region(0.45), threshold=None)
    assert 1 == len(shown_regions(case))


def test_of_bare_scores_the_highest_three_are_shown():
    raw = [RawRegion(TUMOR, 5.0 - n, "a.png", Box(0, 0, 2, 2)) for n in range(5)]
    assert [5.0, 4.0, 3.0] == [region.score for region in shown_regions(_case(*raw))]


def test_a_flagged_exam_without_a_region_above_its_threshold_says_so():
    view = read_regions(_case(_region(0.1)))
    assert view.is_flagged_without
    assert 1 == view.left_out


def test_a_cleared_exam_without_regions_says_nothing_of_flags():
    assert not read_regions(_case(decision=Decision.CLEAR)).is_flagged_without


def test_a_solid_region_names_its_slices_and_its_place_in_the_patient():
    view = read_regions(_case(_region(0.9, box_px=Box(2, 3, 8, 9, 4, 7))))
    assert "x 2 to 8, y 3 to 9, slices 4 to 6" == view.rows[0].place
    assert "L -1.0 to 4.0; P 2.0 to 5.0; S 3.0 to 6.0" == view.rows[0].millimetres


def _through(slices, **changes):
    """A region on each slice, likelier from one to the next, each 5 mm thick."""
    return [
        _region(
            0.5 + number / 100,
            slice=number,
            box_mm=BoxMm((-1.0, 2.0, 5.0 * number), (4.0, 5.0, 5.0 * number + 5)),
            **changes,
        )
        for number in slices
    ]


def test_boxes_of_neighbouring_slices_are_one_region_of_the_report():
    far = _region(0.45, slice=30)

    view = read_regions(_case(*_through(range(11, 18)), far))

    assert ["x 2 to 8, y 3 to 9, slices 11 to 17", "x 2 to 8, y 3 to 9"] == [
        row.place for row in view.rows
    ]
    assert (0.67, 17, "L -1.0 to 4.0; P 2.0 to 5.0; S 55.0 to 90.0") == (
        view.rows[0].value, view.rows[0].slice, view.rows[0].millimetres,
    )  # fmt: skip
    assert 0 == view.left_out


def test_boxes_of_two_series_are_two_regions_of_the_report():
    judged = (JudgedSeries("a/1.dcm", 9), JudgedSeries("b/1.dcm", 9))
    found = [*_through((3,), series="a/1.dcm"), *_through((4,), series="b/1.dcm")]
    case = replace(_case(*found), series="a/1.dcm", judged_series=judged)

    assert 2 == len(read_regions(case).rows)
    assert 2 == len(read_regions(hide_paths(case)).rows)
    assert "1.dcm" not in to_line(hide_paths(case))
    assert hide_paths(case) == hide_paths(hide_paths(case))


def test_boxes_of_nobody_knows_which_series_stay_alone():
    case = replace(_case(*_through((3, 4))), series="a/1.dcm")

    assert 2 == len(read_regions(case).rows)


def test_boxes_of_two_labels_are_two_regions():
    other = replace(_through((4,))[0], label=Label("cyst"))

    assert 2 == len(read_regions(_case(*_through((3,)), other)).rows)


def test_only_regions_of_the_key_slice_are_drawn_on_it():
    case = _case(_region(0.9), _region(0.8, slice=5), _region(0.7, box_px=Box(0, 0, 2, 2, 3, 6)))
    assert [0.9, 0.7] == [value for _, value in on_slice(case, 4, _stack())]


def test_regions_of_another_series_are_not_drawn_on_the_key_slice():
    solid = _region(0.9, box_px=Box(2, 3, 8, 9, 3, 6))
    case = _case(solid, _region(0.8, source="other/4.dcm", box_px=Box(2, 3, 8, 9, 3, 6)))
    assert [0.9] == [value for _, value in on_slice(case, 4, _stack())]


def test_of_two_stacks_in_one_file_a_region_lies_in_that_whose_place_it_has():
    stacks = [_stack(affine=np.diag([side, side, 5.0, 1.0])) for side in (1.0, 2.0)]
    box = Box(2, 3, 8, 9, 3, 6)
    region = _region(0.9, box_px=box, box_mm=to_mm(box, stacks[1].geometry, slice_axis=2))
    assert [False, True] == [lies_in(region, stack) for stack in stacks]


def test_each_label_has_its_own_threshold():
    cyst = Label("cyst")
    findings = (
        a_finding(threshold=0.8, operating_point="screening"),
        a_finding(label=cyst, threshold=0.1, operating_point="screening"),
    )
    regions = (_region(0.7), _region(0.2, label=cyst))
    case = a_prediction(findings=findings, regions=regions, decision=Decision.FLAG)
    assert [cyst] == [region.label for region in shown_regions(case)]
    assert read_regions(case).is_flagged_without


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_columns", [False, True])
@pytest.mark.parametrize("flip_rows", [False, True])
def test_a_box_is_shown_where_its_pixels_are(transpose, flip_columns, flip_rows):
    turn = Turn(transpose, flip_columns, flip_rows)
    picture = np.zeros((20, 30))
    picture[3:7, 12:21] = 1
    box = turn.place(Box(12, 3, 21, 7), 20, 30)
    rows, columns = np.nonzero(turn.apply(picture))
    assert (columns.min(), rows.min()) == box.low
    assert (columns.max() + 1, rows.max() + 1) == box.high


def test_a_frame_is_drawn_around_its_box():
    drawn = np.asarray(draw_boxes(Image.new("L", (200, 200)), [(Box(5, 5, 10, 10), 0.5)], (20, 20)))
    coloured = drawn[..., 0] > drawn[..., 2] + 50
    assert coloured[75, 49]
    assert not coloured[75, 75]


def test_a_case_without_regions_has_no_picture_of_them():
    assert draw_pictures(0, np.random.default_rng(1).random((8, 8))).boxes is None
