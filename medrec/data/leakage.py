"""What training may have seen of the test: patients and pixels on both sides of a split."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from medrec.domain.counting import counted
from medrec.domain.reference import Split
from medrec.errors import DataSplitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medrec.data.splits import Mode, SplitPlan
    from medrec.domain.reference import Reference

_SHOWN = 5


def digest_of(pixels: NDArray[np.generic]) -> str:
    """SHA-256 of an image's shape and values."""
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def check_leakage(
    references: Sequence[Reference], plan: SplitPlan, *, digests: Sequence[str] | None = None
) -> None:
    """Refuse a plan that puts one patient, or one picture, into two splits or folds.

    `digests` holds one digest a row (`digest_of`, of the prepared picture): equal ones are the same
    picture, be it under two patients' names.

    Raises:
        DataSplitError: Patients or pictures that are shared, with counts and row numbers; or
            patients without a place.
    """
    absent = {row.patient for row in references} - set(plan.assignment)
    if absent:
        message = f"{counted(len(absent), 'patient has', 'patients have')} no place in the splits"
        raise DataSplitError(message)
    problems = torn_patients(references, plan) + _shared_pictures(references, plan, digests or ())
    if problems:
        raise DataSplitError("\n".join(problems))


def torn_patients(references: Sequence[Reference], plan: SplitPlan) -> list[str]:
    """What to say of rows whose own split column contradicts the plan."""
    torn = [
        number
        for number, row in enumerate(references)
        if row.split is not None and _contradicts(row.split, plan.place_of(row).split, plan.mode)
    ]
    if not torn:
        return []
    torn_apart = len({references[number].patient for number in torn})
    patients = counted(torn_apart, "patient has", "patients have")
    return [f"{patients} rows whose split is not that of the plan: {_shown(torn)}"]


def _contradicts(written: Split, planned: Split, mode: Mode) -> bool:
    """Tell whether a row's split isn't the plan's; cross-fitting folds all but the test."""
    if mode == "cross_fit":
        return (written is Split.TEST) != (planned is Split.TEST)
    return written is not planned


def _shared_pictures(
    references: Sequence[Reference], plan: SplitPlan, digests: Sequence[str]
) -> list[str]:
    rows: dict[str, list[int]] = defaultdict(list)
    for number, digest in enumerate(digests):
        rows[digest].append(number)
    shared = [
        numbers
        for numbers in rows.values()
        if len({plan.place_of(references[number]) for number in numbers}) > 1
    ]
    if not shared:
        return []
    examples = "; ".join(f"{_shown(numbers)}" for numbers in shared[:_SHOWN])
    pictures = counted(len(shared), "picture stands", "pictures stand")
    return [
        (
            f"{pictures} in several splits or folds, {examples}: the same scan under two "
            "patients; give both one patient, or remove one"
        )
    ]


def _shown(numbers: Sequence[int]) -> str:
    """Name rows, counted from 1 below the manifest's head line."""
    rest = ", ..." if len(numbers) > _SHOWN else ""
    word = "row " if len(numbers) == 1 else "rows "
    return word + ", ".join(str(number + 1) for number in numbers[:_SHOWN]) + rest
