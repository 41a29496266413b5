from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from medrec.evaluation.logistic import fit_logistic


def _design(x):
    return np.column_stack([np.ones(len(x)), x])


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.01, 1.0, 30.0]))
def test_coefficients_are_those_of_scikit_learn(seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=80)
    truth = rng.random(80) < expit(x + 0.5)
    weight = rng.integers(1, 4, size=80).astype(float)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(
        x[:, None], truth, sample_weight=weight
    )

    ((intercept, slope),) = fit_logistic(_design(x * scale), truth.astype(float), weight[None])

    assert peer.intercept_[0] == pytest.approx(intercept, abs=1e-4)
    assert peer.coef_[0, 0] == pytest.approx(slope * scale, abs=1e-4)


@given(seed=st.integers(0, 10_000), spread=st.floats(0.1, 200))
def test_the_gradient_vanishes_even_where_smoothed_classes_are_far_apart(seed, spread):
    rng = np.random.default_rng(seed)
    x = spread * np.r_[rng.random(15) + 1, -rng.random(15) - 1]
    target = np.r_[np.full(15, 0.95), np.full(15, 0.05)]

    ((intercept, slope),) = fit_logistic(_design(x), target, np.ones((1, 30)))

    residual = target - expit(intercept + slope * x)
    assert residual.sum() == pytest.approx(0, abs=1e-3)
    assert (residual * x / spread).sum() == pytest.approx(0, abs=1e-3)


def test_separated_classes_have_no_finite_fit():
    x = np.arange(10.0)

    result = fit_logistic(_design(x), (x >= 5).astype(float), np.ones((1, 10)))

    assert np.isnan(result).all()


def test_one_class_has_no_finite_fit_and_other_rounds_are_untouched(rng):
    x = rng.normal(size=40)
    truth = rng.random(40) < expit(x)
    weights = np.stack([truth.astype(float), np.ones(40), np.zeros(40)])

    result = fit_logistic(_design(x), truth.astype(float), weights)
    alone = fit_logistic(_design(x), truth.astype(float), np.ones((1, 40)))

    assert np.isnan(result[[0, 2]]).all()
    assert alone[0] == pytest.approx(result[1])


def test_a_start_changes_nothing_but_the_way(rng):
    x = rng.normal(size=60)
    truth = (rng.random(60) < expit(2 * x)).astype(float)

    near, far = (
        fit_logistic(_design(x), truth, np.ones((1, 60)), start=start)
        for start in (None, np.array([-3.0, 9.0]))
    )

    assert near == pytest.approx(far, abs=1e-4)


def test_an_offset_is_a_coefficient_held_at_one(rng):
    x = rng.normal(size=500)
    truth = (rng.random(500) < expit(x + 1)).astype(float)

    (intercept,) = fit_logistic(np.ones((500, 1)), truth, np.ones((1, 500)), offset=x)[0]

    assert expit(x + intercept).sum() == pytest.approx(truth.sum(), rel=1e-4)
