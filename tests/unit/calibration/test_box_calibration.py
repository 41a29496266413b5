from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from medrec.calibration.boxes import (
    BoxCalibration,
    PictureBoxes,
    fit_box_calibration,
    is_on_lesion,
    joint_logit,
    log_odds_of,
    sizes_of,
)
from medrec.calibration.files import read_box_calibration, read_calibration, write_calibration
from medrec.calibration.heads import HeadCalibration, fit_head
from medrec.calibration.platt import FlooredPlatt
from medrec.domain.box import Box
from medrec.domain.finding import Label, Region
from medrec.domain.reference import LabelledBox
from medrec.errors import CalibrationError, PackageError
from medrec.evaluation.box_calibration import box_samples
from medrec.evaluation.detection_images import DetectionImage
from medrec.evaluation.detection_set import DetectionSet
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.matching import HitKind, HitRule, ImageBoxes
from medrec.evaluation.samples import Samples
from medrec.evaluation.settings import EvaluationSettings

HALF = HitRule(HitKind.IOU, 0.5)
TUMOR = Label("tumor")
_FIGURE = Estimate(0.1, None, None, "none")
KNOWN = BoxCalibration(
    label=TUMOR,
    slope=0.8,
    intercept=-1.0,
    size_slope=0.5,
    patients=20,
    positives=12,
    rows=60,
    hit=HALF,
    ece_before=_FIGURE,
    ece_after=_FIGURE,
)
_numbers = st.floats(-15, 15)


def _samples(count: int, slope: float, *, seed: int = 0) -> tuple[Samples, np.ndarray]:
    rng = np.random.default_rng(seed)
    score, size = rng.normal(0, 2, count), rng.uniform(5, 80, count)
    truth = rng.random(count) < expit(slope * score + 0.7 * np.log(size) - 2.5)
    return Samples.from_logits(truth, score, [f"P{n // 4}" for n in range(count)]), size


def _picture(boxes, truth, **changes):
    facts = {
        "boxes": np.array(boxes, float).reshape(-1, 4),
        "score": np.arange(len(boxes), 0, -1.0),
        "label": np.zeros(len(boxes), dtype=int),
        "image_logits": None,
        "truth": np.array(truth, float).reshape(-1, 4),
        "truth_label": np.zeros(len(truth), dtype=int),
        "is_ignored": np.zeros(len(truth), dtype=bool),
        "is_known": True,
    }
    return PictureBoxes(**{**facts, **changes})


@given(
    scores=st.lists(_numbers, min_size=1, max_size=6),
    sides=st.floats(1, 300),
    heads=st.none() | _numbers,
    platt=st.tuples(st.floats(0.01, 5), _numbers),
    slope=st.floats(0.01, 5),
    others=st.tuples(_numbers, _numbers, _numbers),
)
def test_no_exam_is_less_likely_than_a_box_in_it(scores, sides, heads, platt, slope, others):
    intercept, size_slope, other = others
    calibration = replace(KNOWN, slope=slope, intercept=intercept, size_slope=size_slope / 10)
    if heads is not None and heads > -10:  # a head with a calibrator, and now and then without
        head = HeadCalibration(slope, -intercept, 20, 12, 60)
        calibration = replace(calibration, head=head)
    boxes = np.tile([0.0, 0.0, sides, sides], (len(scores), 1))
    picture = _picture(
        boxes,
        [],
        score=np.array(scores),
        image_logits=None if heads is None else np.array([heads]),
    )
    odds = log_odds_of(boxes, picture.score, picture.label, [calibration])
    exam = max(float(picture.joint([calibration], 1)[0]), other)
    probability = FlooredPlatt(*platt).probability(np.array(exam))
    assert float(probability) >= expit(odds).max()


def test_an_exam_above_its_floor_has_what_platt_scaling_says():
    found = FlooredPlatt(slope=2.0, intercept=1.0).probability(np.array([3.0]))
    assert [pytest.approx(float(expit(7.0)))] == found.tolist()


