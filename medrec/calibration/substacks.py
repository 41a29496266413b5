"""Stand-in exams, cut from stacks of slices where no patient without a lesion is at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.evaluation.samples import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class Stack:
    """The slices of one series in order; `truth` is None where a slice's label is unknown."""

    unit: str = field(repr=False)
    truth: tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class Substack:
    """Slices `start` to `stop` (exclusive) of `stacks[stack]`, taken as an exam of its own."""

    unit: str = field(repr=False)
    start: int
    stop: int
    truth: bool
    weight: float
    stack: int


def cut_substacks(
    stacks: Sequence[Stack],
    *,
    shortest: int,
    longest: int,
    per_patient: int,
    rng: np.random.Generator,
) -> list[Substack]:
    """Cut negative runs (all slices known to be free) and positive ones (a lesion slice within).

    Each patient gives `per_patient` pairs; the two of a pair have the same length, drawn evenly
    from the lengths of `shortest` to `longest` slices that the patient has on both sides. So both
    sides have one distribution of lengths, and length tells nothing. A patient's weights sum to 1,
    half on either side. A patient without a common length gives none: compare the units returned.

    Raises:
        ValueError: Lengths or a number that make no sense.
    """
    if not 1 <= shortest <= longest or per_patient < 1:
        message = f"substacks of {shortest} to {longest} slices, {per_patient} pairs, can't be cut"
        raise ValueError(message)
    cuts: list[Substack] = []
    for unit in dict.fromkeys(stack.unit for stack in stacks):
        own = [number for number, stack in enumerate(stacks) if stack.unit == unit]
        starts = {n: _starts(stacks, own, n) for n in range(shortest, longest + 1)}
        common = [n for n, (negative, positive) in starts.items() if negative and positive]
        for _ in range(per_patient if common else 0):
            length = int(rng.choice(common))
            for truth, places in zip((False, True), starts[length], strict=True):
                stack, start = places[int(rng.integers(len(places)))]
                weight = 1 / (2 * per_patient)
                cuts.append(Substack(unit, start, start + length, truth, weight, stack))
    return cuts


def _starts(
    stacks: Sequence[Stack], own: Sequence[int], length: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where negative and positive runs of a length may begin, as (stack, start)."""
    negative: list[tuple[int, int]] = []
    positive: list[tuple[int, int]] = []
    for number in own:
        truth = stacks[number].truth
        free = _run_sums(np.array([label is False for label in truth], dtype=bool), length)
        lesions = _run_sums(np.array([label is True for label in truth], dtype=bool), length)
        negative += [(number, int(start)) for start in np.flatnonzero(free == length)]
        positive += [(number, int(start)) for start in np.flatnonzero(lesions > 0)]
    return negative, positive


def _run_sums(flags: BoolArray, length: int) -> IntArray:
    """How many flags each run of `length` slices holds, by its start."""
    total = np.concatenate([[0], np.cumsum(flags)])
    sums: IntArray = total[length:] - total[: max(0, len(total) - length)]
    return sums
