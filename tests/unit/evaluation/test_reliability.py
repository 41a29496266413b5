from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss

from medrec.evaluation.reliability import (
    brier,
    brier_rounds,
    ece,
    ece_if_calibrated,
    ece_rounds,
    intercept_rounds,
    is_separated,
    measure_ece,
    reliability_curve,
    share_positive,
    slope_rounds,
)
from medrec.evaluation.samples import Samples

ROWS = st.integers(2, 80).flatmap(
    lambda n: st.tuples(
        arrays(bool, n),
        arrays(float, n, elements=st.integers(0, 40).map(lambda k: k / 40)),
        arrays(float, n, elements=st.integers(1, 4).map(float)),
    )
)


def _samples(truth, probability, weight=None, unit=None):
    rows = len(truth)
    return Samples(
        truth=truth,
        probability=probability,
        logit=np.zeros(rows),
        unit=np.arange(rows) if unit is None else unit,
        weight=np.ones(rows) if weight is None else weight,
    )


def test_ece_of_a_worked_case():
    # Two bins of two rows: |0.5 - 0.15| and |1 - 0.8|, each with half of the mass.
    truth = np.array([False, True, True, True])
    probability = np.array([0.1, 0.2, 0.7, 0.9])

    assert ece(truth, probability, bins=2) == pytest.approx((0.35 + 0.2) / 2)


def test_ece_weighs_rows():
    truth = np.array([False, True, True])
    probability = np.array([0.1, 0.2, 0.8])

    # Of the mass of 4, the first two rows make the lower half.
    found = ece(truth, probability, weight=np.array([1.0, 1.0, 2.0]), bins=2)

    assert found == pytest.approx((abs(1 - 0.3) + 2 * 0.2) / 4)


def test_ece_of_many_rows_is_the_textbook_one(rng):
    probability = rng.random(150)
    truth = rng.random(150) < probability**2
    order = np.argsort(probability)
    expected = sum(
        abs((truth[rows] - probability[rows]).sum()) for rows in np.array_split(order, 15)
    )

    assert expected / 150 == pytest.approx(ece(truth, probability))


@given(ROWS, st.randoms(use_true_random=False))
def test_ece_does_not_depend_on_the_order_of_rows(rows, random):
    truth, probability, weight = rows
    order = list(range(len(truth)))
    random.shuffle(order)

    shuffled = ece(truth[order], probability[order], weight=weight[order])

    assert ece(truth, probability, weight=weight) == pytest.approx(shuffled)


@given(ROWS)
def test_a_weight_of_two_is_a_row_that_stands_there_twice(rows):
    truth, probability, weight = rows
    copies = np.repeat(np.arange(len(truth)), weight.astype(int))

    weighted = ece(truth, probability, weight=weight)

    assert weighted == pytest.approx(ece(truth[copies], probability[copies]))


@given(ROWS)
def test_ece_lies_between_the_error_of_the_mean_and_the_mean_error(rows):
    truth, probability, weight = rows
    residual = truth - probability

    found = ece(truth, probability, weight=weight)

    assert abs(np.average(residual, weights=weight)) - 1e-12 <= found
    assert found <= np.average(abs(residual), weights=weight) + 1e-12


def test_each_round_of_weights_gives_its_own_ece(simulate, rng):
    samples = simulate(40)
    weights = rng.integers(0, 3, size=(6, 40)).astype(float)

    expected = [ece(samples.truth, samples.probability, weight=weight) for weight in weights]

    assert expected == pytest.approx(ece_rounds(samples, weights))


@given(ROWS)
def test_brier_agrees_with_scikit_learn(rows):
    truth, probability, weight = rows
    expected = brier_score_loss(truth, probability, sample_weight=weight, pos_label=True)

    assert expected == pytest.approx(brier(truth, probability, weight))
    assert expected == pytest.approx(brier_rounds(_samples(truth, probability), weight[None])[0])


