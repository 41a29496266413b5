from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import log_loss

from medrec.calibration.entry import CalibrationEntry, build_calibrator
from medrec.calibration.fit import REPLICATES, fit_calibration
from medrec.calibration.folds import assign_folds
from medrec.calibration.platt import Platt
from medrec.calibration.temperature import Temperature
from medrec.domain.finding import Finding, Label
from medrec.errors import CalibrationError
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.reliability import ece
from medrec.evaluation.samples import Samples

TUMOR = Label("tumor")


def _fit(samples, method="auto", seed=0):
    return fit_calibration(
        samples,
        label=TUMOR,
        level="exam",
        method=method,
        rounds=100,
        rng=np.random.default_rng(seed),
    )


def _held_out_loss(samples, kind, seed):
    fold = assign_folds(samples, rng=np.random.default_rng(seed))
    said = np.empty(len(samples))
    for number in np.unique(fold):
        rows = fold == number
        seen = samples.subset(~rows)
        said[rows] = kind.fit(seen.logit, seen.truth, seen.weight).probability(samples.logit[rows])
    return log_loss(samples.truth, said)


def test_auto_takes_the_lower_log_loss_on_held_out_patients(distort):
    chosen = []
    for seed in range(6):
        samples = distort(40, rows=2, slope=0.5, seed=seed)
        losses = {
            name: _held_out_loss(samples, kind, seed)
            for name, kind in (("temperature", Temperature), ("platt", Platt))
        }

        chosen.append(_fit(samples, seed=seed).method)

        assert min(losses, key=losses.get) == chosen[-1]
    assert {"temperature", "platt"} == set(chosen)


def test_auto_takes_platt_where_logits_are_shifted(distort):
    assert _fit(distort(300, slope=0.5, intercept=-2.0)).method == "platt"


def test_the_entry_counts_patients_not_rows(distort):
    samples = distort(40, rows=5)

    entry = _fit(samples)

    assert (40, samples.positive_units, 200) == (entry.patients, entry.positives, entry.rows)
    assert entry.positives <= 40


def test_calibration_lowers_the_error_of_overconfident_logits(distort):
    entry = _fit(distort(400, slope=0.3))

    assert entry.ece_after.value < 0.5 * entry.ece_before.value
    assert entry.ece_before.low > entry.ece_after.value


def test_the_error_before_is_that_of_the_plain_sigmoid(distort):
    samples = distort(200)

    assert ece(samples.truth, expit(samples.logit)) == pytest.approx(_fit(samples).ece_before.value)


def test_the_error_after_is_that_of_patients_not_fitted_on(distort):
    samples = distort(60, rows=3, slope=0.5)
    entry = _fit(samples, "platt")

    same_rows = ece(samples.truth, entry.probability(samples.logit))

    # Held-out probabilities differ from those of the calibrator that saw every patient.
    assert entry.ece_after.value != pytest.approx(same_rows, abs=1e-6)


def test_replicates_are_refits_that_differ_and_rise(distort):
    entry = _fit(distort(80, intercept=1.0), "platt")

    slopes = [replicate["slope"] for replicate in entry.replicates]

    assert REPLICATES == len(slopes)
    assert min(slopes) > 0
    assert np.std(slopes) > 0.01


def test_an_interval_narrows_with_patients(distort):
    few, many = (_fit(distort(n), "temperature").finding(TUMOR, 2.0) for n in (40, 1000))

    assert few.interval[0] <= few.probability <= few.interval[1]
    assert np.diff(many.interval) < 0.5 * np.diff(few.interval)


def test_the_interval_holds_the_true_probability_about_95_times_in_100(distort):
    truth = expit(0.5 * 2.0 + 1.0)
    held = 0
    for seed in range(40):
        entry = _fit(distort(120, slope=0.5, intercept=1.0, seed=seed), "platt", seed)
        low, high = entry.finding(TUMOR, 2.0).interval
        held += low <= truth <= high

    assert held >= 34


def test_fewer_than_ten_patients_give_a_probability_without_interval(distort):
    entry = _fit(distort(9, rows=20, slope=1.0))

    finding = entry.finding(TUMOR, 1.0)

    assert finding.interval is None
    assert 0 < finding.probability < 1
    assert entry.ece_after.low is None


def test_a_finding_carries_its_logit_and_label(distort):
    entry = _fit(distort(50))

    finding = entry.finding(TUMOR, 1.5)

    assert isinstance(finding, Finding)
    assert (TUMOR, 1.5) == (finding.label, finding.logit)
    assert finding.probability == pytest.approx(float(entry.probability(np.array(1.5))))


def test_a_calibrator_of_one_label_makes_no_finding_of_another(distort):
    with pytest.raises(ValueError, match="knows nothing"):
        _fit(distort(50)).finding(Label("fracture"), 1.0)


@pytest.mark.parametrize("missing", [True, False])
def test_one_patient_of_a_class_is_refused_however_many_rows(missing):
    truth = np.array([missing] * 30 + [not missing] * 30)
    unit = np.r_[np.full(30, 99), np.arange(30)]
    samples = Samples.from_logits(truth, np.linspace(-1, 1, 60), unit)

    with pytest.raises(CalibrationError, match="at least 2 patients"):
        _fit(samples)


def test_logits_that_know_nothing_right_are_refused_with_advice(distort):
    samples = distort(200, slope=-1.0)

    with pytest.raises(CalibrationError, match="Check that the labels"):
        _fit(samples)


def test_weights_are_in_force(distort):
    samples = distort(200, slope=0.5)
    tilted = Samples.from_logits(
        samples.truth, samples.logit, samples.unit, weight=1.0 + 9.0 * samples.truth
    )

    plain, heavy = _fit(samples, "platt"), _fit(tilted, "platt")

    shift = heavy.parameters["intercept"] - plain.parameters["intercept"]
    assert shift == pytest.approx(np.log(10), abs=0.5)


def test_the_same_seed_gives_the_same_entry(distort):
    samples = distort(60)

    assert _fit(samples, seed=4) == _fit(samples, seed=4)
    assert _fit(samples, seed=4).replicates != _fit(samples, seed=5).replicates


@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
def test_folds_keep_patients_whole_and_both_classes_in_every_training_part(seed, ill, mixed, well):
    rng = np.random.default_rng(seed)
    kinds = [(True, True)] * ill + [(True, False)] * mixed + [(False, False)] * well
    unit = np.repeat(rng.permutation(len(kinds)), 2)
    samples = Samples.from_logits(np.ravel(kinds), np.zeros(len(unit)), unit)
    assume(min(samples.positive_units, samples.negative_units) >= 2)

    fold = assign_folds(samples, rng=rng)

    assert all(len(np.unique(fold[unit == one])) == 1 for one in np.unique(unit))
    for number in np.unique(fold):
        assert samples.subset(fold != number).has_both_classes


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("isotonic", {}),
        ("platt", {"slope": 1.0}),
        ("temperature", {"temperature": 1.0, "slope": 1.0}),
        ("temperature", {"temperature": -1.0}),
    ],
)
def test_foreign_methods_and_parameters_are_refused(method, parameters):
    with pytest.raises(ValueError, match=r"is not one of|positive"):
        build_calibrator(method, parameters)


def test_an_entry_with_a_bad_replicate_cannot_be_made():
    figure = Estimate(0.1, None, None, "value only")

    with pytest.raises(ValueError, match="positive"):
        CalibrationEntry(
            TUMOR,
            "exam",
            "temperature",
            {"temperature": 1.0},
            patients=20,
            positives=10,
            rows=20,
            ece_before=figure,
            ece_after=figure,
            replicates=({"temperature": -2.0},),
        )
