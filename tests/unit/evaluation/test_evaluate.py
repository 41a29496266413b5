from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from medrec.domain.finding import Label, RawFinding
from medrec.domain.reference import Split
from medrec.errors import InputError
from medrec.evaluation.discrimination import auroc
from medrec.evaluation.evaluate import evaluate_predictions
from medrec.evaluation.result import Outcome, to_json
from medrec.evaluation.settings import EvaluationSettings, NamedThreshold

TUMOR = Label("tumor")
QUICK = EvaluationSettings(bootstrap_rounds=100, calibrated_draws=100)


@pytest.fixture
def cohort(predict, refer):
    """`patients` calibrated cases, half of them from either site, with slices if wanted."""

    def make(patients=40, *, slices=0, seed=0, **changes):
        rng = np.random.default_rng(seed)
        predictions, rows = [], []
        for number in range(patients):
            chance = float(expit(rng.normal(scale=1.5)))
            images = [(n, float(expit(rng.normal()))) for n in range(slices)]
            name, site = f"p{number}", "north" if number % 2 else "south"
            predictions.append(predict(name, chance, images=images, **changes))
            rows.append(refer(f"{name}.nii", bool(rng.random() < chance), site=site))
            rows += [
                refer(f"{name}.nii", bool(rng.random() < p), slice=n, site=site) for n, p in images
            ]
        return predictions, rows

    return make


def test_every_figure_of_the_contract_is_there(cohort):
    result = evaluate_predictions(*cohort(slices=6), settings=QUICK)

    data = to_json(result)
    exam = data["labels"]["tumor"]
    figures = {
        "auroc",
        "auroc_patient_bootstrap",
        "auprc",
        "brier",
        "ece",
        "ece_if_calibrated",
        "calibration_slope",
        "calibration_intercept",
    }
    counts = {"n", "positives", "unknown", "patients", "positive_patients", "prevalence"}
    assert figures | counts | {"operating_points", "images"} == set(exam)
    assert figures | counts | {"operating_points", "auroc_level_matched"} == set(exam["images"])
    assert all({"value", "low", "high", "method"} <= set(exam[name]) for name in figures)
    assert {"threshold", "sensitivity", "specificity", "ppv", "npv"} == set(
        exam["operating_points"]["screening"]
    )
    assert ["schema", "labels", "strata", "flow", "notes", "provenance"] == list(data)
    assert data["schema"] == "medrec.evaluation/1"
    assert exam["images"]["auroc_level_matched"]["pairs"] > 0


def test_the_result_is_plain_json_without_patients(cohort, refer):
    predictions, rows = cohort()
    rows = [replace(row, patient=f"Miller {number}") for number, row in enumerate(rows)]

    text = json.dumps(
        to_json(evaluate_predictions(predictions, rows, settings=QUICK)), allow_nan=False
    )

    assert "Miller" not in text


def test_figures_are_those_of_the_joined_rows(cohort):
    predictions, rows = cohort()

    result = evaluate_predictions(predictions, rows[::-1], settings=QUICK)

    truth = np.array([row.labels[TUMOR] for row in rows])
    chance = np.array([p.findings[0].probability for p in predictions])
    exam = result.labels[TUMOR].exam
    assert auroc(truth, chance) == pytest.approx(exam.figures.auroc.value)
    assert ((chance - truth) ** 2).mean() == pytest.approx(exam.figures.brier.value)
    assert exam.operating_points["screening"].sensitivity.value == pytest.approx(
        (chance >= 0.5)[truth].mean()
    )
    assert (len(rows), truth.sum()) == (exam.n, exam.positives)


def test_slices_of_one_patient_are_no_independent_rows(cohort):
    images = evaluate_predictions(*cohort(slices=5), settings=QUICK).labels[TUMOR].images

    assert images.figures.auroc.assumes_independent_rows
    assert images.figures.headline_auroc is images.figures.auroc_patient_bootstrap
    assert images.patients == 40
    assert "residual signs by patient" in images.figures.ece_if_calibrated.method


def test_scores_without_a_calibrator_get_ranks_only_and_a_note(cohort):
    predictions, rows = cohort()
    scores = [replace(p, findings=(RawFinding(TUMOR, p.findings[0].logit),)) for p in predictions]

    result = evaluate_predictions(scores, rows, settings=QUICK)

    exam = to_json(result)["labels"]["tumor"]
    calibrated = to_json(evaluate_predictions(predictions, rows, settings=QUICK))
    assert exam["auroc"] == calibrated["labels"]["tumor"]["auroc"]
    assert not {"brier", "ece", "ece_if_calibrated", "calibration_slope"} & set(exam)
    assert any("without a calibrator" in note for note in result.notes)


