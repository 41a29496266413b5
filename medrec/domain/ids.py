"""Identifiers that are safe to write: hashes, never names, numbers or UIDs of patients."""

from __future__ import annotations

import hashlib
from typing import NewType

CaseId = NewType("CaseId", str)
"""`c-` and 16 hexadecimal digits."""

PatientKey = NewType("PatientKey", str)
"""`p-` and 16 hexadecimal digits."""

_DIGITS = 16


def to_case_id(identity: str) -> CaseId:
    """Hash what identifies a case (a StudyInstanceUID, or the digest of a file's content).

    >>> to_case_id("1.2.840.1")
    'c-f9a13599155b7052'
    """
    return CaseId(f"c-{hashlib.sha256(identity.encode()).hexdigest()[:_DIGITS]}")


def to_patient_key(patient: str, *, key: bytes) -> PatientKey:
    """Hash a PatientID with a secret key, so that nobody without the key can test a guess."""
    digest = hashlib.blake2b(patient.encode(), key=key, digest_size=_DIGITS // 2).hexdigest()
    return PatientKey(f"p-{digest}")
