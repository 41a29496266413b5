"""How strongly an MR image is weighted for diffusion, by the standard's or the vendor's element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.multival import MultiValue

from medrec.io.dicom_values import number_of, text_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# Manufacturer, private creator and its element, the b-value's element. As the vendors' conformance
# statements have them; dcm2niix reads the same.
_VENDORS = (
    ("SIEMENS", "SIEMENS MR HEADER", "0x00190010", "0x0019100C"),
    ("GE", "GEMS_PARM_01", "0x00430010", "0x00431039"),
    ("PHILIPS", "PHILIPS IMAGING DD 001", "0x20010010", "0x20011003"),
)
PRIVATE_TAGS = tuple(tag for _, _, *tags in _VENDORS for tag in tags)
_GE_BIAS = 100_000
"""GE adds 1e9 to each b-value of a scan with several: the value is the remainder."""
_GE_LEAST = 10
"""GE writes the element on every MR image; small numbers in it are no b-values."""


def read_b_value(dataset: Dataset) -> float | None:
    """The b-value in s/mm²; None where none is stated."""
    stated = number_of(dataset, "DiffusionBValue")
    if stated is not None:
        return stated
    manufacturer = (text_of(dataset, "Manufacturer") or "").upper()
    for vendor, creator, creator_tag, value_tag in _VENDORS:
        if manufacturer.startswith(vendor):
            return _private(dataset, creator, creator_tag, value_tag)
    return None


def _private(dataset: Dataset, creator: str, creator_tag: str, value_tag: str) -> float | None:
    if str(_raw(dataset, creator_tag) or "").strip().upper() != creator:
        return None
    value = _raw(dataset, value_tag)
    if isinstance(value, bytes):  # implicit syntax, and pydicom doesn't know the element
        value = value.decode("ascii", "ignore").strip(" \0").split("\\")[0]
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    try:
        number = float(str(value))
    except ValueError:
        return None
    if not 0 <= number < float("inf"):
        return None
    if creator != "GEMS_PARM_01":
        return number
    return number % _GE_BIAS if number >= _GE_LEAST else None


def _raw(dataset: Dataset, tag: str) -> object:
    try:
        value: object = dataset[int(tag, 16)].value
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    return value
