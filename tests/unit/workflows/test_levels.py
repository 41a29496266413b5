from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories import TUMOR, a_reference

from medrec.config.base import read_config
from medrec.config.calibration import CalibrationConfig, OperatingPointConfig, SubstackConfig
from medrec.config.model import PoolingConfig
from medrec.config.training import TrainConfig
from medrec.domain.finding import Label
from medrec.domain.reference import Reference
from medrec.errors import CalibrationError
from medrec.workflows.levels import choose_pooling, fit_levels, to_level_samples
from medrec.workflows.scored import ScoredSlices

EDEMA = Label("edema")
CUTTING = SubstackConfig(shortest=3, longest=6, per_patient=4, tops=[1, 2])
POOLING = PoolingConfig(positions=4, top=1)
POINTS = {
    "rule_out": OperatingPointConfig(sensitivity=0.95),
    "rule_in": OperatingPointConfig(specificity=0.9),
}
CONFIG = CalibrationConfig(operating_points=POINTS, bootstrap_rounds=50)
SHIPPED = read_config(
    Path(__file__).parents[3] / "configs" / "train" / "mri-brain-tumor-flair.yaml", TrainConfig
)
WHERE = {"image": "slices of 12 patients", "exam": "runs of 12 patients"}


def a_noisy_score(*, patients=12, noise=1.0, labels=(TUMOR,)):
    """Twelve slices a patient, the last four with a tumor, whose logits are higher by 2."""
    rng = np.random.default_rng(3)
    rows, logits = [], []
    for patient in range(patients):
        for number in range(12):
            is_ill = number >= 8
            truth = dict.fromkeys(labels, is_ill)
            row = a_reference(path=f"{patient}/image", patient=str(patient), labels=truth)
            rows.append(replace(row, slice=number))
            logits.append([2.0 * is_ill - 1 + rng.normal(scale=noise) for _ in labels])
    return ScoredSlices(tuple(rows), np.array(logits), tuple(labels))


def level_samples(scored, cutting=CUTTING, *, dimensionality="volume", references=()):
    config = SHIPPED.model_copy(
        update={
            "calibration": CONFIG.model_copy(update={"substacks": cutting}),
            "scope": SHIPPED.scope.model_copy(update={"dimensionality": dimensionality}),
        }
    )
    return to_level_samples(
        scored, config, POOLING, references=references, rng=np.random.default_rng(0)
    )


def fit(scored, cutting=CUTTING, **options):
    facts = {"primary": TUMOR, "measured_on": WHERE, "seed": 1, **options}
    dimensionality = "volume" if cutting else "image"
    levels = level_samples(scored, cutting, dimensionality=dimensionality)
    return fit_levels(levels, CONFIG, **facts)


def test_both_levels_get_a_calibrator_and_every_operating_point():
    fitted = fit(a_noisy_score())

    assert [("tumor", "image"), ("tumor", "exam")] == [
        (entry.label, entry.level) for entry in fitted.calibrations
    ]
    assert {12} == {entry.patients for entry in fitted.calibrations}
    assert {(name, level) for name in POINTS for level in ("image", "exam")} == {
        (point.name, point.level) for point in fitted.operating_points
    }


def upside_down(samples):
    return replace(samples, logit=-samples.logit)


def test_exams_that_can_not_be_calibrated_leave_images_their_probability():
    levels = level_samples(a_noisy_score())
    levels[TUMOR, "exam"] = upside_down(levels[TUMOR, "exam"])

    fitted = fit_levels(levels, CONFIG, primary=TUMOR, measured_on=WHERE, seed=1)

    assert ["image"] == [entry.level for entry in fitted.calibrations]
    assert {"image"} == {point.level for point in fitted.operating_points}
    assert {"image"} == set(fitted.prevalence)
    assert "no positive slope" in fitted.notes[0]


def test_images_that_can_not_be_calibrated_end_the_run():
    levels = level_samples(a_noisy_score())
    levels[TUMOR, "image"] = upside_down(levels[TUMOR, "image"])

    with pytest.raises(CalibrationError, match="no positive slope"):
        fit_levels(levels, CONFIG, primary=TUMOR, measured_on=WHERE, seed=1)


def test_each_operating_point_says_where_it_was_measured():
    fitted = fit(a_noisy_score())

    assert {(point.level, point.measured_on) for point in fitted.operating_points} == {
        ("image", "slices of 12 patients"),
        ("exam", "runs of 12 patients"),
    }


def test_thresholds_reach_their_targets_on_the_calibrated_probability():
    for point in fit(a_noisy_score()).operating_points:
        target = POINTS[point.name]
        reached = point.sensitivity if target.sensitivity else point.specificity
        assert reached.value >= (target.sensitivity or target.specificity) - 1e-9
        assert 0 < point.threshold < 1


def test_the_prevalence_is_that_of_the_rows_and_one_half_for_runs():
    assert {"image": pytest.approx(4 / 12), "exam": pytest.approx(0.5)} == fit(
        a_noisy_score()
    ).prevalence


def test_the_prevalence_is_that_of_the_primary_label():
    scored = a_noisy_score(labels=(TUMOR, EDEMA))
    rows = tuple(
        replace(row, labels={**row.labels, EDEMA: row.slice == 0}) for row in scored.references
    )
    logits = scored.logits.copy()
    logits[::12, 1] += 3.0

    fitted = fit(ScoredSlices(rows, logits, scored.labels), cutting=None, primary=EDEMA)

    assert 2 == len(fitted.calibrations)
    assert 1 / 12 == pytest.approx(fitted.prevalence["image"])


