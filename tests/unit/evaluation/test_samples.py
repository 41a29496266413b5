from __future__ import annotations

import numpy as np
import pytest

from medrec.evaluation.estimate import Estimate
from medrec.evaluation.samples import Samples


def _samples(**changes):
    given = {
        "truth": [True, False, True],
        "probability": [0.9, 0.2, 0.6],
        "logit": [2.0, -1.0, 0.5],
        "unit": ["b", "a", "b"],
        "weight": [1.0, 1.0, 1.0],
    }
    return Samples(**{**given, **changes})


def test_patients_are_counted_by_class():
    samples = _samples()

    assert (2, 1, 1) == (samples.unit_count, samples.positive_units, samples.negative_units)
    assert not samples.rows_are_units


def test_the_score_is_the_probability_or_else_the_logit():
    assert _samples().score.tolist() == [0.9, 0.2, 0.6]
    assert _samples(probability=None).score.tolist() == [2.0, -1.0, 0.5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logit": [1.0, 2.0]}, "one length"),
        ({"logit": [1.0, np.nan, 0.0]}, "finite"),
        ({"probability": [0.1, 1.2, 0.3]}, r"\[0, 1\]"),
        ({"probability": [0.1, np.nan, 0.3]}, "finite"),
        ({"weight": [1.0, -1.0, 1.0]}, "at least 0"),
    ],
)
def test_impossible_samples_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _samples(**changes)


def test_samples_cannot_be_changed_from_outside():
    logit = np.array([2.0, -1.0, 0.5])
    samples = _samples(logit=logit)

    logit[0] = 99.0

    assert samples.logit[0] == 2.0
    with pytest.raises(ValueError, match="read-only"):
        samples.logit[0] = 99.0


def test_a_class_of_weight_zero_is_no_class():
    assert _samples().has_both_classes
    assert not _samples(weight=[1.0, 0.0, 1.0]).has_both_classes


@pytest.mark.parametrize("ends", [(0.6, 0.4), (None, 0.4), (float("nan"), 0.4)])
def test_an_interval_has_two_ordered_ends_or_none(ends):
    with pytest.raises(ValueError, match=r"interval|finite"):
        Estimate(0.5, *ends, "Wilson")
