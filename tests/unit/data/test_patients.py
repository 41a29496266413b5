"""Whose a scan is."""

from pathlib import Path

import pytest

from medrec.data.patients import patient_of_case, patient_of_header, patient_of_path
from medrec.data.scans import FoundScan
from medrec.domain.modality import FileFormat
from medrec.domain.series import ImageHeader


def a_scan(*, patient_id=None, identity="0"):
    header = ImageHeader(Path("a"), "a", FileFormat.RASTER, identity, (1, 1, 1))
    return FoundScan("a", header, patient_id)


@pytest.mark.parametrize(
    ("pattern", "patient"),
    [
        (r"P\d+", "P12"),
        (r"(P\d+)_", "P12"),
        (r"(\w+)/(?P<patient>P\d+)_", "P12"),
        (r"(\d+)_(\d+)", "12"),
    ],
)
def test_a_group_of_the_pattern_is_the_patient_or_else_all_that_matches(pattern, patient):
    assert patient == patient_of_path(pattern)("tumor/P12_3.png")


@pytest.mark.parametrize("pattern", ["Q", "(x?)P", "( *)"])
def test_a_path_without_a_patient_is_refused(pattern):
    with pytest.raises(ValueError, match="finds no patient"):
        patient_of_path(pattern)("tumor/P12_3.png")


@pytest.mark.parametrize("pattern", ["(", r"(?=a)", r"(a)\1"])
def test_a_pattern_that_re2_does_not_know_is_refused(pattern):
    with pytest.raises(ValueError, match="no regular expression of RE2"):
        patient_of_path(pattern)


def test_a_patient_id_is_hashed_and_one_with_blanks_is_the_same():
    tell = patient_of_header(b"k" * 32)

    key = tell(a_scan(patient_id="1234"))

    assert key == tell(a_scan(patient_id=" 1234 "))
    assert key != patient_of_header(b"l" * 32)(a_scan(patient_id="1234"))
    assert "1234" not in key


@pytest.mark.parametrize("patient_id", [None, "", "  "])
def test_a_file_without_a_patient_id_is_refused(patient_id):
    with pytest.raises(ValueError, match="states no PatientID"):
        patient_of_header(b"k" * 32)(a_scan(patient_id=patient_id))


def test_two_files_of_one_content_are_one_patient_where_nothing_tells_them():
    assert patient_of_case(a_scan(identity="1")) == patient_of_case(a_scan(identity="1"))
    assert patient_of_case(a_scan(identity="1")) != patient_of_case(a_scan(identity="2"))
