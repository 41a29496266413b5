"""The curve of what is found by size and strength."""

from __future__ import annotations

import numpy as np
import pytest

from medrec.evaluation.psychometric import PsychometricCurve, Trials, fit_psychometric

SIZES = np.repeat(np.geomspace(0.018, 0.2, 6), 3)
STRENGTHS = np.tile([0.5, 1.0, 2.0], 6)


def a_curve(**changes):
    facts = {"middle": np.log2(0.06), "width": 0.4, "trade": 0.8, "guess": 0.02, "lapse": 0.1}
    return PsychometricCurve(**{**facts, **changes}, smallest=0.018, largest=0.2)


def trials_of(curve, *, shown=2000.0):
    """What a curve says of so many lesions, without chance."""
    count = np.full(len(SIZES), shown)
    return Trials(SIZES, STRENGTHS, count, count * curve.probability(SIZES, STRENGTHS))


@pytest.mark.parametrize(
    "curve",
    [a_curve(), a_curve(guess=0.15), a_curve(lapse=0.4), a_curve(trade=0.2), a_curve(width=0.9)],
    ids=["usual", "guesses", "lapses", "strength counts little", "shallow"],
)
def test_a_fit_recovers_the_curve_that_made_its_counts(curve):
    fitted = fit_psychometric(trials_of(curve))

    for name in ("middle", "width", "trade", "guess", "lapse"):
        assert getattr(curve, name) == pytest.approx(getattr(fitted, name), abs=0.03), name


def test_a_fit_of_drawn_counts_comes_near_the_size_of_which_half_is_found():
    curve, rng = a_curve(), np.random.default_rng(0)
    exact = trials_of(curve, shown=40)
    drawn = rng.binomial(40, exact.found / 40).astype(float)

    fitted = fit_psychometric(Trials(SIZES, STRENGTHS, exact.shown, drawn))

    assert curve.size_at(0.5, 1.0) == pytest.approx(fitted.size_at(0.5, 1.0), rel=0.1)


def test_a_start_nearby_gives_the_same_fit():
    trials = trials_of(a_curve(lapse=0.3))

    far, near = fit_psychometric(trials), fit_psychometric(trials, start=a_curve())

    assert far.size_at(0.5, 1.0) == pytest.approx(near.size_at(0.5, 1.0), rel=0.01)


def test_at_the_size_of_which_a_share_is_found_that_share_is_found():
    curve = a_curve()

    size = curve.size_at(0.5, 2.0)

    assert 0.5 == pytest.approx(float(curve.probability(np.array([size]), 2.0)[0]))


def test_a_share_above_what_is_found_of_the_largest_is_not_reached():
    assert a_curve(lapse=0.2).size_at(0.9, 1.0) is None
    assert a_curve(middle=np.log2(0.4)).size_at(0.5, 1.0) is None


def test_what_the_smallest_size_reaches_is_said_of_that_size():
    assert 0.018 == a_curve(middle=np.log2(0.005)).size_at(0.5, 1.0)


def test_lesions_of_one_size_give_no_curve():
    one = Trials(np.array([0.1]), np.array([1.0]), np.array([20.0]), np.array([10.0]))

    assert fit_psychometric(one) is None


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_model_that_finds_nothing_or_all_has_a_curve_too(share):
    count = np.full(len(SIZES), 20.0)

    fitted = fit_psychometric(Trials(SIZES, STRENGTHS, count, share * count))

    assert share == pytest.approx(float(fitted.probability(np.array([0.05]), 1.0)[0]), abs=0.02)