def test_the_size_of_a_box_is_the_geometric_mean_of_its_sides():
    assert [pytest.approx(4.0)] == sizes_of(np.array([[0.0, 0, 2, 8]])).tolist()
    assert [pytest.approx(2.0)] == sizes_of(np.array([[0.0, 0, 0, 1, 2, 4]])).tolist()


def test_log_odds_are_linear_in_score_and_logarithm_of_size():
    found = KNOWN.log_odds(np.array([2.0]), np.array([np.e]))
    assert [pytest.approx(0.8 * 2 + 0.5 - 1)] == found.tolist()


def test_a_fit_finds_the_map_that_made_the_boxes():
    samples, size = _samples(4000, 0.6)
    fitted = fit_box_calibration(
        samples, size, label=TUMOR, hit=HALF, rounds=50, rng=np.random.default_rng(1)
    )
    assert pytest.approx(0.6, abs=0.08) == fitted.slope
    assert pytest.approx(0.7, abs=0.15) == fitted.size_slope
    assert fitted.ece_after.value < fitted.ece_before.value


def test_boxes_that_score_the_wrong_way_round_get_no_calibrator():
    samples, size = _samples(400, -1.0)
    with pytest.raises(CalibrationError, match="train the detector longer"):
        fit_box_calibration(
            samples, size, label=TUMOR, hit=HALF, rounds=50, rng=np.random.default_rng(1)
        )


def test_boxes_of_one_size_are_calibrated_by_score_alone():
    samples, _ = _samples(400, 1.0)
    fitted = fit_box_calibration(
        samples,
        np.full(400, 20.0),
        label=TUMOR,
        hit=HALF,
        rounds=50,
        rng=np.random.default_rng(1),
    )
    assert 0.0 == fitted.size_slope


@pytest.mark.parametrize("rule", [HALF, HitRule(HitKind.CENTRE_IN_BOX)], ids=str)
def test_a_second_box_on_a_lesion_does_not_count_whatever_the_rule(rule):
    image = ImageBoxes(
        "P", np.array([[0.0, 0, 8, 8]]), np.array([False]),
        np.array([[0.0, 0, 8, 8], [0.0, 0, 8, 7], [20.0, 20, 28, 28]]), np.array([3.0, 2, 1]),
    )  # fmt: skip
    hit, counts = is_on_lesion(image, rule)
    assert [True, False, False] == hit.tolist()
    assert [True, False, True] == counts.tolist()


@pytest.mark.parametrize("rule", [HALF, HitRule(HitKind.CENTRE_IN_BOX)], ids=str)
def test_the_boxes_that_fit_a_calibrator_are_those_on_which_it_is_measured(rule):
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 12, (40, 2))
    boxes = np.hstack([corners, corners + rng.uniform(4, 12, (40, 2))])
    truth = LabelledBox(Box(4.0, 4.0, 14.0, 14.0), TUMOR)
    ignored = LabelledBox(Box(14.0, 0.0, 22.0, 8.0), TUMOR, {"ignore": "1"})
    regions = tuple(
        Region(TUMOR, float(score), float(expit(score)), "a.png", Box(*row), 0)
        for row, score in zip(boxes.tolist(), rng.normal(size=40).tolist(), strict=True)
    )
    image = DetectionImage(
        0, ("a.png", None, 0), None, "P", (truth, ignored), regions,
        tuple(one.box_px for one in regions),
    )  # fmt: skip
    judged = DetectionSet([image], rule, EvaluationSettings(), is_solid=False)

    hit, counts = is_on_lesion(image.to_arrays(by_probability=True), rule)
    measured = box_samples(judged)

    assert 40 > counts.sum() > hit.sum() > 0
    assert measured.truth.tolist() == hit[counts].tolist()
    assert measured.logit.tolist() == image.to_arrays(by_probability=False).score[counts].tolist()


def test_a_picture_is_as_likely_as_its_likeliest_box_where_it_has_no_head():
    picture = _picture([[0, 0, 8, 8], [0, 0, 4, 4]], [])
    odds = log_odds_of(picture.boxes, picture.score, picture.label, [KNOWN])
    assert [odds.max()] == picture.joint([KNOWN], 1).tolist()


