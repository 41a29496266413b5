"""Which values can hold no name: they alone stay, whoever wrote them and wherever they stand.

Table E.1-1 lists the attributes where names are expected. They stand elsewhere too: a technician
types one into the body part, a gateway into the maker. So text that isn't in the table stays only
if it is a code, a number, a UID or a maker's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydicom.uid import UID

from medrec.domain.terms import maker_of
from medrec.io.identifiers import values_of

if TYPE_CHECKING:
    from medrec.io.identifiers import Identifiers
    from medrec.io.pseudonyms import Pseudonyms

DUMMY: Final = "REMOVED"
FREE_TEXT: Final = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
NUMBERS: Final = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
BULK: Final = frozenset(
    {
        "PixelData", "LUTData", "LUTDescriptor", "RedPaletteColorLookupTableData",
        "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
        "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
        "SegmentedBluePaletteColorLookupTableData", "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths",
    }
)  # fmt: skip
"""The only bytes that stay: what an image is shown from."""

_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")
_DECIMAL = re.compile(r"[+-]?[0-9]*\.?[0-9]*([eE][+-]?[0-9]{1,3})?")
_AGE = re.compile(r"[0-9]{3}[DWMY]")
_CLASS_UID = re.compile(r"(?=.{1,64}$)[0-2](\.[0-9]+){3,}")
_COUNT = re.compile(r"[0-9]{1,2}")
_TERMS = {
    # PS3.3 C.11.1.1.2: what the values of an image are.
    "RescaleType": {"HU", "US", "OD", "HGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT", "normalized"},
    "ImagedNucleus": {"1H", "13C", "19F", "23NA", "23Na", "31P", "3HE", "129XE", "129Xe"},
}
_NO_AGENT = {"", "no", "none", "n/a", "without"}


def checked_codes(value: object, identifiers: Identifiers) -> list[str]:
    """Code strings (CS): each as it is, or OTHER where it is no code or one of the identifiers."""
    return [
        code if _CODE_STRING.fullmatch(code) and not identifiers.stand_in(code) else "OTHER"
        for code in (text.strip() for text in values_of(value))
    ]


def are_numbers(value: object, identifiers: Identifiers) -> bool:
    """Whether decimal or integer strings (DS, IS) are numbers, and none an ID of six digits."""
    for text in values_of(value):
        number = text.strip()
        if not _DECIMAL.fullmatch(number):
            return False
        if len(number) >= 6 and identifiers.stand_in(number):  # noqa: PLR2004
            return False
    return True


def is_age(value: object) -> bool:
    """Whether an age string (AS) is one."""
    return all(_AGE.fullmatch(text.strip()) for text in values_of(value))


def checked_uids(value: object, keyword: str, pseudonyms: Pseudonyms) -> list[str]:
    """UIDs: those of the standard and of classes as they are, any other one mapped."""
    return [_uid(text.strip(" \0"), keyword, pseudonyms) for text in values_of(value)]


def mapped_uids(value: object, pseudonyms: Pseudonyms) -> list[str]:
    """UIDs of a thing of this hospital, mapped; the standard's own stay."""
    return checked_uids(value, "", pseudonyms)


def _uid(text: str, keyword: str, pseudonyms: Pseudonyms) -> str:
    uid = UID(text)
    is_class = keyword.endswith("ClassUID") and _CLASS_UID.fullmatch(text) is not None
    return text if is_class or uid.name != text else pseudonyms.uid(text)


def dummy_text(value: object, keyword: str) -> str:
    """What stands for a free text: nothing where nothing was, else as little as is of use."""
    texts = values_of(value)
    if not texts:
        return ""
    text = " ".join(texts).strip()
    if keyword == "Manufacturer":
        return maker_of(text) or DUMMY
    if keyword == "ContrastBolusAgent":  # whether one was given is no secret, its lot may be
        return "NONE" if text.lower() in _NO_AGENT else "CONTRAST"
    if text in _TERMS.get(keyword, ()):
        return text
    # A stack or a coil element is told from the next one by a small number.
    return text if _COUNT.fullmatch(text) else DUMMY
