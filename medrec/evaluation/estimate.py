"""A figure with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

CONFIDENCE = 0.95
"""Every interval of medrec is a 95 % interval."""

MINIMUM_UNITS = 10
"""No interval is given from fewer patients."""

TOO_FEW_UNITS = f"no interval from fewer than {MINIMUM_UNITS} patients"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; `low` and `high` are None where no interval can be had.

    `method` says how the interval was made. `assumes_independent_rows` marks an interval that is
    too narrow because rows share patients. `note` says why there is no interval.

    >>> Estimate(0.5, 0.4, 0.6, "Wilson")
    Estimate(value=0.5, low=0.4, high=0.6, method='Wilson', assumes_independent_rows=False, note='')

    Raises:
        ValueError: A value that is not finite, half an interval, or one that is upside down.
    """

    value: float
    low: float | None
    high: float | None
    method: str
    assumes_independent_rows: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if not all(math.isfinite(number) for number in (self.value, *bounds)):
            message = f"an estimate is finite, not {self.value} ({self.low}, {self.high})"
            raise ValueError(message)
        if len(bounds) == 1 or bounds != sorted(bounds):
            message = f"an interval has two ordered ends or none, not ({self.low}, {self.high})"
            raise ValueError(message)


def estimate_to_json(estimate: Estimate) -> dict[str, object]:
    """How a figure stands in `evaluation.json`."""
    data: dict[str, object] = {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": estimate.method,
    }
    if estimate.assumes_independent_rows:
        data["assumes_independent_rows"] = True
    return data
