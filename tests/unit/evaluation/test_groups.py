"""Figures of classes that exclude each other, taken together."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pytest

from medrec.domain.finding import Finding, Label, RawFinding
from medrec.evaluation.evaluate import evaluate_predictions
from medrec.evaluation.result import to_json
from medrec.evaluation.settings import EvaluationSettings

A, B, C = GROUP = tuple(map(Label, "abc"))
SETTINGS = EvaluationSettings(bootstrap_rounds=100, calibrated_draws=100, exclusive=(GROUP,))
CASES = [  # class, probabilities
    (A, (0.7, 0.2, 0.1)),
    (A, (0.6, 0.3, 0.1)),
    (A, (0.1, 0.8, 0.1)),
    (B, (0.2, 0.5, 0.3)),
    (C, (0.1, 0.5, 0.4)),
    (C, (0.1, 0.1, 0.8)),
    (None, (0.3, 0.3, 0.4)),
]


def judged(predict, refer, *, cases=CASES, raw=False, settings=SETTINGS):
    predictions, rows = [], []
    for number, (truth, chances) in enumerate(cases):
        findings = tuple(
            RawFinding(label, log(p / (1 - p))) if raw else Finding(label, log(p / (1 - p)), p)
            for label, p in zip(GROUP, chances, strict=True)
        )
        predictions.append(replace(predict(f"p{number}", 0.5), findings=findings))
        labels = {label: None if truth is None else label == truth for label in GROUP}
        rows.append(replace(refer(f"p{number}.nii", None), labels=labels))
    return evaluate_predictions(predictions, rows, settings=settings)


def test_the_confusion_counts_exams_by_class_and_by_the_likeliest_one(predict, refer):
    (found,) = judged(predict, refer).exclusive

    assert ((2, 1, 0), (0, 1, 0), (0, 1, 1)) == found.confusion
    assert (6, 1) == (found.n, found.unknown)


def test_accuracy_balanced_accuracy_and_log_loss_are_those_worked_by_hand(predict, refer):
    (found,) = judged(predict, refer).exclusive

    assert 4 / 6 == pytest.approx(found.accuracy.value)
    assert (2 / 3 + 1 + 1 / 2) / 3 == pytest.approx(found.balanced_accuracy.value)
    said = (0.7, 0.6, 0.1, 0.5, 0.4, 0.8)
    assert -sum(map(log, said)) / 6 == pytest.approx(found.log_loss.value)


def test_scores_without_a_calibrator_have_no_log_loss(predict, refer):
    (found,) = judged(predict, refer, raw=True).exclusive

    assert 4 / 6 == pytest.approx(found.accuracy.value)
    assert found.log_loss is None


def test_a_class_without_an_exam_leaves_no_balanced_accuracy(predict, refer):
    (found,) = judged(predict, refer, cases=CASES[:4]).exclusive

    assert found.balanced_accuracy is None


def test_the_figures_of_a_group_stand_in_the_json_and_only_where_asked_for(predict, refer):
    data = to_json(judged(predict, refer, cases=CASES * 3))

    (group,) = data["exclusive"]
    assert ["a", "b", "c"] == group["labels"]
    assert group["accuracy"]["low"] < group["accuracy"]["value"] < group["accuracy"]["high"]
    without = replace(SETTINGS, exclusive=())
    assert "exclusive" not in to_json(judged(predict, refer, settings=without))


def test_a_group_that_the_predictions_lack_a_class_of_is_noted(predict, refer):
    settings = replace(SETTINGS, exclusive=((A, Label("d")),))

    result = judged(predict, refer, settings=settings)

    assert () == result.exclusive
    assert any("a, d: not measured together" in note for note in result.notes)


def test_the_likeliest_class_is_calibrated_where_it_is_right_as_often_as_it_says(predict, refer):
    chances = {A: (0.6, 0.3, 0.1), B: (0.2, 0.6, 0.2), C: (0.1, 0.3, 0.6)}
    right = [(label, chances[label]) for label in GROUP for _ in range(12)]
    wrong = [(GROUP[place - 1], chances[label]) for place, label in enumerate(GROUP)
             for _ in range(8)]  # fmt: skip

    (found,) = judged(predict, refer, cases=[*right, *wrong]).exclusive
    (overconfident,) = judged(predict, refer, cases=[*right, *wrong * 3]).exclusive

    assert 0 == pytest.approx(found.top_ece.value)  # said .6, right in 36 of 60
    assert 36 / 108 - 0.6 == pytest.approx(-overconfident.top_ece.value)
    assert found.top_ece_if_calibrated.value < overconfident.top_ece.value
    assert [(60, 0.6)] == [(b.rows, pytest.approx(b.probability)) for b in found.top_reliability]
    assert 0.6 == pytest.approx(found.top_reliability[0].observed.value)


def test_scores_without_a_calibrator_have_no_calibration_of_the_likeliest_class(predict, refer):
    (found,) = judged(predict, refer, raw=True).exclusive

    assert (None, None, ()) == (found.top_ece, found.top_ece_if_calibrated, found.top_reliability)
