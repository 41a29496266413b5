"""Percentiles of something that differs from scan to scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """The 5th, 50th and 95th percentile of something."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None without values."""
        if not len(values):
            return None
        low, median, high = np.percentile(np.asarray(values, dtype=np.float64), (5, 50, 95))
        return cls(round(float(low), 4), round(float(median), 4), round(float(high), 4))

    def __str__(self) -> str:
        return f"{self.median:g} ({self.low:g} to {self.high:g})"


def spread_of(values: Sequence[float]) -> Spread:
    """As `Spread.of`.

    Raises:
        ValueError: No values.
    """
    found = Spread.of(values)
    if found is None:
        message = "nothing was measured"
        raise ValueError(message)
    return found
