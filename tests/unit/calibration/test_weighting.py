"""Weights that give calibration data a prevalence."""

from __future__ import annotations

import numpy as np
import pytest

from medrec.calibration.weighting import weights_to_prevalence
from medrec.errors import CalibrationError


def weights(truth, strata, prevalence=0.2):
    return weights_to_prevalence(np.array(truth, bool), strata, prevalence=prevalence)


def test_four_rows_of_which_one_is_positive_are_weighted_by_hand():
    # 0.2 * 4 / 1 for the positive, 0.8 * 4 / 3 for each negative: 0.8 and 3 * 1.0667 of 4.
    found = weights([1, 0, 0, 0], ["a"] * 4)

    assert [0.8, 3.2 / 3, 3.2 / 3, 3.2 / 3] == pytest.approx(found.tolist())


def test_each_stratum_gets_the_share_and_keeps_its_number_of_rows():
    # PA: 1 of 4 positive, AP: 3 of 4.
    truth, strata = [1, 0, 0, 0, 1, 1, 1, 0], ["PA"] * 4 + ["AP"] * 4
    found = weights(truth, strata)

    assert [0.8, 3.2 / 3, 3.2 / 3, 3.2 / 3] == pytest.approx(found[:4].tolist())
    assert [0.8 / 3, 0.8 / 3, 0.8 / 3, 3.2] == pytest.approx(found[4:].tolist())


def test_rows_that_hold_the_share_already_weigh_one():
    assert [1.0] * 5 == pytest.approx(weights([1, 0, 0, 0, 0], ["a"] * 5).tolist())


def test_a_stratum_of_one_class_is_named_with_its_counts():
    with pytest.raises(CalibrationError, match=r"no value \(0 of 1 rows positive\), AP \(2 of 2"):
        weights([1, 1, 0, 1, 0], ["AP", "AP", "", "PA", "PA"])
