"""Read single values of a dataset that nobody vouches for: absent and unreadable are None."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydicom.multival import MultiValue

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def text_of(dataset: Dataset, keyword: str) -> str | None:
    """A text element's (first) value, stripped; None if absent, empty or unreadable."""
    value = value_of(dataset, keyword)
    text = "" if value is None else str(value).strip(" \0")
    return text or None


def texts_of(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of a text element, stripped and in capitals; none if absent or unreadable."""
    try:
        value = dataset.get(keyword) or ()
        values = (value,) if isinstance(value, str) else tuple(value)
    except (AttributeError, LookupError, TypeError, ValueError):
        return ()
    return tuple(str(text).strip(" \0").upper() for text in values)


def numbers_of(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """An element's `count` finite numbers; None if there are not so many, or one is not finite."""
    try:
        values = tuple(float(value) for value in dataset.get(keyword) or ())
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """An element's (first) finite number."""
    try:
        number = float(str(value_of(dataset, keyword)))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def integer_of(dataset: Dataset, keyword: str) -> int | None:
    """An element's (first) number, cut to an integer."""
    number = number_of(dataset, keyword)
    return None if number is None else int(number)


def item_of(dataset: Dataset, keyword: str) -> Dataset | None:
    """The first item of a sequence; None where there is none."""
    try:
        items = dataset.get(keyword)
        return items[0] if items else None
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def value_of(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 (pydicom's values are of any type)
    """An element's (first) value as pydicom has it."""
    try:
        value = dataset.get(keyword)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    if isinstance(value, MultiValue):
        return value[0] if value else None
    return value
