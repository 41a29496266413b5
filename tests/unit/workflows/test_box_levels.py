from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch
from factories import a_reference
from lesion_factory import a_detector_config
from scipy.special import expit

from medrec.calibration.boxes import PictureBoxes, fit_box_calibration
from medrec.config.base import validate
from medrec.config.calibration import CalibrationConfig
from medrec.config.training import TrainConfig
from medrec.domain.finding import Label
from medrec.errors import CalibrationError
from medrec.evaluation.samples import Samples
from medrec.models.detections import Detections
from medrec.models.finder import Found
from medrec.workflows.box_levels import (
    calibrate_boxes,
    find_boxes,
    fit_levels_of_detector,
    to_picture_boxes,
)
from medrec.workflows.scored import ScoredSlices, Weighting

if TYPE_CHECKING:
    from medrec.data.detection import DetectionSlices

TUMOR = Label("tumor")
CONFIG = CalibrationConfig(bootstrap_rounds=50)
_BOX = [10.0, 10.0, 20.0, 20.0]


def _picture(score: float, *, has_lesion: bool) -> PictureBoxes:
    """One box on a lesion's place, and one beside it that scores 2 less."""
    return PictureBoxes(
        boxes=np.array([_BOX, [40.0, 40, 52, 52]]),
        score=np.array([score, score - 2]),
        label=np.zeros(2, dtype=int),
        image_logits=None,
        truth=np.array([_BOX] if has_lesion else []).reshape(-1, 4),
        truth_label=np.zeros(int(has_lesion), dtype=int),
        is_ignored=np.zeros(int(has_lesion), dtype=bool),
        is_known=True,
    )


def _scored(count: int = 40) -> ScoredSlices:
    rng = np.random.default_rng(3)
    lesions = [n % 3 > 0 for n in range(count)]
    found = tuple(_picture(rng.normal(2.0 * has, 1.5), has_lesion=has) for has in lesions)
    rows = tuple(
        a_reference(path=f"{n}.png", patient=f"P{n}", labels={TUMOR: has})
        for n, has in enumerate(lesions)
    )
    return ScoredSlices(rows, np.zeros((count, 1)), (TUMOR,), found=found)


def test_boxes_of_held_out_patients_give_calibrators_and_pictures_their_joint_logits():
    fitted, scored = calibrate_boxes(_scored(), CONFIG, seed=1, say=lambda _: None)
    assert [TUMOR] == [entry.label for entry in fitted]
    assert 80 == fitted[0].rows
    assert 26 == fitted[0].positives
    odds = fitted[0].log_odds(scored.found[0].score, np.array([10.0, 12.0]))
    assert pytest.approx(odds.max()) == scored.logits[0, 0]


def test_pictures_whose_boxes_are_unknown_teach_the_calibrator_nothing():
    scored = _scored()
    unknown = (*(replace(own, is_known=False) for own in scored.found[:10]), *scored.found[10:])
    fitted, _ = calibrate_boxes(replace(scored, found=unknown), CONFIG, seed=1, say=lambda _: None)
    assert 60 == fitted[0].rows


def test_too_few_boxes_leave_scores_and_a_word_of_it():
    said: list[str] = []
    scored = _scored(3)
    fitted, found = calibrate_boxes(scored, CONFIG, seed=1, say=said.append)
    assert () == fitted
    assert "scores and no probabilities" in said[0]
    assert [own.score.max() for own in scored.found] == found.logits[:, 0].tolist()


def _with_heads(scored: ScoredSlices) -> ScoredSlices:
    """The same, with an image head that says of each picture what is true, and 5 more."""
    rng = np.random.default_rng(5)
    heads = [np.array([5 + rng.normal(2.0 * len(own.truth))]) for own in scored.found]
    pairs = zip(scored.found, heads, strict=True)
    return replace(scored, found=tuple(replace(own, image_logits=head) for own, head in pairs))


def test_an_image_head_is_calibrated_beside_the_boxes():
    scored = _with_heads(_scored(200))
    fitted, joint = calibrate_boxes(scored, CONFIG, seed=1, say=lambda _: None)
    assert fitted[0].head is not None
    assert (200, 133) == (fitted[0].head.rows, fitted[0].head.positives)
    bare = [np.logaddexp(own.score.max(), own.image_logits[0]) for own in scored.found]
    assert expit(bare).mean() > 0.9
    assert expit(joint.logits).mean() < 0.8