def some_films(*films):
    """One row a film, given as (patient, truth, logit)."""
    rows = tuple(
        Reference(path=f"{number}.png", patient=patient, labels={TUMOR: truth})
        for number, (patient, truth, _) in enumerate(films)
    )
    return ScoredSlices(rows, np.array([[logit] for *_, logit in films]), (TUMOR,))


def test_an_exam_of_films_is_a_patient_with_the_highest_logit_of_the_films():
    films = some_films(
        ("a", True, 0.5), ("a", False, 2.0), ("b", False, -1.0), ("b", False, -3.0),
        ("c", True, 1.0), ("d", False, 0.0),
    )  # fmt: skip

    exams = level_samples(films, cutting=None, dimensionality="image")[TUMOR, "exam"]

    assert {"a": (True, 2.0), "b": (False, -1.0), "c": (True, 1.0), "d": (False, 0.0)} == {
        unit: (truth, logit)
        for unit, truth, logit in zip(exams.unit, exams.truth, exams.logit, strict=True)
    }


def test_a_patient_with_an_unknown_film_is_no_exam_unless_another_film_is_positive():
    films = some_films(
        ("a", True, 1.0), ("a", None, 3.0), ("b", None, 0.0), ("b", False, 0.0),
        ("c", True, 1.0), ("d", False, 0.0), ("e", False, 0.0),
    )  # fmt: skip

    exams = level_samples(films, cutting=None, dimensionality="image")[TUMOR, "exam"]

    assert ["a", "c", "d", "e"] == exams.unit.tolist()


def test_films_of_patients_who_all_have_a_positive_one_give_no_exams():
    films = some_films(("a", True, 1.0), ("a", False, 0.0), ("b", True, 1.0), ("b", False, 0.0))

    levels = level_samples(films, cutting=None, dimensionality="image")

    assert [(TUMOR, "image")] == list(levels)


def some_volumes(*truths):
    """One patient for each row of slice truths, whose logits are 0, 1, 2 ... and 10 a patient."""
    rows, logits = [], []
    for patient, slices in enumerate(truths):
        for number, truth in enumerate(slices):
            row = a_reference(path=f"{patient}/image", patient=str(patient), labels={TUMOR: truth})
            rows.append(replace(row, slice=number))
            logits.append([10.0 * patient + number])
    return ScoredSlices(tuple(rows), np.array(logits), (TUMOR,))


ILL, WELL = [False, True, None, False], [False] * 4


def test_a_whole_volume_is_an_exam_whose_logit_is_pooled():
    levels = level_samples(some_volumes(ILL, WELL, ILL, WELL), cutting=None)

    exams = levels[TUMOR, "exam"]
    assert [True, False, True, False] == exams.truth.tolist()
    # Four slices in four positions: the highest of them.
    assert [3.0, 13.0, 23.0, 33.0] == pytest.approx(exams.logit.tolist())
    assert [1.0] * 4 == exams.weight.tolist()
    assert 14 == len(levels[TUMOR, "image"])


def test_a_volume_with_unknown_slices_and_no_positive_one_is_no_exam():
    levels = level_samples(
        some_volumes(ILL, WELL, [False, None, False, False], ILL, WELL), cutting=None
    )

    assert ["0", "1", "3", "4"] == levels[TUMOR, "exam"].unit.tolist()


def test_what_the_manifest_says_of_an_exam_counts_above_its_slices():
    unknown = [None] * 4
    scored = some_volumes(unknown, unknown, WELL, WELL)
    exams = [
        a_reference(path="0/image", patient="0", labels={TUMOR: True}),
        a_reference(path="1/image", patient="1", labels={TUMOR: True}),
        a_reference(path="2/image", patient="2", labels={TUMOR: None}),
    ]

    levels = level_samples(scored, cutting=None, references=exams)

    assert [True, True, False, False] == levels[TUMOR, "exam"].truth.tolist()


@pytest.mark.parametrize("truths", [[ILL] * 4, [ILL, ILL, WELL], [ILL, WELL, WELL]])
def test_without_two_patients_of_either_class_there_is_no_exam_level(truths):
    levels = level_samples(some_volumes(*truths), cutting=None)

    assert [(TUMOR, "image")] == list(levels)


def test_one_label_without_exams_leaves_the_level_out_for_all():
    scored = some_volumes(ILL, WELL, ILL, WELL)
    rows = tuple(
        replace(row, labels={**row.labels, EDEMA: row.slice == 0}) for row in scored.references
    )
    both = ScoredSlices(rows, np.repeat(scored.logits, 2, axis=1), (TUMOR, EDEMA))

    assert {"image"} == {level for _, level in level_samples(both, cutting=None)}


def test_the_same_seed_fits_the_same():
    assert fit(a_noisy_score()) == fit(a_noisy_score())


def test_too_few_patients_are_refused():
    with pytest.raises(CalibrationError, match="patients"):
        fit(a_noisy_score(patients=1))


def choose(scored, tops):
    cutting = CUTTING.model_copy(update={"tops": tops})
    return choose_pooling(scored, cutting, POOLING, primary=TUMOR, seed=1)


def test_the_pooling_is_one_of_the_candidates_and_keeps_its_positions():
    chosen = choose(a_noisy_score(), [2, 3])

    assert chosen.top in (2, 3)
    assert 4 == chosen.positions


def test_an_average_is_chosen_where_lone_false_alarms_are_common():
    scored = a_noisy_score(patients=30, noise=0.3)
    logits = scored.logits.copy()
    logits[::3] += np.where(np.arange(len(logits[::3])) % 2, 6.0, 0.0)[:, None]

    assert 1 < choose(replace(scored, logits=logits), [1, 3]).top


def test_the_order_of_candidates_does_not_matter():
    scored = a_noisy_score()

    assert choose(scored, [1, 2, 3]) == choose(scored, [3, 2, 1])
