"""What the Basic Application Level Confidentiality Profile does to each element.

The rows of `confidentiality_profile.csv` are Table E.1-1 of DICOM PS3.15 (edition 2026c) as
dicom-anonymizer 2.1.0 (BSD-3-Clause) lists them; curves and overlays are rows with `X` digits.
"""

from __future__ import annotations

import csv
from enum import StrEnum
from functools import cache
from importlib.resources import files

EDITION = "2026c"

_CURVES = range(0x5000, 0x5100)
_OVERLAYS = range(0x6000, 0x6100)
_PATIENT = 0x0010
_NEVER = {0x0000, 0x0002, 0x0004, 0x4000, 0xFFFA, 0xFFFC}
"""Commands, file meta, directory records, text of ACR-NEMA, signatures, padding."""


class Action(StrEnum):
    """What becomes of an element."""

    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    MAP_UID = "map_uid"
    CHECK = "check"
    """Not in the table: stays if its value is of a kind that can hold no name."""


_RESOLVED = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.MAP_UID,
    # Whether an attribute must be there, or must have a value, hangs on the object (type 1, 2, 3).
    # The weakest action that keeps every object valid is taken: a value is valid for all types,
    # an empty element for types 2 and 3.
    "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY,
    "Z/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.MAP_UID,
}


@cache
def table() -> dict[str, str]:
    """Table E.1-1: tag (8 hexadecimal digits, `X` for any) to the profile's action code."""
    text = files("medrec.io").joinpath("confidentiality_profile.csv").read_text(encoding="utf-8")
    return {row["tag"]: row["action"] for row in csv.DictReader(text.splitlines())}


def action_of(tag: int) -> Action:
    """What becomes of the element with this tag (32 bit).

    >>> action_of(0x00100010), action_of(0x00081030), action_of(0x00280010)
    (<Action.EMPTY: 'empty'>, <Action.REMOVE: 'remove'>, <Action.CHECK: 'check'>)
    """
    group, element = tag >> 16, tag & 0xFFFF
    # An odd group is private; element 0 is a group length, which would be wrong afterwards.
    if group % 2 or element == 0 or group in _NEVER:
        return Action.REMOVE
    # An overlay without its data is no overlay: the group goes as a whole, like a curve's.
    if group in _CURVES or group in _OVERLAYS:
        return Action.REMOVE
    code = table().get(f"{tag:08X}")
    if code is None:
        # Stricter than the table: languages, species, calendars tell of the patient as well.
        return Action.REMOVE if group == _PATIENT else Action.CHECK
    return _RESOLVED[code]
