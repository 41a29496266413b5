from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from medrec.calibration.platt import Platt
from medrec.calibration.targets import platt_targets
from medrec.calibration.temperature import Temperature
from medrec.errors import CalibrationError

LOGITS = arrays(float, st.integers(2, 30), elements=st.floats(-40, 40))


def test_temperature_divides_logits():
    assert expit(np.array([1.0, -0.5])) == pytest.approx(
        Temperature(2.0).probability(np.array([2.0, -1.0]))
    )


def test_platt_scales_and_shifts_logits():
    assert expit(np.array([0.5, 2.0])) == pytest.approx(
        Platt(slope=1.5, intercept=-1.0).probability(np.array([1.0, 2.0]))
    )


@given(LOGITS, st.floats(0.05, 20), st.floats(0.05, 5), st.floats(-5, 5))
def test_calibrators_keep_the_order_of_logits(logits, temperature, slope, intercept):
    logits = np.sort(logits)

    for calibrator in (Temperature(temperature), Platt(slope=slope, intercept=intercept)):
        probability = calibrator.probability(logits)
        assert (np.diff(probability) >= 0).all()
        assert (probability >= 0).all()
        assert (probability <= 1).all()


def test_temperature_finds_the_overconfidence_of_logits(distort):
    samples = distort(20_000, slope=0.4)

    found = Temperature.fit(samples.logit, samples.truth, samples.weight)

    assert found.temperature == pytest.approx(2.5, rel=0.05)


def test_platt_finds_slope_and_shift(distort):
    samples = distort(20_000, slope=0.4, intercept=-1.2)

    found = Platt.fit(samples.logit, samples.truth, samples.weight)

    assert (0.4, -1.2) == pytest.approx((found.slope, found.intercept), rel=0.06)


@given(st.integers(0, 5_000))
def test_fits_maximise_the_weighted_likelihood(seed):
    rng = np.random.default_rng(seed)
    logit = rng.normal(scale=2, size=60)
    truth = rng.random(60) < expit(logit + 0.5)
    weight = rng.integers(1, 4, size=60) / 2
    target = platt_targets(truth, weight)

    temperature, platt = (kind.fit(logit, truth, weight) for kind in (Temperature, Platt))

    # The likelihood is concave: it is highest where its derivatives vanish.
    left = weight * (target - platt.probability(logit))
    assert [0, 0] == pytest.approx([left.sum(), (left * logit).sum()], abs=1e-3)
    left = weight * (target - temperature.probability(logit))
    assert (left * logit).sum() == pytest.approx(0, abs=1e-3)


def test_platt_agrees_with_scikit_learns_sigmoid(distort):
    samples = distort(300, slope=0.7, intercept=0.4)
    peer = CalibratedClassifierCV(FrozenEstimator(_Passing().fit()), method="sigmoid")
    peer.fit(samples.logit[:, None], samples.truth)

    found = Platt.fit(samples.logit, samples.truth, samples.weight)

    grid = np.linspace(-8, 8, 9)
    assert peer.predict_proba(grid[:, None])[:, 1] == pytest.approx(
        found.probability(grid), abs=1e-3
    )


class _Passing(ClassifierMixin, BaseEstimator):
    """A classifier whose decision function is its one feature."""

    def fit(self):
        self.classes_ = np.array([False, True])
        return self

    def decision_function(self, rows):
        return rows[:, 0]

    def predict(self, rows):
        return rows[:, 0] > 0


def test_targets_of_few_labels_stay_away_from_certainty():
    truth = np.array([True] * 8 + [False] * 3)

    targets = platt_targets(truth, np.ones(11))

    assert targets[0] == pytest.approx(0.9)
    assert targets[-1] == pytest.approx(0.2)


def test_separated_classes_still_give_a_finite_calibrator():
    logit = np.r_[np.linspace(5, 9, 20), np.linspace(-9, -5, 20)]
    truth = logit > 0

    platt = Platt.fit(logit, truth, np.ones(40))

    assert platt.probability(np.array([9.0]))[0] < 0.99
    assert Temperature.fit(logit, truth, np.ones(40)).temperature > 1


@pytest.mark.parametrize("kind", [Platt, Temperature])
def test_logits_that_point_the_wrong_way_are_refused_with_advice(kind, distort):
    samples = distort(300, slope=0.8)

    with pytest.raises(CalibrationError, match="labels"):
        kind.fit(-samples.logit, samples.truth, samples.weight)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Temperature(0.0),
        lambda: Temperature(float("inf")),
        lambda: Platt(slope=-0.1, intercept=0.0),
        lambda: Platt(slope=1.0, intercept=float("nan")),
    ],
)
def test_falling_or_infinite_maps_cannot_be_made(make):
    with pytest.raises(ValueError, match="positive"):
        make()
