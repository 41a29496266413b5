"""What training may have seen of the test."""

from dataclasses import replace

import numpy as np
import pytest

from medrec.data.leakage import check_leakage, digest_of
from medrec.data.splits import Place, SplitPlan
from medrec.domain.reference import Reference, Split
from medrec.errors import DataSplitError

ROWS = [Reference(path=f"{name}.nii", patient=name, labels={}) for name in "ABCD"]
PLAN = SplitPlan(
    "cross_fit",
    {
        "A": Place(Split.TRAIN, 0),
        "B": Place(Split.TRAIN, 0),
        "C": Place(Split.TRAIN, 1),
        "D": Place(Split.TEST),
    },
)


def test_clean_splits_pass():
    check_leakage(ROWS, PLAN, digests=["1", "2", "3", "4"])


def test_one_picture_may_stand_twice_in_a_fold():
    check_leakage(ROWS, PLAN, digests=["1", "1", "3", "4"])


@pytest.mark.parametrize(
    ("digests", "rows"), [(["1", "2", "2", "4"], "2, 3"), (["1", "2", "3", "1"], "1, 4")]
)
def test_one_picture_in_two_folds_or_splits_is_refused(digests, rows):
    with pytest.raises(DataSplitError, match=f"1 picture stands in several .*rows {rows}:"):
        check_leakage(ROWS, PLAN, digests=digests)


def test_a_row_that_contradicts_the_plan_is_refused():
    rows = [replace(ROWS[0], split=Split.TEST), *ROWS[1:]]

    with pytest.raises(DataSplitError, match=r"1 patient has rows whose split .* row 1$"):
        check_leakage(rows, PLAN)


def test_a_patient_without_a_place_is_refused():
    with pytest.raises(DataSplitError, match="1 patient has no place"):
        check_leakage([*ROWS, Reference(path="E", patient="E", labels={})], PLAN)


def test_digests_know_shape_and_values():
    zeros = np.zeros((2, 3), np.float16)

    assert digest_of(zeros) == digest_of(zeros.copy())
    assert digest_of(zeros) != digest_of(zeros.T)
    assert digest_of(zeros) != digest_of(zeros + 1)
