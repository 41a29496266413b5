"""The stage that calibrates: prevalence, what it is fitted on, and what is told out of fold."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories import a_reference
from lesion_factory import a_detector_config
from scipy.special import expit

from medrec.calibration.boxes import PictureBoxes
from medrec.config.base import validate
from medrec.config.training import TrainConfig
from medrec.domain.finding import Label
from medrec.workflows.calibrating import calibrate_scored
from medrec.workflows.scored import ScoredSlices

LESION = Label("lesion")
_BOX = [10.0, 10.0, 20.0, 20.0]
WEIGHTED = {
    "bootstrap_rounds": 50,
    "boxes_only": {"role": ["planted"]},
    "exams_only": {"role": ["real"]},
    "prevalence": {"value": 0.2, "within": "view"},
}


def config_with(**calibration):
    config = a_detector_config(Path("films.csv"), calibration=calibration)
    return validate(config, TrainConfig, where="test")


def a_picture(score, *, has_lesion, is_known=True):
    return PictureBoxes(
        boxes=np.array([_BOX, [40.0, 40, 52, 52]]),
        score=np.array([score, score - 2]),
        label=np.zeros(2, dtype=int),
        image_logits=None,
        truth=np.array([_BOX] if has_lesion else []).reshape(-1, 4),
        truth_label=np.zeros(int(has_lesion), dtype=int),
        is_ignored=np.zeros(int(has_lesion), dtype=bool),
        is_known=is_known,
    )


def some_films():
    """60 films with planted lesions, 60 without, 90 real ones, in two views, a patient each."""
    rng = np.random.default_rng(3)
    rows, found = [], []
    for number in range(210):
        role = "planted" if number < 60 else "untouched" if number < 120 else "real"
        has = role == "planted" or (role == "real" and number % 3 == 0)
        rows.append(
            replace(
                a_reference(path=f"{number}.png", patient=f"P{number}", labels={LESION: has}),
                attributes={"role": role, "view": ("AP", "PA")[number % 2]},
            )
        )
        score = rng.normal(2.0 * has, 1.5)
        found.append(a_picture(score, has_lesion=has, is_known=role != "real" or not has))
    return ScoredSlices(tuple(rows), np.zeros((210, 1)), (LESION,), found=tuple(found))


def calibrated(tmp_path, scored, **calibration):
    said = []
    fitted, _ = calibrate_scored(
        scored, config_with(**calibration), scored.references, out=tmp_path, say=said.append
    )
    return fitted, said


def test_the_stored_prevalence_is_the_one_that_was_asked_for(tmp_path):
    fitted, _ = calibrated(tmp_path, some_films(), **WEIGHTED)

    assert {"image": 0.2, "exam": 0.2} == pytest.approx(fitted.prevalence)


def test_boxes_and_exams_are_fitted_on_their_own_films(tmp_path):
    fitted, _ = calibrated(tmp_path, some_films(), **WEIGHTED)

    assert 240 == fitted.boxes[0].rows  # two boxes on each of 60 planted and 60 untouched films
    assert {150} == {entry.rows for entry in fitted.calibrations}  # 60 untouched, 90 real ones
    assert {"platt_floor"} == {entry.method for entry in fitted.calibrations}


def test_weighted_exams_say_on_the_mean_that_a_fifth_is_positive(tmp_path):
    fitted, _ = calibrated(tmp_path, some_films(), **WEIGHTED)
    with (tmp_path / "out-of-fold.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    weight = np.array([float(row["weight"]) for row in rows])
    probability = np.array([float(row["probability"]) for row in rows])
    (image,) = [entry for entry in fitted.calibrations if entry.level == "image"]
    own = image.probability(np.array([float(row["logit"]) for row in rows]))

    assert 0.2 == pytest.approx(np.average(own, weights=weight), abs=0.04)
    assert 0.2 == pytest.approx(np.average(probability, weights=weight), abs=0.04)


def test_a_row_is_told_out_of_fold_for_each_picture_of_known_truth(tmp_path):
    calibrated(tmp_path, some_films(), **WEIGHTED)
    with (tmp_path / "out-of-fold.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert [f"{number}.png" for number in range(60, 210)] == [row["path"] for row in rows]
    assert {"0", "1", "2", "3", "4"} == {row["fold"] for row in rows}


def test_an_exam_out_of_fold_is_never_less_likely_than_its_boxes(tmp_path):
    calibrated(tmp_path, some_films(), **WEIGHTED)
    with (tmp_path / "out-of-fold.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert float(row["probability"]) >= expit(float(row["logit"])) - 1e-6


def test_without_a_prevalence_rows_weigh_one_and_the_share_is_theirs(tmp_path):
    fitted, _ = calibrated(tmp_path, some_films(), bootstrap_rounds=50)

    assert 90 / 210 == pytest.approx(fitted.prevalence["image"])


def test_boxes_have_probabilities_where_films_cannot_be_weighted_which_is_told(tmp_path):
    scored = some_films()
    rows = [
        replace(r, labels={LESION: r.attributes["role"] == "planted"}) for r in scored.references
    ]
    closed = replace(scored, references=tuple(rows))

    fitted, said = calibrated(tmp_path, closed, **WEIGHTED)

    assert 1 == len(fitted.boxes)
    assert () == fitted.calibrations
    assert any("images and exams get scores and no probabilities: no weights" in s for s in said)
    assert not (tmp_path / "out-of-fold.csv").exists()