def test_a_head_makes_a_picture_likelier_than_its_boxes():
    assert joint_logit(np.array([1.0]), 1.0) > 1.0


def test_a_head_without_a_calibrator_has_no_say_beside_boxes_that_have_one():
    picture = _picture([[0, 0, 8, 8]], [], image_logits=np.array([9.0]))
    assert picture.joint([KNOWN], 1) == replace(picture, image_logits=None).joint([KNOWN], 1)


def test_a_head_that_exaggerates_holds_no_exam_up():
    rng = np.random.default_rng(4)
    highest = rng.normal(-1, 2, 3000)
    truth = rng.random(3000) < expit(highest)  # the boxes tell all, and are right
    heads = highest + 8  # the head repeats them, shouting
    samples = Samples.from_logits(truth, heads, [f"P{n // 3}" for n in range(3000)])
    head = fit_head(samples, highest)
    joint = np.logaddexp(highest, head.slope * heads + head.intercept)
    assert np.mean(expit(np.logaddexp(highest, heads))) > np.mean(truth) + 0.3
    assert pytest.approx(np.mean(truth), abs=0.02) == np.mean(expit(joint))


def test_a_head_that_sees_what_boxes_miss_has_its_say():
    rng = np.random.default_rng(4)
    heads, highest = rng.normal(-1, 2, 4000), np.full(4000, -3.0)
    chance = expit(np.logaddexp(highest, 0.7 * heads - 0.5))
    truth = rng.random(4000) < chance
    head = fit_head(Samples.from_logits(truth, heads, [f"P{n}" for n in range(4000)]), highest)
    assert (pytest.approx(0.7, abs=0.1), pytest.approx(-0.5, abs=0.1)) == (
        head.slope,
        head.intercept,
    )


def test_a_head_that_says_the_wrong_way_round_is_refused():
    rng = np.random.default_rng(4)
    truth = rng.random(400) < 0.5
    samples = Samples.from_logits(truth, rng.normal(-2.0 * truth), [f"P{n}" for n in range(400)])
    with pytest.raises(CalibrationError, match="positive slope"):
        fit_head(samples, np.full(400, -3.0))


def test_each_label_of_a_picture_has_its_own_boxes():
    picture = _picture([[0, 0, 8, 8], [0, 0, 8, 8]], [], label=np.array([0, 1]))
    first, second = picture.joint((), 2).tolist()
    assert (2.0, 1.0) == (first, second)


def test_calibrators_of_boxes_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "calibration.json"
    write_calibration(path, [], [KNOWN])
    assert (KNOWN,) == read_box_calibration(path)
    assert () == read_calibration(path)


def test_the_calibrator_of_a_head_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "calibration.json"
    wanted = replace(KNOWN, head=HeadCalibration(0.5, -2.0, 20, 12, 60))
    write_calibration(path, [], [wanted])
    assert (wanted,) == read_box_calibration(path)


def test_a_falling_calibrator_of_a_head_is_refused(tmp_path):
    path = tmp_path / "calibration.json"
    write_calibration(path, [], [replace(KNOWN, head=HeadCalibration(0.5, -2.0, 20, 12, 60))])
    path.write_text(path.read_text().replace('"slope": 0.5', '"slope": -0.5'))
    with pytest.raises(PackageError, match="a slope is positive"):
        read_box_calibration(path)


def test_a_calibration_without_boxes_says_nothing_of_them(tmp_path):
    path = tmp_path / "calibration.json"
    write_calibration(path, [])
    assert "boxes" not in path.read_text()
    assert () == read_box_calibration(path)


def test_a_falling_calibrator_of_boxes_is_refused(tmp_path):
    path = tmp_path / "calibration.json"
    write_calibration(path, [], [KNOWN])
    path.write_text(path.read_text().replace('"slope": 0.8', '"slope": -0.8'))
    with pytest.raises(PackageError, match="a slope is positive"):
        read_box_calibration(path)
