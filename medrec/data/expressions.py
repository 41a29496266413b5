"""What a cell of somebody's table says of a label: a column, values of it, or a comparison."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN_WORDS = frozenset(
    {"", "na", "n/a", "nan", "null", "none", "unknown", "not available", "?", "-", "."}
)
"""Cells that say that nobody knows, in lower case."""

_YES = frozenset({"1", "1.0", "true", "yes", "y", "t", "positive"})
_NO = frozenset({"0", "0.0", "false", "no", "n", "f", "negative"})
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
# The column ends at the first sign: a column whose own name holds one can't be asked for more.
_EXPRESSION = re.compile(r"(?P<column>[^<>:]+?)\s*(?P<sign>>=|<=|>|<|:)\s*(?P<value>.+)")


@dataclass(frozen=True, slots=True)
class Words:
    """The column says yes or no itself."""

    column: str

    def __call__(self, cell: str) -> bool | None:
        """Whether it says yes; None where it says unknown.

        Raises:
            ValueError: It says none of these.
        """
        word = cell.casefold()
        if word in UNKNOWN_WORDS:
            return None
        if word not in _YES | _NO:
            message = (
                f"{cell!r}; wanted 1, 0 or nothing: name the values that are positive, "
                f"{self.column}:VALUE,VALUE"
            )
            raise ValueError(message)
        return word in _YES


@dataclass(frozen=True, slots=True)
class Values:
    """Some values are positive; others are negative, or only those named, where some are."""

    column: str
    positive: frozenset[str]
    negative: frozenset[str] | None = None

    def __call__(self, cell: str) -> bool | None:
        """Whether the cell is one of the positive values; None where it says unknown."""
        if cell in self.positive:
            return True
        if self.negative is not None:
            return False if cell in self.negative else None
        return None if cell.casefold() in UNKNOWN_WORDS else False


@dataclass(frozen=True, slots=True)
class Compared:
    """A number against a bound."""

    column: str
    sign: str
    bound: float

    def __call__(self, cell: str) -> bool | None:
        """Whether the comparison holds; None where the cell says unknown.

        Raises:
            ValueError: The cell holds no finite number.
        """
        if cell.casefold() in UNKNOWN_WORDS:
            return None
        return _COMPARISONS[self.sign](_to_number(cell), self.bound)


Expression = Words | Values | Compared


def parse_expression(text: str) -> Expression:
    """Read `column`, `column:a,b`, `column:a,b/c,d` or `column>=80`.

    >>> parse_expression("largest_nodule_px>=80")("79")
    False
    >>> parse_expression("finding:mass,nodule")("mass")
    True

    Raises:
        ValueError: No column, no values, or a bound that is no number.
    """
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        if not text.strip() or re.search(r"[<>:]", text):
            message = f"{text!r}: wanted COLUMN, COLUMN:VALUE,VALUE or COLUMN>=NUMBER"
            raise ValueError(message)
        return Words(text.strip())
    column, sign, value = match["column"].strip(), match["sign"], match["value"].strip()
    return parse_values(column, value) if sign == ":" else Compared(column, sign, _to_number(value))


def parse_values(column: str, text: str) -> Values:
    """Read `a,b` (positive values of a column), or `a,b/c,d` (positive, negative).

    >>> parse_values("finding", "mass/none")("cyst") is None
    True

    Raises:
        ValueError: No values.
    """
    positive, slash, negative = text.partition("/")
    return Values(column, _to_values(positive), _to_values(negative) if slash else None)


def _to_values(text: str) -> frozenset[str]:
    values = frozenset(value.strip() for value in text.split(",") if value.strip())
    if not values:
        message = f"{text!r}: wanted one value or more, with commas between them"
        raise ValueError(message)
    return values


def _to_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        message = f"{text!r}; wanted a number, or nothing where it is unknown"
        raise ValueError(message)
    return number
