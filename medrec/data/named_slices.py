"""Which row of a manifest speaks of which slice of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.reference import Reference


def rows_by_slice(rows: Sequence[Reference], slice_count: int) -> dict[int, Reference]:
    """The row of each slice that the rows of one file name, by number.

    A row without `slice` stands for all slices, unless another row names them. If there are
    several, a negative one makes each slice negative; a positive one leaves them unknown. Boxes of
    the file are those of its slices: a row of a slice that names no boxes file takes them over.

    Raises:
        ValueError: A slice that the file doesn't have.
    """
    beyond = sorted(
        {row.slice for row in rows if row.slice is not None and row.slice >= slice_count}
    )
    if beyond:
        message = f"has {slice_count} slices, counted from 0; there is no slice {beyond[0]}"
        raise ValueError(message)
    named = {
        number: _one_slice(row, number, slice_count)
        for row in rows
        if row.slice is None
        for number in range(slice_count)
    }
    boxes = next((row.boxes for row in rows if row.slice is None and row.boxes), None)
    return named | {
        row.slice: row if row.boxes or not boxes else replace(row, boxes=boxes)
        for row in rows
        if row.slice is not None
    }


def _one_slice(row: Reference, number: int, slice_count: int) -> Reference:
    if slice_count == 1:
        return row
    labels = {label: False if known is False else None for label, known in row.labels.items()}
    return replace(row, slice=number, labels=labels)
