"""Whose scan a path is of."""

import pytest

from medrec.data.patients import patient_pattern
from medrec.errors import UsageError


def test_the_group_is_the_patient():
    assert "0017" == patient_pattern(r"img_(\d+)_")("benign/img_0017_L.png")


@pytest.mark.parametrize("path", ["benign/other.png", "benign/img__L.png"])
def test_a_path_that_does_not_match_or_matches_nothing_has_no_patient(path):
    assert patient_pattern(r"img_(\d*)_")(path) is None


@pytest.mark.parametrize("text", ["img", r"(\d+)_(\d+)", "(", r"(a)\1"])
def test_a_pattern_that_can_not_name_one_patient_is_refused(text):
    with pytest.raises(UsageError, match="--patient"):
        patient_pattern(text)
