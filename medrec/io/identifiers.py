"""The names and numbers that a DICOM header gives, to look for them where they shouldn't stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.charset import convert_encodings

from medrec.domain.codes import ReasonCode
from medrec.domain.terms import MAKERS
from medrec.errors import RefusedScanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

MAX_DEPTH = 16
"""Of sequences in sequences; the deepest of the standard's own objects have six."""

_NUMBERS = {
    "AccessionNumber", "AdmissionID", "DeviceSerialNumber", "InstitutionAddress",
    "InstitutionName", "InstitutionalDepartmentName", "IssuerOfPatientID", "MedicalRecordLocator",
    "OtherPatientIDs", "PatientAddress", "PatientID",
    "PatientTelephoneNumbers", "StationName",
}  # fmt: skip
_LEAST_LETTERS = 3
_LEAST_BYTES, _LEAST_DIGITS, _LEAST_DIFFERENT = 5, 8, 3
_TERMS = frozenset(
    {
        "abdomen", "anonymized", "anonymous", "axial", "body", "brain", "breast", "chest",
        "contrast", "derived", "dummy", "extremity", "foot", "hand", "head", "heart", "hip", "knee",
        "left", "localizer", "magnitude", "mixed", "mono", "monochrome1", "monochrome2", "neck",
        "none", "norm", "original", "other", "palette", "pelvis", "phantom", "phase", "position",
        "presentation", "primary", "processing", "prostate", "removed", "right", "secondary",
        "shoulder", "skull", "spine", "study", "supine", "prone", "test", "thorax", "unknown",
        "volume", "whole", "yes", "konica", *(maker.casefold() for maker in MAKERS),
    }
)  # fmt: skip
"""Standard terms and makers: a patient called "Head" makes no body part a secret."""


@dataclass(frozen=True, slots=True)
class Identifiers:
    """`words` of names and whole `values`, as they were written; both without standard terms."""

    words: frozenset[str]
    values: frozenset[str]
    encodings: tuple[str, ...] = ()

    def stand_in(self, text: str) -> bool:
        """Whether a text is one of the values, or has one of the words."""
        folded = text.strip().casefold()
        if folded in {value.casefold() for value in self.values}:
            return True
        return not {word.casefold() for word in self.words}.isdisjoint(_words(folded))

    def are_left_in(self, content: bytes) -> bool:
        """Whether a name or number stands in bytes, in any usual encoding.

        Short ones aren't looked for: they would be met by chance among numbers and pixels.
        """
        return any(pattern in content for pattern in self._patterns())

    def _patterns(self) -> Iterator[bytes]:
        for text in self.words | self.values:
            least = _LEAST_BYTES if any(map(str.isalpha, text)) else _LEAST_DIGITS
            if len(text) < least or len(set(text)) < _LEAST_DIFFERENT:
                continue
            for written in {text, text.upper(), text.lower(), text.title()}:
                for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be", *self.encodings):
                    yield from _encoded(written, encoding)


def identifiers_of(dataset: Dataset) -> Identifiers:
    """Collect the names and numbers of a header, its sequences included.

    Raises:
        RefusedScanError: Sequences are nested too deep (`nesting`).
    """
    words: set[str] = set()
    values: set[str] = set()
    for is_name, value in _identifying(dataset, depth=0):
        values.add(value.strip())
        if is_name:
            words.update(_words(value))
    return Identifiers(
        words=frozenset(_worth_hiding(words)),
        values=frozenset(_worth_hiding(values)),
        encodings=_encodings(dataset),
    )


def _identifying(dataset: Dataset, depth: int) -> Iterator[tuple[bool, str]]:
    if depth > MAX_DEPTH:
        detail = f"more than {MAX_DEPTH} sequences in each other"
        raise RefusedScanError(ReasonCode.NESTING, detail)
    for element in readable(dataset):
        if element.VR == "SQ":
            for item in element.value:
                yield from _identifying(item, depth + 1)
        elif element.VR == "PN" or element.keyword in _NUMBERS:
            for value in values_of(element.value):
                yield element.VR == "PN", value


def readable(dataset: Dataset) -> Iterator[DataElement]:
    """The elements of even groups that pydicom can make sense of; the others are no loss."""
    for tag in list(dataset.keys()):
        if tag.is_private:
            continue
        try:
            element = dataset[tag]
        except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError,
                ValueError):  # fmt: skip
            continue
        yield element


def values_of(value: object) -> list[str]:
    """The strings of a text element, one or several."""
    if value is None:
        return []
    values: Iterable[object] = [value] if isinstance(value, str | bytes) else _listed(value)
    return [text for text in map(str, values) if text]


def _listed(value: object) -> Iterable[object]:
    is_many = isinstance(value, list | tuple) or type(value).__name__ == "MultiValue"
    return value if is_many else [value]  # type: ignore[return-value]


def _worth_hiding(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if len(text) >= _LEAST_LETTERS and text.casefold() not in _TERMS:
            yield text


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", text) if word]


def _encodings(dataset: Dataset) -> tuple[str, ...]:
    try:
        return tuple(convert_encodings(dataset.get("SpecificCharacterSet") or "ISO_IR 6"))
    except (LookupError, TypeError, ValueError):
        return ()


def _encoded(text: str, encoding: str) -> Iterator[bytes]:
    try:
        yield text.encode(encoding)
    except (LookupError, UnicodeError):
        return
