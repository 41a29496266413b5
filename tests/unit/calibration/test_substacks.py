from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec.calibration.substacks import Stack, cut_substacks

TRUTHS = st.lists(st.sampled_from([True, False, False, None]), min_size=0, max_size=30).map(tuple)


def _stack(unit, free, lesion, after=0):
    return Stack(unit, (False,) * free + (True,) * lesion + (False,) * after)


def _cut(stacks, *, shortest=3, longest=8, per_patient=16, seed=0):
    rng = np.random.default_rng(seed)
    return cut_substacks(
        stacks, shortest=shortest, longest=longest, per_patient=per_patient, rng=rng
    )


@given(st.lists(TRUTHS, min_size=1, max_size=4), st.integers(0, 100))
def test_negative_runs_are_known_to_be_free_and_positive_ones_hold_a_lesion(truths, seed):
    stacks = [Stack(str(n % 2), truth) for n, truth in enumerate(truths)]

    for cut in _cut(stacks, shortest=2, longest=6, per_patient=4, seed=seed):
        run = stacks[cut.stack].truth[cut.start : cut.stop]
        assert len(run) == cut.stop - cut.start
        assert 2 <= len(run) <= 6
        assert stacks[cut.stack].unit == cut.unit
        assert any(run) if cut.truth else all(label is False for label in run)


def test_both_sides_have_exactly_the_same_lengths():
    cuts = _cut([_stack("a", 20, 10, 5), _stack("b", 6, 30)], per_patient=50)

    lengths = [
        Counter((cut.unit, cut.stop - cut.start) for cut in cuts if cut.truth is side)
        for side in (True, False)
    ]

    assert lengths[0] == lengths[1]
    assert len(lengths[0]) > 6


def test_each_patient_weighs_one_half_on_either_side():
    stacks = [_stack("a", 20, 10), _stack("a", 9, 9), _stack("b", 30, 4)]

    cuts = _cut(stacks)

    for unit in ("a", "b"):
        for side in (True, False):
            weight = sum(cut.weight for cut in cuts if cut.unit == unit and cut.truth is side)
            assert weight == pytest.approx(0.5)


def test_lengths_stop_at_what_the_patient_has_on_both_sides():
    # Four free slices at most in a row: no run of five is cut on either side.
    cuts = _cut([Stack("a", ((False,) * 4 + (True,)) * 6)], per_patient=60)

    assert {cut.stop - cut.start for cut in cuts} == {3, 4}


def test_a_patient_without_a_free_run_gives_no_stand_in():
    cuts = _cut([Stack("all lesion", (True,) * 20), _stack("b", 10, 5)])

    assert {cut.unit for cut in cuts} == {"b"}


def test_an_unknown_slice_is_not_a_free_one():
    assert _cut([Stack("a", (None,) * 10 + (True,) * 5)]) == []


def test_every_start_is_drawn():
    cuts = _cut([_stack("a", 6, 3)], shortest=3, longest=3, per_patient=200)

    assert {0, 1, 2, 3} == {cut.start for cut in cuts if not cut.truth}
    assert {4, 5, 6} == {cut.start for cut in cuts if cut.truth}


def test_the_same_seed_cuts_the_same():
    stacks = [_stack("a", 20, 10)]

    assert _cut(stacks, seed=1) == _cut(stacks, seed=1)
    assert _cut(stacks, seed=1) != _cut(stacks, seed=2)


def test_senseless_lengths_are_refused():
    with pytest.raises(ValueError, match="can't be cut"):
        _cut([_stack("a", 5, 5)], shortest=9, longest=3)


def test_a_patient_is_not_shown_when_a_substack_is():
    assert "Miller" not in repr(_cut([_stack("Miller", 9, 9)]))
