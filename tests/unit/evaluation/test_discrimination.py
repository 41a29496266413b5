from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from sklearn.metrics import roc_curve as peer_roc_curve

from medrec.evaluation import discrimination
from medrec.evaluation.discrimination import (
    auroc,
    auroc_delong,
    auroc_rounds,
    average_precision,
    delong_variance,
    roc_curve,
)
from medrec.evaluation.samples import Samples

ROWS = st.integers(4, 60).flatmap(
    lambda n: st.tuples(
        arrays(bool, n).filter(lambda truth: 0 < truth.sum() < len(truth)),
        arrays(float, n, elements=st.integers(-6, 6).map(lambda k: k / 4)),
        arrays(float, n, elements=st.integers(1, 5).map(float)),
    )
)


def test_auroc_of_a_worked_case():
    truth = np.array([1, 0, 1, 0], dtype=bool)
    score = np.array([0.9, 0.8, 0.7, 0.1])

    assert auroc(truth, score) == 0.75


def test_a_tie_between_the_classes_counts_one_half():
    assert auroc(np.array([True, False]), np.array([0.3, 0.3])) == 0.5


def test_auroc_of_one_class_is_undefined():
    assert np.isnan(auroc(np.array([True, True]), np.array([0.1, 0.2])))


@given(ROWS)
def test_auroc_and_average_precision_agree_with_scikit_learn_under_ties_and_weights(rows):
    truth, score, weight = rows

    assert auroc(truth, score, weight) == pytest.approx(
        roc_auc_score(truth, score, sample_weight=weight)
    )
    assert average_precision(truth, score, weight) == pytest.approx(
        average_precision_score(truth, score, sample_weight=weight)
    )


@given(ROWS)
def test_auroc_does_not_change_under_a_rising_map(rows):
    truth, score, weight = rows

    assert auroc(truth, np.exp(3 * score) + score, weight) == pytest.approx(
        auroc(truth, score, weight)
    )


@given(ROWS)
def test_auroc_of_negated_scores_is_its_complement(rows):
    truth, score, weight = rows

    assert auroc(truth, -score, weight) == pytest.approx(1 - auroc(truth, score, weight))


@given(ROWS)
def test_a_weight_of_two_is_a_row_that_stands_there_twice(rows):
    truth, score, weight = rows
    copies = np.repeat(np.arange(len(truth)), weight.astype(int))

    assert auroc(truth, score, weight) == pytest.approx(auroc(truth[copies], score[copies]))


def test_each_round_of_weights_gives_its_own_auroc(simulate, rng):
    samples = simulate(40)
    weights = rng.integers(0, 3, size=(5, 40)).astype(float)

    expected = [auroc(samples.truth, samples.score, weight) for weight in weights]

    assert expected == pytest.approx(auroc_rounds(samples, weights))


def _delong_by_pairs(truth, score):
    """DeLong et al. 1988, equations 3 to 5, over all pairs."""
    positive, negative = score[truth], score[~truth]
    kernel = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    of_positive, of_negative = kernel.mean(axis=1), kernel.mean(axis=0)
    variance = of_positive.var(ddof=1) / len(positive) + of_negative.var(ddof=1) / len(negative)
    return kernel.mean(), variance


@given(ROWS.filter(lambda rows: 2 <= rows[0].sum() <= len(rows[0]) - 2))
def test_delong_by_midranks_is_delong_by_pairs(rows):
    truth, score, _ = rows

    assert _delong_by_pairs(truth, score) == pytest.approx(delong_variance(truth, score))


def test_delong_interval_of_a_published_shape_is_inside_the_unit_interval_and_holds_the_value():
    # Ten of each class, one pair of 100 out of order: a plain interval would pass 1.
    score = np.r_[np.arange(10), np.arange(9, 19) + 0.5].astype(float)
    score[9] = 10.0
    samples = Samples.from_logits(np.arange(20) >= 10, score, np.arange(20))

    estimate = auroc_delong(samples)

    assert estimate.value == pytest.approx(0.99)
    assert 0.8 < estimate.low < 0.99 < estimate.high < 1


def test_delong_is_marked_where_rows_share_patients(simulate):
    assert auroc_delong(simulate(30, rows=3)).assumes_independent_rows
    assert not auroc_delong(simulate(90)).assumes_independent_rows


def test_delong_gives_no_interval_to_separated_classes():
    samples = Samples.from_logits(np.arange(20) >= 10, np.arange(20.0), np.arange(20))

    estimate = auroc_delong(samples)

    assert estimate.value == 1.0
    assert estimate.low is None
    assert "certainty" in estimate.note


def test_delong_gives_no_interval_to_nine_patients(simulate):
    samples = simulate(9, seed=3)

    assert auroc_delong(samples).low is None


def test_delong_refuses_weighted_rows():
    samples = Samples.from_logits([True, False], [1, 0], ["a", "b"], weight=[1, 2])

    with pytest.raises(ValueError, match="equal weight"):
        auroc_delong(samples)


def test_the_delong_interval_holds_the_truth_about_95_times_in_100(simulate):
    truth = auroc(*(lambda s: (s.truth, s.score))(simulate(200_000, seed=99)))
    held = 0
    for seed in range(400):
        estimate = auroc_delong(simulate(120, seed=seed))
        held += estimate.low <= truth <= estimate.high

    assert 0.92 <= held / 400 <= 0.98


@settings(max_examples=30)
@given(ROWS)
def test_curves_agree_with_scikit_learn(rows):
    truth, score, weight = rows
    samples = Samples.from_logits(truth, score, np.arange(len(truth)), weight=weight)
    x, y, thresholds = peer_roc_curve(truth, score, sample_weight=weight, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(truth, score, sample_weight=weight)

    roc, pr = roc_curve(samples), discrimination.precision_recall_curve(samples)

    assert x == pytest.approx(roc.x)
    assert y == pytest.approx(roc.y)
    assert thresholds == pytest.approx(roc.threshold)
    assert precision[:-1][::-1] == pytest.approx(pr.y)
    assert recall[:-1][::-1] == pytest.approx(pr.x)
