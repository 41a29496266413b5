"""What a site loses against home, and what may be said of it."""

from __future__ import annotations

import math
from enum import StrEnum

from medrec.evaluation.estimate import Estimate

BEARABLE = 0.10
"""A loss of a share that must be excluded before anything is called as it was at home."""


class Verdict(StrEnum):
    """What is said of a line."""

    AS_AT_HOME = "as_at_home"
    WORSE = "worse"
    DIFFERS = "differs"
    TOO_FEW = "too_few"


def loss_between(home: Estimate, here: Estimate) -> Estimate:
    """Home's share minus the one here, with the interval of two independent shares.

    The distances of the two intervals' ends are joined as variances are (Newcombe, Statistics in
    Medicine 1998; 17: 873-890, method 10; Zou and Donner 2008), so that neither needs to be
    symmetric. Without one of the intervals there is none.

    >>> loss = loss_between(Estimate(0.8, 0.7, 0.9, "a"), Estimate(0.6, 0.5, 0.7, "b"))
    >>> round(loss.value, 3), round(loss.low, 3), round(loss.high, 3)
    (0.2, 0.059, 0.341)
    """
    value = home.value - here.value
    if home.low is None or home.high is None or here.low is None or here.high is None:
        return Estimate(value, None, None, "value only", note=home.note or here.note)
    low = value - math.hypot(home.value - home.low, here.high - here.value)
    high = value + math.hypot(home.high - home.value, here.value - here.low)
    return Estimate(value, low, high, "two independent intervals joined (MOVER)")


def verdict_of_loss(loss: Estimate) -> Verdict:
    """Of a sensitivity: `worse` if no loss is excluded, `as_at_home` if a loss above 0.10 is."""
    if loss.low is None or loss.high is None:
        return Verdict.TOO_FEW
    if loss.low > 0:
        return Verdict.WORSE
    return Verdict.AS_AT_HOME if loss.high <= BEARABLE else Verdict.TOO_FEW


def verdict_of_change(change: Estimate) -> Verdict:
    """Of a share of which neither way is known to be worse."""
    if change.low is None or change.high is None:
        return Verdict.TOO_FEW
    if change.low > 0 or change.high < 0:
        return Verdict.DIFFERS
    is_small = change.low >= -BEARABLE and change.high <= BEARABLE
    return Verdict.AS_AT_HOME if is_small else Verdict.TOO_FEW