def test_one_class_leaves_figures_out_and_says_so(predict, refer):
    names = [f"p{n}" for n in range(12)]
    predictions = [predict(name, 0.1 + 0.05 * n) for n, name in enumerate(names)]

    result = evaluate_predictions(
        predictions, [refer(f"{name}.nii", False) for name in names], settings=QUICK
    )

    exam = to_json(result)["labels"]["tumor"]
    assert not {"auroc", "auprc", "calibration_slope", "calibration_intercept"} & set(exam)
    assert {"brier", "ece"} <= set(exam)
    assert {"threshold", "specificity", "ppv", "npv"} == set(exam["operating_points"]["screening"])
    assert any("all rows are negative" in note for note in result.notes)
    assert any("no row to compute sensitivity" in note for note in result.notes)
    assert result.labels[TUMOR].exam.curves is None


def test_no_truth_at_all_gives_counts_and_a_note(predict, refer):
    result = evaluate_predictions([predict("a")], [refer("a.nii", None)], settings=QUICK)

    exam = to_json(result)["labels"]["tumor"]
    assert (0, 0, 1) == (exam["n"], exam["positives"], exam["unknown"])
    assert "auroc" not in exam
    assert any("no figure" in note for note in result.notes)


def test_nine_patients_give_values_without_intervals_and_one_note(cohort):
    result = evaluate_predictions(*cohort(9, seed=1), settings=QUICK)

    exam = to_json(result)["labels"]["tumor"]
    assert exam["auroc"]["low"] is None
    assert exam["brier"]["high"] is None
    assert exam["operating_points"]["screening"]["specificity"]["low"] is None
    (note,) = [note for note in result.notes if "fewer than 10 patients" in note]
    assert "auroc" in note
    assert "screening sensitivity" in note


def test_refused_cases_of_known_truth_are_noted(cohort, refuse, refer):
    predictions, rows = cohort()

    result = evaluate_predictions(
        [*predictions, refuse("gone")], [*rows, refer("gone.nii", True)], settings=QUICK
    )

    assert result.flow.refused == 1
    assert any("1 refused or failed case of known truth, 1 positive" in n for n in result.notes)
    assert result.labels[TUMOR].exam.n == 40


def test_train_rows_are_noted(cohort):
    predictions, rows = cohort()
    rows[0] = replace(rows[0], split=Split.TRAIN)
    rows[1] = replace(rows[1], split=Split.TEST)

    notes = evaluate_predictions(predictions, rows, settings=QUICK).notes

    assert [note for note in notes if "flatter" in note] == [
        "1 case belongs to the split `train`: figures on them flatter the model"
    ]


def test_strata_are_the_figures_of_their_rows(cohort):
    predictions, rows = cohort()
    settings = replace(QUICK, stratify_by=("site",))
    north = [row for row in rows if row.attributes["site"] == "north"]

    result = evaluate_predictions(predictions, rows, settings=settings)
    alone = evaluate_predictions(predictions, north, settings=QUICK)

    assert ["north", "south"] == [stratum.value for stratum in result.strata]
    stratum = to_json(result)["strata"]["site"]["north"]["tumor"]
    assert to_json(alone)["labels"]["tumor"] == stratum


def test_a_column_that_no_row_has_is_an_error_that_names_the_known_ones(cohort):
    with pytest.raises(InputError, match="which has: site"):
        evaluate_predictions(*cohort(), settings=replace(QUICK, stratify_by=("scaner",)))


def test_thresholds_that_differ_under_one_name_are_not_taken(cohort):
    predictions, rows = cohort()
    odd = replace(predictions[0].findings[0], threshold=0.7)

    result = evaluate_predictions(
        [replace(predictions[0], findings=(odd,)), *predictions[1:]], rows, settings=QUICK
    )

    assert result.labels[TUMOR].exam.operating_points == {}
    assert any("name 2 thresholds" in note for note in result.notes)


def test_thresholds_of_the_settings_are_measured_too(cohort):
    named = NamedThreshold("rule_out", TUMOR, 0.1)

    result = evaluate_predictions(*cohort(), settings=replace(QUICK, thresholds=(named,)))

    points = result.labels[TUMOR].exam.operating_points
    assert {"screening", "rule_out"} == set(points)
    assert points["rule_out"].sensitivity.value >= points["screening"].sensitivity.value


def test_labels_of_one_side_only_are_noted(cohort):
    predictions, rows = cohort()
    rows = [replace(row, labels={Label("fracture"): True}) for row in rows]

    result = evaluate_predictions(predictions, rows, settings=QUICK)

    assert result.labels == {}
    assert {"tumor: the manifest has no such label", "fracture: no prediction scores it"} <= set(
        result.notes
    )


