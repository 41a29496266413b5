"""Boxes of predictions held against those of a manifest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from box_cases import FAR, LESION, NEAR, SETTINGS, a_film, a_truth, measured
from factories import TUMOR, a_raw_finding, a_reference, a_region
from scipy.spatial.transform import Rotation

from medrec.domain.box import Box, to_mm
from medrec.domain.finding import CaseStatus, RawRegion
from medrec.domain.geometry import Geometry
from medrec.domain.reference import LabelledBox
from medrec.errors import InputError
from medrec.evaluation.evaluate import evaluate_predictions
from medrec.evaluation.localisation import spacing_of
from medrec.evaluation.matching import HitKind, HitRule
from medrec.evaluation.result import to_json
from medrec.reporting.evaluation_page import to_page


def films(count=12):
    """Each second film has a lesion and a box on it; each third a box on nothing."""
    predictions, rows, truth = [], [], {}
    for number in range(count):
        name, has_lesion = f"{number:02d}.png", number % 2 == 0
        boxes = ([NEAR] if has_lesion else []) + ([FAR] if number % 3 == 0 else [])
        predictions.append(a_film(name, *boxes))
        rows.append(a_reference(path=name, patient=name, labels={TUMOR: has_lesion}))
        truth[(name, None)] = (a_truth(),) if has_lesion else ()
    return predictions, rows, truth


def test_films_are_counted_with_their_lesions_and_boxes():
    result, _, _ = measured(*films())

    assert (12, 6, 6, 10, 12) == (
        result.images, result.empty_images, result.lesions, result.boxes, result.patients
    )  # fmt: skip
    assert HitRule(HitKind.IOU, 0.5) == result.hit
    # All lesions and two false alarms on 12 films share a score: at 1/8 three quarters of the way.
    assert (0.75 + 6) / 7 == pytest.approx(result.froc.cpm.value)


def test_a_threshold_counts_lesions_images_and_normal_exams():
    result, _, _ = measured(*films())

    point = result.operating_points["screening"]

    # Boxes of 0.8: all lesions, and the two on films 3 and 9, which are empty; those of 0.7 aren't.
    assert 1.0 == point.sensitivity.value
    assert 2 / 12 == pytest.approx(point.false_positives_per_image.value)
    assert 2 / 6 == pytest.approx(point.false_positives_per_normal_exam.value)


def test_boxes_sit_a_pixel_beside_their_lesions():
    result, _, _ = measured(*films())

    assert 1.0 == result.localisation.centre_distance_px.value
    assert 19 / 21 == pytest.approx(result.localisation.iou.value)
    assert result.localisation.centre_distance_mm is None


def test_calibration_of_boxes_leaves_second_boxes_out():
    predictions, rows, truth = films()
    predictions[0] = a_film("00.png", NEAR, LESION)

    result, _, _ = measured(predictions, rows, truth)

    # Film 0 had a box on nothing: now a second one on the lesion, which counts neither way.
    assert (9, 6) == (result.calibration.boxes, result.calibration.true_boxes)


def test_the_verdicts_are_those_at_the_threshold_that_reports_show():
    predictions, rows, truth = films(4)
    predictions[2] = a_film("02.png", FAR, NEAR)  # the box on the lesion has 0.7, below 0.75

    _, judged, _ = measured(predictions, rows, truth)

    (found,), (missed,) = judged[0], judged[2]
    assert (["found"], ["hit"]) == ([x.verdict for x in found.lesions],
                                    [x.verdict for x in found.boxes])  # fmt: skip
    assert (["missed"], ["false"]) == ([x.verdict for x in missed.lesions],
                                       [x.verdict for x in missed.boxes])  # fmt: skip


def test_a_second_box_on_a_lesion_is_named_so():
    _, judged, _ = measured(
        [a_film("a.png", LESION, NEAR, probability=0.95)],
        [a_reference(path="a.png")],
        {("a.png", None): (a_truth(),)},
    )

    assert ["hit", "second"] == [box.verdict for box in judged[0][0].boxes]


def test_unknown_boxes_and_unscored_cases_are_in_no_figure():
    predictions, rows, truth = films(4)
    del truth[("01.png", None)]
    predictions[3] = replace(predictions[3], status=CaseStatus.REFUSED, findings=(), regions=(),
                             reason=a_reason())  # fmt: skip

    result, _, _ = measured(predictions, rows, truth)

    assert 2 == result.images


def a_reason():
    from medrec.domain.codes import Reason, ReasonCode

    return Reason(ReasonCode.GAP, "slice 7 is missing")


def test_images_whose_label_contradicts_their_boxes_are_left_out_and_told():
    predictions, rows, truth = films(4)
    rows[1] = replace(rows[1], labels={TUMOR: True})  # labelled, no box
    rows[2] = replace(rows[2], labels={TUMOR: False})  # boxed against its label

    result, _, notes = measured(predictions, rows, truth)

    assert 2 == result.images
    assert any("2 images are labelled without a box" in note for note in notes)


def test_slices_are_images_and_regions_belong_to_their_slice():
    prediction = a_film("v.nii", (NEAR, 4), (FAR, 5), images=(3, 4, 5))
    rows = [
        a_reference(path="v.nii", slice=number, labels={TUMOR: number == 4})
        for number in (3, 4, 5, 6)
    ]
    truth = {("v.nii", number): (a_truth(),) if number == 4 else () for number in (3, 4, 5, 6)}

    result, judged, _ = measured([prediction], rows, truth)

    assert (3, 2, 1) == (result.images, result.empty_images, result.lesions)  # slice 6 is blank
    assert [(3, 0, 0), (4, 1, 1), (5, 0, 0)] == [
        (image.slice, len(image.lesions), len(image.boxes)) for image in judged[0]
    ]


def test_a_lesion_on_a_slice_that_was_not_scored_is_missed():
    rows = [a_reference(path="v.nii", slice=9)]

    result, _, _ = measured([a_film("v.nii", images=(3,))], rows, {("v.nii", 9): (a_truth(),)})

    assert (1, 0.0) == (result.lesions, result.froc.cpm.value)


def test_solid_boxes_of_a_volume_are_one_image_with_a_rule_of_their_own():
    solid, lesion = Box(10, 10, 30, 30, 2, 5), Box(10, 10, 30, 30, 4, 9)  # 1 of 7 slices shared

    result, _, _ = measured(
        [a_film("v.nii", solid)],
        [a_reference(path="v.nii")],
        {("v.nii", None): (a_truth(lesion),)},
    )

    assert result.is_solid
    assert HitRule(HitKind.IOU, 0.1) == result.hit
    assert 1.0 == result.froc.cpm.value


def test_flat_regions_are_judged_on_the_slices_that_solid_truth_cuts():
    prediction = a_film("v.nii", (NEAR, 4), images=(3, 4, 5))
    lesion = Box(10, 10, 30, 30, 4, 6)

    result, _, _ = measured(
        [prediction], [a_reference(path="v.nii")], {("v.nii", None): (a_truth(lesion),)}
    )

    assert (3, 2, False) == (result.images, result.lesions, result.is_solid)
    assert 0.5 == result.froc.sensitivity[-1].value


def test_an_ignored_lesion_counts_neither_way():
    result, judged, _ = measured(
        [a_film("a.png", NEAR), a_film("b.png", NEAR)],
        [a_reference(path="a.png", patient="a"), a_reference(path="b.png", patient="b")],
        {("a.png", None): (a_truth(ignore="1"),), ("b.png", None): (a_truth(),)},
    )

    assert (1, 1, 0) == (result.lesions, result.ignored, result.empty_images)
    assert ["ignored"] == [lesion.verdict for lesion in judged[0][0].lesions]


def test_scores_without_a_calibrator_have_a_froc_but_no_calibration():
    predictions, rows, truth = films(4)
    predictions = [
        replace(
            one,
            findings=(a_raw_finding(),),
            regions=tuple(
                RawRegion(TUMOR, region.score, region.source, region.box_px, region.slice)
                for region in one.regions
            ),
        )
        for one in predictions
    ]

    result, _, notes = measured(predictions, rows, truth)

    assert 1.0 == result.froc.sensitivity[-1].value
    assert (None, {}) == (result.calibration, dict(result.operating_points))
    assert any("no probabilities of boxes" in note for note in notes)


def test_without_any_lesion_there_is_no_froc_but_false_alarms_are_counted():
    result, _, notes = measured(
        [a_film("a.png", NEAR)],
        [a_reference(path="a.png", labels={TUMOR: False})],
        {("a.png", None): ()},
    )

    assert result.froc is None
    assert 1.0 == result.operating_points["screening"].false_positives_per_normal_exam.value
    assert any("no lesion is there" in note for note in notes)


def test_sensitivity_by_size_stands_in_thirds():
    predictions, rows, truth = [], [], {}
    for number in range(12):
        name, side = f"{number:02d}.png", 10 + 5 * number
        lesion = Box(0, 0, side, side)
        predictions.append(a_film(name, *([lesion] if number >= 4 else [])))
        rows.append(a_reference(path=name, patient=name))
        truth[(name, None)] = (a_truth(lesion),)

    result, _, _ = measured(predictions, rows, truth)

    assert [(4, 0.0), (4, 1.0), (4, 1.0)] == [
        (band.lesions, band.sensitivity.value) for band in result.by_size
    ]


OBLIQUE = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()


@pytest.mark.parametrize("turn", [np.eye(3), OBLIQUE], ids=["straight", "oblique"])
def test_the_scale_is_told_from_the_regions_own_millimetres(turn):
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.5, 0.8, 5.0])
    geometry = Geometry(affine)
    boxes = [Box(0, 0, 10, 20, 0, 2), Box(5, 5, 40, 15, 3, 4), Box(1, 2, 9, 50, 1, 6)]
    regions = [a_region(box_px=box, box_mm=to_mm(box, geometry, slice_axis=2)) for box in boxes]

    assert [0.5, 0.8, 5.0] == pytest.approx(spacing_of(regions).tolist())


def test_too_few_regions_tell_no_scale():
    placed = to_mm(LESION, Geometry(np.eye(4)), slice_axis=2)

    assert spacing_of([a_region(box_px=LESION, box_mm=placed)]) is None
    assert spacing_of([a_region(box_px=LESION)]) is None


def test_evaluation_json_holds_what_the_manual_lists():
    predictions, rows, truth = films()

    result = evaluate_predictions(predictions, rows, settings=SETTINGS, boxes=truth)
    data = to_json(result)["labels"]["tumor"]

    assert {"rule": "iou", "value": 0.5} == data["froc"]["hit"]
    assert [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0] == data["froc"]["rates"]
    assert 7 == len(data["froc"]["sensitivity"]) == len(data["froc_empty"]["sensitivity"])
    assert {"0.30", "0.50", "0.75"} == set(data["average_precision"])
    assert {"operating_points", "localisation", "calibration"} <= set(data["boxes"])
    assert (0.75 + 6) / 7 == pytest.approx(data["cpm"]["value"])


def test_cases_with_missed_lesions_come_first_among_their_kind():
    predictions, rows, truth = films(6)
    truth[("04.png", None)] = (a_truth(), a_truth(Box(70, 10, 90, 30)))

    result = evaluate_predictions(predictions, rows, settings=SETTINGS, boxes=truth)

    positive = [one for one in result.cases if one.outcome == "true_positive"]
    assert ["c-04.png", 1] == [positive[0].prediction.case_id, positive[0].missed_lesions]


def test_boxes_of_a_label_that_nobody_predicts_are_told():
    predictions, rows, truth = films(4)
    truth[("00.png", None)] = (LabelledBox(LESION, "glioma"),)

    result = evaluate_predictions(predictions, rows, settings=SETTINGS, boxes=truth)

    assert any(note.startswith("glioma (boxes): no label") for note in result.notes)


def test_predictions_without_boxes_on_a_manifest_with_none_have_no_figure_of_boxes():
    predictions, rows, _ = films(4)

    result = evaluate_predictions(predictions, rows, settings=SETTINGS)

    assert result.labels[TUMOR].detection is None
    assert "froc" not in to_json(result)["labels"]["tumor"]


def test_boxes_are_measured_in_each_stratum():
    predictions, rows, truth = films(24)
    rows = [
        replace(row, attributes={"kind": "whole" if number < 12 else "part"})
        for number, row in enumerate(rows)
    ]
    settings = replace(SETTINGS, stratify_by=("kind",))

    result = evaluate_predictions(predictions, rows, settings=settings, boxes=truth)

    images = {one.value: one.boxes[TUMOR].images for one in result.strata}
    assert {"part": 12, "whole": 12} == images
    strata = to_json(result)["strata"]["kind"]
    assert 6 == strata["whole"]["tumor"]["boxes"]["lesions"]
    assert ["CPM of boxes", 2] == [to_page(result).strata_columns[-1], len(to_page(result).strata)]
    assert to_page(result).strata[0].estimates[-1] == result.strata[0].boxes[TUMOR].froc.cpm


def sized_films():
    """As `films`, but lesions are small on the first six and large on the others; one is missed."""
    predictions, rows, truth = films()
    predictions[10] = a_film("10.png")
    for number in range(0, 12, 2):
        (one,) = truth[(f"{number:02d}.png", None)]
        size = {"size": "small" if number < 6 else "large"}
        truth[(f"{number:02d}.png", None)] = (replace(one, attributes=size),)
    return predictions, rows, truth


def test_lesions_are_told_by_an_attribute_of_their_boxes_on_all_images():
    predictions, rows, truth = sized_films()
    settings = replace(SETTINGS, stratify_by=("size",))

    result = evaluate_predictions(predictions, rows, settings=settings, boxes=truth)
    large, small = (one.boxes[TUMOR] for one in result.strata)

    assert ["large", "small"] == [one.value for one in result.strata]
    assert [(12, 6, 3, 3), (12, 6, 3, 3)] == [
        (one.images, one.empty_images, one.lesions, one.ignored) for one in (large, small)
    ]
    assert [2 / 3, 1.0] == pytest.approx([one.froc.sensitivity[-1].value for one in (large, small)])
    # Boxes on lesions of the other size are no false alarms: those of 0.8 on films 3 and 9 are.
    for one in (large, small):
        at = one.operating_points["screening"].false_positives_per_image.value
        assert 2 / 12 == pytest.approx(at)


def test_strata_of_lesions_stand_in_the_json_and_on_the_page_without_exams():
    predictions, rows, truth = sized_films()
    settings = replace(SETTINGS, stratify_by=("size",))
    result = evaluate_predictions(predictions, rows, settings=settings, boxes=truth)

    assert 3 == to_json(result)["strata"]["size"]["large"]["tumor"]["boxes"]["lesions"]
    row = to_page(result).strata[0]
    assert ("large", 12, 3) == (row.value, row.n, row.positives)
    assert row.estimates[-1] == result.strata[0].boxes[TUMOR].froc.cpm


def test_a_column_of_rows_and_boxes_gives_the_exams_of_the_one_and_the_lesions_of_the_other():
    predictions, rows, truth = sized_films()
    rows = [
        replace(row, attributes={"size": "small"} if number == 0 else {})
        for number, row in enumerate(rows)
    ]
    settings = replace(SETTINGS, stratify_by=("size",))

    result = evaluate_predictions(predictions, rows, settings=settings, boxes=truth)
    large, small = result.strata

    assert ({}, 1) == (large.labels, small.labels[TUMOR].n)
    assert 12 == small.boxes[TUMOR].images


def test_a_column_that_neither_rows_nor_boxes_have_is_named():
    predictions, rows, truth = sized_films()

    with pytest.raises(InputError, match="'shape' is no attribute"):
        evaluate_predictions(
            predictions, rows, settings=replace(SETTINGS, stratify_by=("shape",)), boxes=truth
        )
