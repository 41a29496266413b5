from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from factories import TUMOR, a_reference

from medrec.config.calibration import CalibrationConfig, OperatingPointConfig, SubstackConfig
from medrec.config.model import PoolingConfig
from medrec.domain.finding import Label
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


def level_samples(scored, cutting=CUTTING):
    return to_level_samples(scored, cutting, POOLING, rng=np.random.default_rng(0))


def fit(scored, cutting=CUTTING, **options):
    facts = {"primary": TUMOR, "measured_on": WHERE, "seed": 1, **options}
    return fit_levels(level_samples(scored, cutting), CONFIG, **facts)


def test_both_levels_get_a_calibrator_and_every_operating_point():
    fitted = fit(a_noisy_score())

    assert [("tumor", "image"), ("tumor", "exam")] == [
        (entry.label, entry.level) for entry in fitted.calibrations
    ]
    assert {12} == {entry.patients for entry in fitted.calibrations}
    assert {(name, level) for name in POINTS for level in ("image", "exam")} == {
        (point.name, point.level) for point in fitted.operating_points
    }


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

    assert 4 == len(fitted.calibrations)
    assert 1 / 12 == pytest.approx(fitted.prevalence["image"])


def test_without_runs_an_image_is_an_exam():
    levels = level_samples(a_noisy_score(), cutting=None)

    assert levels[TUMOR, "image"] is levels[TUMOR, "exam"]


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
