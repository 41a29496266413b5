from __future__ import annotations

import numpy as np
import pytest

from medrec.calibration.selection import held_out_log_loss
from medrec.errors import CalibrationError
from medrec.evaluation.samples import Samples


def _loss(samples):
    return held_out_log_loss(samples, rng=np.random.default_rng(0))


def test_a_score_that_knows_more_loses_less(distort, rng):
    samples = distort(200, slope=1.0)
    noisy = Samples.from_logits(
        samples.truth, samples.logit + rng.normal(scale=4, size=200), samples.unit
    )

    assert _loss(samples) < _loss(noisy) < np.log(2)


def test_scale_and_shift_of_a_score_do_not_matter(distort):
    samples = distort(200, slope=1.0)
    moved = Samples.from_logits(samples.truth, 5 * samples.logit - 3, samples.unit)

    assert _loss(samples) == pytest.approx(_loss(moved), rel=1e-4)


def test_rows_are_weighed(distort):
    samples = distort(100, slope=1.0)
    tilted = Samples.from_logits(
        samples.truth, samples.logit, samples.unit, weight=1.0 + 9.0 * samples.truth
    )

    assert _loss(samples) != pytest.approx(_loss(tilted), rel=0.01)


def test_one_patient_of_a_class_is_refused():
    samples = Samples.from_logits([True, False, False], [1.0, 0.0, 0.0], ["a", "b", "c"])

    with pytest.raises(CalibrationError, match="choosing a score"):
        _loss(samples)
