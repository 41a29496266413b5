"""Truth of classes that exclude each other: every row has exactly one of a group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medrec.domain.finding import Label
    from medrec.domain.reference import Reference


def settle_exclusive(
    references: Iterable[Reference], groups: Sequence[Sequence[Label]], *, where: str
) -> list[Reference]:
    """Fill in what follows from what is known: one class that is 1 makes the others of its group 0.

    And where all others are 0, the one that is left is 1. A row of which two classes or more are
    still possible stays as it is.

    Raises:
        ManifestError: Rows with two classes of a group, or with none of them; all are listed.
    """
    rows = list(references)
    problems = [
        f"{row.path}{'' if row.slice is None else f', slice {row.slice}'}: {problem}"
        for row in rows
        for group in groups
        if (problem := _contradiction(row, group))
    ]
    if problems:
        raise ManifestError(where, problems)
    for group in groups:
        rows = [_settle(row, group) for row in rows]
    return rows


def _contradiction(row: Reference, group: Sequence[Label]) -> str:
    present = [label for label in group if row.labels.get(label) is True]
    if len(present) > 1:
        return f"{' and '.join(present)} are 1, but exclude each other (exclusive)"
    if all(row.labels.get(label) is False for label in group):
        return (
            f"{', '.join(group)} are all 0, but one of them must be (exclusive): leave empty what "
            "is unknown, or give the rest a class of its own"
        )
    return ""


def _settle(row: Reference, group: Sequence[Label]) -> Reference:
    possible = [label for label in group if row.labels.get(label) is not False]
    present = [label for label in group if row.labels.get(label) is True] or possible
    if len(present) > 1:
        return row
    return replace(row, labels={**row.labels, **{label: label in present for label in group}})