@pytest.mark.parametrize("rows", [1, 3], ids=["labels redrawn", "signs by patient"])
def test_perfect_calibration_stays_under_ece_if_calibrated_95_times_in_100(simulate, rows):
    under = 0
    for seed in range(300):
        samples = simulate(120 // rows, rows=rows, seed=seed)
        bar = ece_if_calibrated(samples, draws=200, rng=np.random.default_rng(seed))
        under += ece(samples.truth, samples.probability) <= bar.value

    assert 0.9 <= under / 300 <= 0.985


def test_overconfidence_passes_ece_if_calibrated(simulate):
    samples = simulate(300, slope=3.0)

    bar = ece_if_calibrated(samples, draws=300, rng=np.random.default_rng(0))

    assert ece(samples.truth, samples.probability) > bar.value


def test_errors_that_go_with_the_patient_raise_ece_if_calibrated(rng):
    # Ten identical rows a patient: signs by patient allow more error than labels redrawn by row.
    probability = np.repeat(rng.random(40), 10)
    truth = np.repeat(rng.random(40) < probability[::10], 10)
    clustered = _samples(truth, probability, unit=np.repeat(np.arange(40), 10))

    by_patient = ece_if_calibrated(clustered, draws=300, rng=rng)
    by_row = ece_if_calibrated(_samples(truth, probability), draws=300, rng=rng)

    assert by_patient.value > 2 * by_row.value
    assert "patient" in by_patient.method


def test_ece_if_calibrated_of_a_worked_case_by_labels():
    # One row at 0.5: whatever the label, the ECE is 0.5.
    found = ece_if_calibrated(
        _samples([True], [0.5]), draws=20, rng=np.random.default_rng(0), bins=1
    )

    assert found.value == 0.5


def test_labels_of_independent_rows_are_redrawn_not_their_errors_turned():
    # In one draw of ten the label of a row at 0.9 is 0 and the ECE 0.9; turned it stays at 0.1.
    found = ece_if_calibrated(
        _samples([True], [0.9]), draws=500, rng=np.random.default_rng(0), bins=1
    )

    assert found.value == pytest.approx(0.9)


def test_ece_if_calibrated_of_a_worked_case_by_signs():
    # Residuals 0.5 and 0.25 of one patient flip together; those of two would also cancel.
    samples = _samples([True, True], [0.5, 0.75], unit=["a", "a"])

    found = ece_if_calibrated(samples, draws=50, rng=np.random.default_rng(0), bins=1)

    assert found.value == pytest.approx(0.375)


@pytest.mark.parametrize(("slope", "fewest"), [(1.0, 90), (2.5, 86)])
def test_the_ece_interval_holds_the_true_ece(simulate, slope, fewest):
    # The plain percentile interval holds it 0 and 58 times.
    large = simulate(200_000, seed=77, slope=slope)
    truth = ece(large.truth, large.probability) if slope != 1.0 else 0.0
    held = 0
    for seed in range(100):
        samples = simulate(100, seed=seed, slope=slope)
        rng = np.random.default_rng(seed)
        estimate = measure_ece(samples, rounds=200, draws=200, rng=rng).ece
        held += estimate.low <= truth <= estimate.high

    assert held >= fewest


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_calibration_slope_is_the_inverse_of_overconfidence(simulate, slope):
    samples = simulate(20_000, slope=slope)

    found = slope_rounds(samples, samples.weight[None])[0]

    assert 1 / slope == pytest.approx(found, rel=0.05)


def test_calibration_in_the_large_is_the_missing_log_odds(simulate):
    samples = simulate(20_000)
    too_low = replace(samples, probability=expit(logit(samples.probability) - 0.7))

    found = intercept_rounds(too_low, samples.weight[None])[0]

    assert found == pytest.approx(0.7, abs=0.05)


def test_calibration_in_the_large_makes_the_mean_probability_the_prevalence(simulate):
    samples = simulate(200, slope=2.0)

    found = intercept_rounds(samples, samples.weight[None])[0]

    shifted = expit(logit(samples.probability) + found)
    assert samples.truth.mean() == pytest.approx(shifted.mean(), abs=1e-6)


def test_separated_classes_have_no_slope_but_an_intercept():
    samples = _samples(np.arange(20) >= 10, np.linspace(0.1, 0.9, 20))

    assert is_separated(samples)
    assert np.isfinite(intercept_rounds(samples, samples.weight[None])[0])


def test_one_probability_for_all_has_no_slope():
    assert is_separated(_samples(np.arange(20) >= 10, np.full(20, 0.3)))


def test_the_reliability_curve_covers_every_row_once(simulate, rng):
    samples = simulate(150)

    curve = reliability_curve(samples, bins=15, rounds=200, rng=rng)

    assert [10] * 15 == [one.rows for one in curve]
    assert samples.truth.mean() == pytest.approx(np.mean([one.observed.value for one in curve]))
    assert all(one.observed.method == "Wilson" for one in curve)


def test_a_share_is_bootstrapped_where_rows_share_patients(simulate, rng):
    estimate = share_positive(simulate(40, rows=3), rounds=300, rng=rng)

    assert "patient bootstrap" in estimate.method
    assert estimate.low < estimate.value < estimate.high


def test_a_share_of_all_rows_is_as_uncertain_as_its_patients_are_few(rng):
    samples = Samples.from_logits([True] * 60, np.zeros(60), np.repeat(np.arange(12), 5))

    estimate = share_positive(samples, rounds=300, rng=rng)

    # Wilson's 12 of 12, not 60 of 60.
    assert estimate.value == 1.0
    assert estimate.low == pytest.approx(12 / (12 + 1.959964**2))


def test_a_share_over_nine_patients_has_no_interval(rng):
    samples = Samples.from_logits([True, False] * 9, np.zeros(18), np.repeat(np.arange(9), 2))

    assert share_positive(samples, rounds=300, rng=rng).low is None


def test_reliability_of_scores_is_refused():
    samples = Samples.from_logits([True, False], [1.0, 0.0], ["a", "b"])

    with pytest.raises(ValueError, match="scores only"):
        partial(ece_rounds, bins=15)(samples, samples.weight[None])
