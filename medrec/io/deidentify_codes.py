"""Coded entries: a code of a public scheme stays, with the meaning that the scheme gives it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CODE_KEYWORDS: Final = frozenset(
    {
        "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning",
        "LongCodeValue", "URNCodeValue",
    }
)  # fmt: skip
_SCHEMES = {
    "SRT": re.compile(r"[A-Z][0-9A-F]?-[0-9A-F]{4,5}"),
    "SNM3": re.compile(r"[A-Z][0-9A-F]?-[0-9A-F]{4,5}"),
    "99SDM": re.compile(r"[A-Z][0-9A-F]?-[0-9A-F]{4,5}"),
    "SCT": re.compile(r"[0-9]{6,18}"),
    "DCM": re.compile(r"[0-9]{6}"),
    "LN": re.compile(r"[0-9]{3,6}-[0-9]"),
    "RADLEX": re.compile(r"RID[0-9]{1,6}"),
}
"""How the codes of a scheme are written; what a code of another scheme says can't be known."""


def is_coded(item: Dataset) -> bool:
    """Whether an item of a sequence is a coded entry (PS3.3, 8.8)."""
    return any(keyword in item for keyword in CODE_KEYWORDS)


def public_code(item: Dataset) -> tuple[str, str, str] | None:
    """Code, scheme and meaning of a coded entry; None if it is of no public scheme.

    The file's own meaning is not taken: it is free text.
    """
    scheme = str(item.get("CodingSchemeDesignator") or "").strip()
    code = str(item.get("CodeValue") or "").strip()
    meaning = _meanings().get((scheme, code))
    if meaning is not None:
        return code, scheme, meaning
    pattern = _SCHEMES.get(scheme)
    return (code, scheme, code) if pattern and pattern.fullmatch(code) else None


@cache
def _meanings() -> dict[tuple[str, str], str]:
    """The concepts of DICOM's context groups, as pydicom holds them; loaded when first needed."""
    from pydicom.sr._concepts_dict import concepts
    from pydicom.sr._snomed_dict import mapping

    schemes: Any = concepts  # scheme, keyword, code: meaning and context groups
    known = {
        (scheme, code): meaning[:64]
        for scheme, keywords in schemes.items()
        for codes in keywords.values()
        for code, (meaning, _) in codes.items()
    }
    older = {
        ("SRT", old): known["SCT", new]
        for new, old in mapping["SCT"].items()
        if ("SCT", new) in known
    }
    return {**older, **known}