def test_an_image_head_without_pictures_free_of_lesions_has_no_say_which_is_told():
    said: list[str] = []
    scored = _with_heads(_scored())
    rows = tuple(replace(row, labels={TUMOR: True}) for row in scored.references)
    fitted, joint = calibrate_boxes(
        replace(scored, references=rows), CONFIG, seed=1, say=said.append
    )
    assert fitted[0].head is None
    assert "no say beside the boxes" in said[0]
    odds = fitted[0].log_odds(scored.found[0].score, np.array([10.0, 12.0]))
    assert pytest.approx(odds.max()) == joint.logits[0, 0]


def test_an_archive_without_a_picture_free_of_lesions_calibrates_no_pictures():
    samples = Samples.from_logits([True] * 12, np.arange(12.0), [f"P{n}" for n in range(12)])
    fitted = fit_levels_of_detector(
        {(TUMOR, "image"): samples},
        CONFIG,
        primary=TUMOR,
        measured_on={"image": "tests"},
        seed=1,
    )
    assert () == fitted.calibrations
    assert "images get scores" in fitted.notes[0]


def test_objects_become_truth_of_their_labels_and_ignored_ones_are_marked():
    none = torch.zeros(0, dtype=torch.long)
    found = Found(Detections(torch.zeros(0, 4), torch.zeros(0), none, none), None)
    objects = torch.tensor([[*_BOX, 1], [*_BOX, -1], [*_BOX, -2], [*_BOX, -3]])
    own = to_picture_boxes(found, objects, [0, 1])
    assert [1, 0, 1] == own.truth_label.tolist()
    assert [False, True, True] == own.is_ignored.tolist()


def test_a_network_that_gives_no_number_is_never_calibrated_as_if_nothing_were_there(monkeypatch):
    none = torch.zeros(0, dtype=torch.long)
    found = Found(Detections(torch.zeros(0, 4), torch.zeros(0), none, none), None)
    every = [found, replace(found, is_finite=False), found]
    monkeypatch.setattr("medrec.workflows.box_levels.predict_boxes", lambda *_, **__: every)
    prepared = cast("DetectionSlices", SimpleNamespace(inputs=list, objects=torch.zeros(3, 1, 5)))
    config = validate(a_detector_config(Path("m.csv")), TrainConfig, where="test")
    with pytest.raises(CalibrationError, match="no number for 1 of 3 pictures"):
        find_boxes(torch.nn.Identity(), prepared, config, device="cpu")


def test_unknown_objects_make_an_unknown_picture():
    none = torch.zeros(0, dtype=torch.long)
    found = Found(Detections(torch.zeros(0, 4), torch.zeros(0), none, none), None)
    own = to_picture_boxes(found, torch.full((2, 5), float("nan")), [0])
    assert not own.is_known
    assert 0 == len(own.truth)


def test_boxes_are_weighted_by_whether_their_picture_holds_a_lesion():
    # Of 40 pictures with two boxes each 26 hold a lesion: 0.2 * 40 / 26 and 0.8 * 40 / 14.
    scored = _scored()
    plain, _ = calibrate_boxes(scored, CONFIG, seed=1, say=lambda _: None)
    rare, _ = calibrate_boxes(
        replace(scored, weighting=Weighting(0.2)), CONFIG, seed=1, say=lambda _: None
    )
    truth = [own.truth.size > 0 and n == 0 for own in scored.found for n in (0, 1)]
    weight = np.repeat(
        [0.2 * 40 / 26 if len(own.truth) else 0.8 * 40 / 14 for own in scored.found], 2
    )
    score = np.concatenate([own.score for own in scored.found])
    by_hand = fit_box_calibration(
        Samples.from_logits(truth, score, np.arange(80) // 2, weight=weight),
        np.tile([10.0, 12.0], 40),
        label=TUMOR,
        hit=rare[0].hit,
        rounds=50,
        rng=np.random.default_rng(1),
    )

    assert (by_hand.slope, by_hand.intercept) == pytest.approx((rare[0].slope, rare[0].intercept))
    odds = [entry.log_odds(np.zeros(1), np.full(1, 10.0))[0] for entry in (plain[0], rare[0])]
    assert odds[1] < odds[0]


def test_boxes_that_no_weights_give_the_prevalence_get_scores_which_is_told():
    said: list[str] = []
    scored = _scored()
    rows = tuple(
        replace(row, attributes={"view": "PA" if row.labels[TUMOR] else "AP"})
        for row in scored.references
    )
    weighted = replace(scored, references=rows, weighting=Weighting(0.2, "view"))
    fitted, _ = calibrate_boxes(weighted, CONFIG, seed=1, say=said.append)

    assert () == fitted
    assert "AP (0 of 14 rows positive), PA (26 of 26 rows positive)" in said[0]
