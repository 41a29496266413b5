"""De-identify a DICOM dataset: the Basic profile, and no text that can't be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medrec.io.deidentify_codes import CODE_KEYWORDS, is_coded, public_code
from medrec.io.deidentify_profile import Action, action_of
from medrec.io.deidentify_values import (
    BULK,
    DUMMY,
    FREE_TEXT,
    NUMBERS,
    are_numbers,
    checked_codes,
    checked_uids,
    dummy_text,
    is_age,
    mapped_uids,
)
from medrec.io.identifiers import readable, values_of

if TYPE_CHECKING:
    from medrec.io.identifiers import Identifiers
    from medrec.io.pseudonyms import Pseudonyms, TimeShift

_TEMPORAL = {"DA", "DT", "TM"}
_DUMMIES = {"PN": DUMMY, "CS": "OTHER", "DS": "0", "IS": "0"}
_LONGEST_ARRAY = 4096
"""Numbers of one element; a longer array is bulk data, of whatever meaning."""


@dataclass(frozen=True, slots=True)
class DatasetCleaner:
    """Makes the de-identified copy of a dataset; what it doesn't know is not in the copy.

    `patient_id` is the file's own; the pseudonym of it becomes the patient's name too.
    """

    pseudonyms: Pseudonyms
    patient_id: str
    identifiers: Identifiers
    shift: TimeShift

    def clean(self, dataset: Dataset) -> Dataset:
        """A copy without names; sequences at most as deep as `identifiers_of` lets pass."""
        copy = Dataset()
        for element in readable(dataset):
            kept = self._element(element, dataset)
            if kept is not None:
                copy.add(kept)
        return copy

    def _element(self, element: DataElement, dataset: Dataset) -> DataElement | None:
        tag = element.tag
        # A tag that nobody knows, or one whose value is of another kind than the standard says.
        if not dictionary_has_tag(tag) or element.VR not in _vrs_of(tag):
            return None
        action = action_of(tag)
        if action is Action.REMOVE:
            return None
        if element.VR in _TEMPORAL and not element.keyword.startswith("PatientBirth"):
            # PS3.15 E.3.6: dates and times of the table are modified, not lost.
            return _with(element, self._moved(element, dataset))
        if element.VR == "SQ":
            return self._sequence(element, action)
        return self._value(element, action)

    def _value(self, element: DataElement, action: Action) -> DataElement | None:
        match action:
            case Action.REMOVE:
                return None
            case Action.EMPTY | Action.DUMMY if element.keyword in ("PatientID", "PatientName"):
                return _with(element, self._pseudonym(element))
            case Action.EMPTY:
                return _with(element, "")
            case Action.DUMMY:
                return self._dummy(element)
            case Action.MAP_UID:
                return _with(element, mapped_uids(element.value, self.pseudonyms))
            case Action.CHECK:
                return self._checked(element)
            case unknown:
                assert_never(unknown)

    def _pseudonym(self, element: DataElement) -> str:
        """Z is "a zero length value, or a dummy": a patient stays one patient by a dummy."""
        own = values_of(element.value)
        patient = own[0].strip() if own and element.keyword == "PatientID" else self.patient_id
        return self.pseudonyms.patient(patient) if own and patient else ""

    def _dummy(self, element: DataElement) -> DataElement | None:
        """The element with a made-up value; one without a value stays without."""
        vr, value = element.VR, element.value
        is_empty = not values_of(value)
        if vr == "UI":
            return _with(element, mapped_uids(value, self.pseudonyms))
        if vr in FREE_TEXT:
            return _with(element, dummy_text(value, element.keyword))
        dummy = _DUMMIES.get(vr)  # none for bytes, titles of machines, addresses
        return None if dummy is None else _with(element, "" if is_empty else dummy)

    def _checked(self, element: DataElement) -> DataElement | None:
        """The element if its value can hold no name, else a dummy."""
        vr, value = element.VR, element.value
        if element.keyword == "SpecificCharacterSet":  # what is left is ASCII
            return None
        if element.keyword in BULK:
            return None if self._is_named_table(element) else element
        if self._is_safe(vr, value):
            return element
        if vr == "CS":
            return _with(element, checked_codes(value, self.identifiers))
        if vr == "UI":
            return _with(element, checked_uids(value, element.keyword, self.pseudonyms))
        # A number that is none is left out: a made-up one would be taken for measured.
        return self._dummy(element) if vr == "PN" or vr in FREE_TEXT else None

    def _is_named_table(self, element: DataElement) -> bool:
        """Whether a lookup table holds a name; pixels are looked at in the written file."""
        is_table = element.keyword != "PixelData" and isinstance(element.value, bytes)
        return is_table and self.identifiers.are_left_in(element.value)

    def _is_safe(self, vr: str, value: object) -> bool:
        if vr in ("DS", "IS"):
            return are_numbers(value, self.identifiers)
        return is_age(value) if vr == "AS" else vr in NUMBERS and _is_short(value)

    def _sequence(self, element: DataElement, action: Action) -> DataElement | None:
        if action is Action.EMPTY:
            return _with(element, Sequence())
        if action is Action.DUMMY:  # a made-up observer or institution says nothing
            return None
        items = [self._item(item) for item in element.value]
        kept = [item for item in items if item is not None]
        if items and not kept:
            return None
        return _with(element, Sequence(kept))

    def _item(self, item: Dataset) -> Dataset | None:
        if not is_coded(item):
            return self.clean(item)
        code = public_code(item)
        if code is None:
            return None
        copy = self.clean(item)
        for keyword in CODE_KEYWORDS:
            if keyword in copy:
                del copy[keyword]
        copy.CodeValue, copy.CodingSchemeDesignator, copy.CodeMeaning = code
        return copy

    def _moved(self, element: DataElement, dataset: Dataset) -> list[str]:
        values = values_of(element.value)
        if element.VR == "TM":
            return [self.shift.time(value) for value in values]
        if element.VR == "DT":
            return [self.shift.date_time(value) for value in values]
        times = _times_of(element, dataset)
        return [
            self.shift.date(value, times[index] if index < len(times) else "")
            for index, value in enumerate(values)
        ]


def _vrs_of(tag: int) -> list[str]:
    return str(dictionary_VR(tag)).split(" or ")


def _times_of(element: DataElement, dataset: Dataset) -> list[str]:
    """The values of the time that belongs to a date: SeriesTime to SeriesDate."""
    keyword = element.keyword.replace("Date", "Time")
    if keyword == element.keyword or keyword not in dataset:
        return []
    return values_of(dataset[keyword].value)


def _is_short(value: object) -> bool:
    size = len(value) if isinstance(value, bytes | list | tuple) else 1
    return not isinstance(value, bytes | str) and size <= _LONGEST_ARRAY


def _with(element: DataElement, value: object) -> DataElement:
    if isinstance(value, list) and len(value) < 2:  # noqa: PLR2004 (pydicom: one value is no list)
        value = value[0] if value else ""
    return DataElement(element.tag, element.VR, value)