def test_false_negatives_stand_first(predict, refuse, refer):
    told = [("a", 0.9, True), ("b", 0.1, False), ("c", 0.1, True), ("d", 0.9, False)]
    predictions = [predict(name, chance) for name, chance, _ in told]
    rows = [refer(f"{name}.nii", truth) for name, _, truth in told]

    result = evaluate_predictions(
        [*predictions, refuse("e"), predict("f", 0.9)],
        [*rows, refer("e.nii", True), refer("f.nii", None)],
        settings=QUICK,
    )

    assert [
        ("c-c", Outcome.FALSE_NEGATIVE),
        ("c-d", Outcome.FALSE_POSITIVE),
        ("c-e", Outcome.NOT_SCORED),
        ("c-a", Outcome.TRUE_POSITIVE),
        ("c-b", Outcome.TRUE_NEGATIVE),
        ("c-f", Outcome.UNKNOWN),
    ] == [(case.prediction.case_id, case.outcome) for case in result.cases]


def test_cases_hold_the_truth_of_their_slices(predict, refer):
    prediction = predict("a", images=[(4, 0.2), (5, 0.9)])

    result = evaluate_predictions([prediction], [refer("a.nii", slice=5)], settings=QUICK)

    assert result.cases[0].image_truth[TUMOR] == (None, True)


def test_separated_classes_have_no_slope_and_no_feigned_interval(predict, refer):
    names = [f"p{n}" for n in range(20)]
    predictions = [predict(name, 0.02 + 0.048 * n) for n, name in enumerate(names)]
    rows = [refer(f"{name}.nii", n >= 10) for n, name in enumerate(names)]

    result = evaluate_predictions(predictions, rows, settings=QUICK)

    figures = result.labels[TUMOR].exam.figures
    assert (1.0, None) == (figures.auroc.value, figures.auroc.low)
    assert figures.calibration_slope is None
    assert any("separates the classes" in note for note in result.notes)
    assert any("feign certainty" in note for note in result.notes)


def test_the_same_seed_gives_the_same_evaluation(cohort):
    first, second = (
        to_json(evaluate_predictions(*cohort(slices=3), settings=QUICK)) for _ in range(2)
    )

    assert first == second


def test_provenance_names_the_model_and_the_settings(cohort):
    provenance = to_json(evaluate_predictions(*cohort(), settings=QUICK))["provenance"]

    assert [{"model": "test", "version": "1", "digest": "sha256:0"}] == provenance["models"]
    assert (100, 1) == (provenance["bootstrap_rounds"], provenance["seed"])


def test_nothing_joined_is_an_answer_not_a_crash(predict, refer):
    result = evaluate_predictions([predict("a")], [refer("z.nii")], settings=QUICK)

    assert (1, 1) == (result.flow.unmatched, result.flow.without_reference)
    assert to_json(result)["labels"]["tumor"]["n"] == 0


@pytest.fixture
def films(predict, refer):
    """Films of patients as (patient, truth, probability), each a case of its own."""

    def make(*given):
        predictions, rows = [], []
        for number, (patient, truth, chance) in enumerate(given):
            film = predict(f"f{number}", chance)
            halved = predict(f"f{number}", chance / 2, threshold=0.2).findings
            predictions.append(replace(film, patient_findings=halved))
            rows.append(refer(f"f{number}.nii", truth, patient=patient))
        return predictions, rows

    return make


def test_a_patient_of_lone_films_has_the_highest_finding_and_their_joint_truth(films):
    positives = [(f"p{n}", True, 0.8) for n in range(12)]
    negatives = [(f"n{n}", False, 0.2) for n in range(12)]
    others = [("p0", False, 0.9), ("n0", False, 0.1), ("n1", None, 0.7)]

    result = evaluate_predictions(*films(*positives, *negatives, *others), settings=QUICK)

    patients = result.labels[TUMOR].patients
    assert (23, 12, 1) == (patients.n, patients.positives, patients.unknown)
    assert {"screening": 0.2} == {
        name: point.threshold for name, point in patients.operating_points.items()
    }
    # 11 patients at 0.4 and one at 0.45, and 11 negative ones at 0.1: half of what films have.
    expected = (11 * 0.6**2 + 0.55**2 + 11 * 0.1**2) / 23
    assert expected == pytest.approx(patients.figures.brier.value)
    assert "patients" in to_json(result)["labels"]["tumor"]


def test_exams_that_are_no_lone_films_have_no_level_of_patients(cohort):
    result = evaluate_predictions(*cohort(), settings=QUICK)

    assert result.labels[TUMOR].patients is None
