"""What may be said of a loss against home."""

from __future__ import annotations

import numpy as np
import pytest

from medrec.evaluation.estimate import Estimate
from medrec.evaluation.intervals import wilson
from medrec.evaluation.loss import Verdict, loss_between, verdict_of_change, verdict_of_loss


def loss(low, high):
    return Estimate((low + high) / 2, low, high, "test")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.05, 0.08), Verdict.AS_AT_HOME),
        ((-0.05, 0.10), Verdict.AS_AT_HOME),
        ((-0.05, 0.11), Verdict.TOO_FEW),
        ((0.01, 0.08), Verdict.WORSE),
        ((0.2, 0.4), Verdict.WORSE),
        ((-0.4, -0.2), Verdict.AS_AT_HOME),
    ],
)
def test_a_loss_is_worse_where_none_is_excluded_and_as_at_home_where_a_large_one_is(
    interval, verdict
):
    assert verdict is verdict_of_loss(loss(*interval))


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.05, 0.08), Verdict.AS_AT_HOME),
        ((-0.12, 0.02), Verdict.TOO_FEW),
        ((0.01, 0.08), Verdict.DIFFERS),
        ((-0.3, -0.1), Verdict.DIFFERS),
    ],
)
def test_a_change_of_which_no_way_is_worse_differs_or_is_as_at_home(interval, verdict):
    assert verdict is verdict_of_change(loss(*interval))


def test_without_an_interval_there_are_too_few():
    alone = Estimate(0.5, None, None, "value only")

    assert Verdict.TOO_FEW is verdict_of_loss(loss_between(alone, loss(0.4, 0.6)))
    assert Verdict.TOO_FEW is verdict_of_change(loss_between(loss(0.4, 0.6), alone))


def test_the_interval_of_a_loss_holds_it_nineteen_times_in_twenty():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        there, here = rng.binomial(60, 0.8), rng.binomial(40, 0.6)
        found = loss_between(wilson(int(there), 60), wilson(int(here), 40))
        held += found.low <= 0.2 <= found.high

    assert 0.92 < held / 400 < 0.985
