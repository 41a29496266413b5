"""Pooling slice logits to an exam's."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from medrec.models.pooling import _shares, pool_exam_logit

LOGITS = st.lists(st.floats(-20, 20), min_size=1, max_size=30)


def brute_force(logits, *, positions, top):
    """The same expectation by listing every possible draw."""
    shares = _shares(len(logits), positions)
    total = 0.0
    for drawn in product(range(len(logits)), repeat=positions):
        chance = np.prod([shares[segment, index] for segment, index in enumerate(drawn)])
        total += chance * np.mean(sorted((logits[index] for index in drawn), reverse=True)[:top])
    return total


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("top", [1, 2, 3])
def test_the_expectation_is_that_of_all_draws_listed(count, top):
    logits = np.random.default_rng(count).normal(size=count).round(1)

    expected = brute_force(logits, positions=3, top=top)

    assert expected == pytest.approx(pool_exam_logit(logits, positions=3, top=top), abs=1e-12)


@given(st.lists(st.floats(-20, 20), min_size=8, max_size=8))
def test_with_as_many_slices_as_positions_it_is_the_mean_of_the_top(logits):
    expected = np.mean(sorted(logits)[-2:])

    assert expected == pytest.approx(pool_exam_logit(logits, positions=8, top=2), abs=1e-9)


@given(LOGITS)
def test_reversing_the_stack_changes_nothing(logits):
    expected = pool_exam_logit(logits, positions=8, top=2)

    assert expected == pytest.approx(pool_exam_logit(logits[::-1], positions=8, top=2), abs=1e-9)


@given(LOGITS, st.data())
def test_a_higher_slice_never_lowers_the_exam(logits, data):
    index = data.draw(st.integers(0, len(logits) - 1))
    raised = list(logits)
    raised[index] += data.draw(st.floats(0, 10))

    before = pool_exam_logit(logits, positions=8, top=2)

    assert pool_exam_logit(raised, positions=8, top=2) >= before - 1e-9


@given(LOGITS)
@settings(max_examples=30)
def test_the_exam_lies_within_its_slices(logits):
    pooled = pool_exam_logit(logits, positions=8, top=2)

    assert min(logits) - 1e-9 <= pooled <= max(logits) + 1e-9


@pytest.mark.parametrize("count", [8, 16, 24, 40, 80, 200])
def test_the_mean_of_tumor_free_noise_does_not_drift_with_the_number_of_slices(count):
    rng = np.random.default_rng(3)
    expected = np.mean(np.sort(rng.normal(size=(4000, 8)), axis=1)[:, -2:])

    pooled = [pool_exam_logit(rng.normal(size=count), positions=8, top=2) for _ in range(600)]

    assert expected == pytest.approx(np.mean(pooled), abs=0.08)


@pytest.fixture(scope="module")
def smooth_stacks():
    """Tumor-free profiles (N, 200), as smooth as heads: see the docstring of the module."""
    noise = np.random.default_rng(4).normal(size=(1200, 200))
    return gaussian_filter1d(noise, 8, axis=1)


def thinned(stacks, count):
    places = ((np.arange(count) + 0.5) * stacks.shape[1] / count).astype(int)
    return [pool_exam_logit(stack[places], positions=8, top=2) for stack in stacks]


@pytest.mark.parametrize("count", [8, 12, 40, 80, 200])
def test_the_same_tumor_free_stacks_are_flagged_as_often_at_any_number_of_slices(
    smooth_stacks, count
):
    at_24, here = np.array(thinned(smooth_stacks, 24)), np.array(thinned(smooth_stacks, count))

    assert (here > np.quantile(at_24, 0.95)).mean() == pytest.approx(0.05, abs=0.025)
    spread = at_24.std()
    for share in (0.1, 0.5, 0.9):
        expected = np.quantile(at_24, share)
        assert expected == pytest.approx(np.quantile(here, share), abs=0.2 * spread)


def test_the_mean_of_the_top_slices_does_drift():
    rng = np.random.default_rng(3)

    few, many = (np.mean(np.sort(rng.normal(size=(600, n)), axis=1)[:, -2:]) for n in (8, 200))

    assert many - few > 1


@pytest.mark.parametrize("count", [8, 13, 16, 40, 100, 200])
def test_a_smooth_profile_does_not_drift_with_the_number_of_slices(count):
    def profile(slices):
        level = (np.arange(slices) + 0.5) / slices
        return 2 * np.exp(-(((level - 0.55) / 0.2) ** 2)) - 1.5

    expected = pool_exam_logit(profile(1600), positions=8, top=2)

    assert expected == pytest.approx(pool_exam_logit(profile(count), positions=8, top=2), abs=0.07)


@pytest.mark.parametrize(
    ("logits", "positions", "top"),
    [([], 8, 2), ([1.0, float("nan")], 8, 2), ([1.0], 8, 9), ([1.0], 8, 0), ([[1.0]], 8, 1)],
)
def test_what_can_not_be_pooled_is_refused(logits, positions, top):
    with pytest.raises(ValueError, match=r"logits|top"):
        pool_exam_logit(logits, positions=positions, top=top)
