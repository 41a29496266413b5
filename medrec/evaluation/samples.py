"""Rows of truth and score, and the patients they come from: what every figure is computed on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from medrec.domain.geometry import FloatArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Samples:
    """N rows (exams or slices) with known truth.

    `truth` is (N,) bool, `logit` (N,) float, `unit` (N,) the patient of each row (what gets
    resampled), `weight` (N,) float of at least 0. `probability` is (N,) in [0, 1], or None where no
    calibrator made one. The arrays are copied and read-only.

    Raises:
        ValueError: Shapes that differ, numbers that aren't finite, or out of range.
    """

    truth: BoolArray
    probability: FloatArray | None
    logit: FloatArray
    unit: NDArray[Any]
    weight: FloatArray

    def __post_init__(self) -> None:
        self._freeze("truth", np.array(self.truth, dtype=bool))
        self._freeze("logit", np.array(self.logit, dtype=np.float64))
        self._freeze("unit", np.array(self.unit))
        self._freeze("weight", np.array(self.weight, dtype=np.float64))
        if self.probability is not None:
            self._freeze("probability", np.array(self.probability, dtype=np.float64))
        self._check()

    def _freeze(self, name: str, array: NDArray[Any]) -> None:
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def _check(self) -> None:
        arrays = [self.truth, self.score, self.logit, self.unit, self.weight]
        if any(array.shape != (len(self.truth),) for array in arrays):
            message = f"samples need columns of one length, not {[a.shape for a in arrays]}"
            raise ValueError(message)
        if not all(np.isfinite(array).all() for array in (self.logit, self.score, self.weight)):
            message = "samples need finite logits, probabilities and weights"
            raise ValueError(message)
        if (self.weight < 0).any():
            message = "a weight is at least 0"
            raise ValueError(message)
        if self.probability is not None and ((self.score < 0) | (self.score > 1)).any():
            message = "a probability lies in [0, 1]"
            raise ValueError(message)

    @classmethod
    def from_logits(
        cls, truth: ArrayLike, logit: ArrayLike, unit: ArrayLike, *, weight: ArrayLike | None = None
    ) -> Self:
        """Make samples without a probability; every row weighs 1 unless told otherwise."""
        rows = np.asarray(truth, dtype=bool)
        return cls(
            truth=rows,
            probability=None,
            logit=np.asarray(logit, dtype=np.float64),
            unit=np.asarray(unit),
            weight=np.ones(len(rows)) if weight is None else np.asarray(weight, dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def score(self) -> FloatArray:
        """What rows are ranked and thresholded by: the probability, or the logit without one."""
        return self.logit if self.probability is None else self.probability

    @cached_property
    def _units(self) -> tuple[NDArray[Any], IntArray]:
        names, codes = np.unique(self.unit, return_inverse=True)
        return names, codes

    @property
    def unit_code(self) -> IntArray:
        """(N,) the patient of each row as a number from 0 to `unit_count` - 1."""
        return self._units[1]

    @property
    def unit_count(self) -> int:
        """How many patients there are."""
        return len(self._units[0])

    @property
    def positive_units(self) -> int:
        """How many patients have a positive row."""
        return len(np.unique(self.unit_code[self.truth]))

    @property
    def negative_units(self) -> int:
        """How many patients have a negative row."""
        return len(np.unique(self.unit_code[~self.truth]))

    @property
    def rows_are_units(self) -> bool:
        """Whether no two rows share a patient."""
        return self.unit_count == len(self)

    @property
    def is_weighted(self) -> bool:
        """Whether rows weigh differently."""
        return bool(np.ptp(self.weight) > 0) if len(self) else False

    @property
    def has_both_classes(self) -> bool:
        """Whether positive and negative rows both carry weight."""
        return bool(self.weight[self.truth].sum() > 0 and self.weight[~self.truth].sum() > 0)

    def subset(self, rows: BoolArray | IntArray) -> Samples:
        """The rows that a mask or index array picks."""
        return Samples(
            truth=self.truth[rows],
            probability=None if self.probability is None else self.probability[rows],
            logit=self.logit[rows],
            unit=self.unit[rows],
            weight=self.weight[rows],
        )

    def with_probability(self, probability: FloatArray) -> Samples:
        """The same rows with another probability (N,)."""
        return replace(self, probability=probability)
