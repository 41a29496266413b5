"""Whose a scan is, told from where it lies, from its header, or from nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import re2

from medrec.data.scans import FoundScan
from medrec.domain.ids import to_case_id, to_patient_key

PatientOfPath = Callable[[str], str]
PatientOfScan = Callable[[FoundScan], str]

_GROUP = "patient"


def patient_of_path(pattern: str) -> PatientOfPath:
    r"""Tell patients from paths by a regular expression (RE2's) that is searched for in them.

    The group named `patient` is the patient, else the first group, else all that matched.

    >>> patient_of_path(r"(\d+)_\d+\.png$")("cancer/0012_3.png")
    '0012'

    Raises:
        ValueError: It is no regular expression that RE2 knows; or, when called, the path doesn't
            match, or the patient in it is empty.
    """
    compiled = _compiled(pattern)
    group = _GROUP if _GROUP in compiled.groupindex else min(1, compiled.groups)

    def tell(path: str) -> str:
        match = compiled.search(path)
        patient = (match[group] or "").strip() if match else ""
        if not patient:
            message = f"the pattern {pattern!r} finds no patient in this path"
            raise ValueError(message)
        return patient

    return tell


def search_of(pattern: str) -> Callable[[str], bool]:
    """Tell whether a regular expression (RE2's) is found in a path.

    Raises:
        ValueError: It is no regular expression that RE2 knows.
    """
    compiled = _compiled(pattern)
    return lambda path: compiled.search(path) is not None


def patient_of_header(key: bytes) -> PatientOfScan:
    """Tell patients from the PatientID of DICOM files, hashed with a key as `screen` does.

    Raises:
        ValueError: When called: the file states none, or is no DICOM file.
    """

    def tell(scan: FoundScan) -> str:
        if not scan.patient_id or not scan.patient_id.strip():
            message = "states no PatientID: name the patient by a pattern of the path"
            raise ValueError(message)
        return to_patient_key(scan.patient_id.strip(), key=key)

    return tell


def patient_of_case(scan: FoundScan) -> str:
    """Let each DICOM study, and each content of another file, stand for a patient of its own.

    Copies of one file share a patient, so that no split can part them; two scans of one person
    don't: this is for archives that say nothing at all of patients.
    """
    return to_case_id(scan.header.identity)


def _compiled(pattern: str) -> Any:  # noqa: ANN401 (re2 has no types)
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        message = f"{pattern!r} is no regular expression of RE2: {_said_by(error)}"
        raise ValueError(message) from error


def _said_by(error: Exception) -> str:
    said = error.args[0] if error.args else "malformed"
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
