from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec.evaluation.discrimination import auroc
from medrec.evaluation.level_matched import level_matched_auroc, relative_positions
from medrec.evaluation.samples import Samples


def _naive(samples, position, tolerance, weight=None):
    """The definition: a double loop over positive and negative slices."""
    weight = samples.weight if weight is None else weight
    concordant = total = pairs = 0
    for i in np.flatnonzero(samples.truth):
        for j in np.flatnonzero(~samples.truth):
            if abs(position[i] - position[j]) <= tolerance + 1e-9:
                pairs += 1
                total += weight[i] * weight[j]
                difference = samples.score[i] - samples.score[j]
                concordant += weight[i] * weight[j] * (1 + np.sign(difference)) / 2
    return (concordant / total if total else None), pairs


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.2, 1.0]))
def test_it_is_the_double_loop_over_slices(seed, tolerance):
    rng = np.random.default_rng(seed)
    samples = Samples.from_logits(
        rng.random(40) < 0.4,
        rng.integers(0, 6, size=40) / 2,
        rng.integers(0, 6, size=40),
        weight=rng.integers(1, 3, size=40),
    )
    position = rng.integers(0, 21, size=40) / 20
    value, pairs = _naive(samples, position, tolerance)

    found = level_matched_auroc(samples, position, rounds=10, rng=rng, tolerance=tolerance)

    assert (value is None) == (found is None)
    if found is not None:
        assert (value, pairs) == pytest.approx((found.auroc.value, found.pairs))


def test_working_through_positives_in_portions_changes_nothing(monkeypatch, simulate, rng):
    samples = simulate(20, rows=10)
    position = np.tile(np.arange(10) / 9, 20)

    def run():
        return level_matched_auroc(samples, position, rounds=50, rng=np.random.default_rng(0))

    whole = run()
    monkeypatch.setattr("medrec.evaluation.level_matched._CELLS_AT_ONCE", 500)

    assert whole == run()


def test_a_resample_counts_pairs_as_often_as_its_patients(simulate):
    samples = simulate(12, rows=5)
    position = np.tile(np.arange(5) / 4, 12)
    counts = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=200)
    expected = [
        _naive(samples, position, 0.05, weight=count[samples.unit_code])[0] for count in counts
    ]

    found = level_matched_auroc(samples, position, rounds=200, rng=np.random.default_rng(3))

    assert np.quantile(expected, [0.025, 0.975]) == pytest.approx(
        [found.auroc.low, found.auroc.high]
    )


def test_a_score_that_only_knows_the_position_gets_about_one_half(rng):
    # Lesions gather in the middle of the stack, and the score is how near the middle is.
    position = np.tile(np.arange(40) / 39, 60)
    middle = -np.abs(position - 0.5)
    truth = rng.random(2400) < 0.8 * np.exp(-((middle / 0.2) ** 2))
    samples = Samples.from_logits(truth, middle, np.repeat(np.arange(60), 40))

    found = level_matched_auroc(samples, position, rounds=300, rng=rng)

    assert auroc(truth, middle) > 0.8
    assert found.auroc.value == pytest.approx(0.5, abs=0.06)


def test_a_score_that_knows_the_lesion_keeps_its_worth(rng):
    position = np.tile(np.arange(25) / 24, 60)
    truth = rng.random(1500) < np.where(np.abs(position - 0.5) < 0.2, 0.7, 0.05)
    samples = Samples.from_logits(
        truth, 2 * truth + rng.normal(size=1500), np.repeat(np.arange(60), 25)
    )

    found = level_matched_auroc(samples, position, rounds=100, rng=rng)

    assert found.auroc.value > 0.88


def test_positions_that_differ_by_exactly_the_tolerance_are_a_pair(rng):
    samples = Samples.from_logits([True, False], [1.0, 0.0], ["a", "b"])
    position = np.array([3 / 20, 4 / 20])  # 0.05000000000000002 apart in floating point

    found = level_matched_auroc(samples, position, rounds=10, rng=rng)

    assert (1.0, 1) == (found.auroc.value, found.pairs)


def test_without_a_pair_there_is_no_figure(rng):
    samples = Samples.from_logits([True, False], [1.0, 0.0], ["a", "b"])

    assert level_matched_auroc(samples, np.array([0.1, 0.9]), rounds=10, rng=rng) is None


def test_nine_patients_get_no_interval(simulate, rng):
    samples = simulate(9, rows=10)

    found = level_matched_auroc(samples, np.tile(np.arange(10) / 9, 9), rounds=50, rng=rng)

    assert found.auroc.low is None


def test_relative_positions_are_ranks_among_scored_slices():
    assert relative_positions(np.array([7, 3, 12])).tolist() == [0.5, 0.0, 1.0]
    assert relative_positions(np.array([4])).tolist() == [0.5]
