"""What is wrong with the boxes of a manifest before a detector learns from them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from medrec.data.boxes import absolute, read_boxes_files
from medrec.domain.box import overlap
from medrec.domain.counting import counted
from medrec.io.image_size import known_image_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from medrec.data.boxes import Boxes
    from medrec.domain.box import ImageSize
    from medrec.domain.reference import Reference, Split

_SAME_IOU = 0.9
_SHOWN = 5
_FEWEST = 20
_FAR = 5.0
_SIGMAS_OF_MAD = 1.4826


@dataclass(frozen=True, slots=True)
class AuditedBoxes:
    """What an audit says of boxes.

    `faults` are boxes that are none or lie outside their image, boxes drawn twice, rows that are
    labelled without a box or boxed against their label. `warnings` are boxes of quite another size
    than the others of their label, and labels of which a split has no box.
    """

    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def audit_boxes(
    references: Sequence[Reference],
    *,
    root: Path,
    size_of: Callable[[Path], ImageSize | None] = known_image_size,
) -> AuditedBoxes:
    """Look at the boxes of rows, whose numbers, from 1, are what the findings name."""
    tables, problems = read_boxes_files(references, root=root, size_of=size_of)
    files = dict.fromkeys(row.boxes for row in references if row.boxes)
    numbers = {name: number for number, name in enumerate(files, start=1)}
    faults: list[str] = []
    for name, texts in problems.items():
        called = "boxes" if len(numbers) == 1 else f"boxes file {numbers[name]}"
        faults += [f"{called}: {text}" for text in texts]
    of_rows = [_of_row(row, tables, root) for row in references]
    return AuditedBoxes(
        faults=(*faults, *_drawn_twice(of_rows), *_contradictions(references, of_rows)),
        warnings=(*_outliers(of_rows), *_lacking(references, of_rows)),
    )


def _of_row(row: Reference, tables: Mapping[str, Mapping[Path, Boxes]], root: Path) -> Boxes | None:
    """The boxes of a row, of a slice those that it cuts; None where unknown or unreadable."""
    if row.boxes is None or row.boxes not in tables:
        return None
    found = tables[row.boxes].get(absolute(root / row.path), ())
    if row.slice is None:
        return found
    return tuple(one for one in found if one.box.on_slice(row.slice) is not None)


def _drawn_twice(of_rows: Sequence[Boxes | None]) -> Iterator[str]:
    rows = [number for number, found in enumerate(of_rows, start=1) if _repeats(found or ())]
    if rows:
        yield (
            f"{counted(len(rows), 'row has', 'rows have')} a box twice or more (the same label, "
            f"IoU {_SAME_IOU:g} or more): {_listed(rows)}"
        )


def _repeats(boxes: Boxes) -> bool:
    return any(
        one.label == other.label
        and one.box.is_flat == other.box.is_flat
        and overlap(one.box, other.box) >= _SAME_IOU
        for one, other in combinations(boxes, 2)
    )


def _contradictions(
    references: Sequence[Reference], of_rows: Sequence[Boxes | None]
) -> Iterator[str]:
    boxed = {one.label for found in of_rows for one in found or ()}
    labels = dict.fromkeys(label for row in references for label in row.labels)
    rows = [(at, *pair) for at, pair in enumerate(zip(references, of_rows, strict=True), start=1)]
    known = [(at, row, found) for at, row, found in rows if found is not None]
    for label in labels:
        drawn = [(at, row.labels.get(label), _counted(found, label)) for at, row, found in known]
        bare = [at for at, truth, is_drawn in drawn if truth is True and is_drawn is None]
        against = [at for at, truth, is_drawn in drawn if truth is False and is_drawn]
        if bare and label in boxed:  # a label that is never boxed may be one of whole images
            lacking = counted(len(bare), f"row is {label} and has", f"rows are {label} and have")
            yield f"{lacking} no such box: {_listed(bare)}"
        if against:
            words = f"row is not {label} and has", f"rows are not {label} and have"
            yield f"{counted(len(against), *words)} such a box: {_listed(against)}"
    for label in sorted(boxed - set(labels)):
        count = sum(_counted(found, label) is not None for _, _, found in known)
        rows_of = counted(count, "row has", "rows have")
        yield f"{rows_of} boxes of {label}, which is no label of the manifest"


def _counted(boxes: Boxes, label: str) -> bool | None:
    """Whether a box of a label is there that counts; None where there is none at all."""
    found = [not one.is_ignored for one in boxes if one.label == label]
    return any(found) if found else None


def _outliers(of_rows: Sequence[Boxes | None]) -> Iterator[str]:
    """Boxes whose logarithm of size is more than 5 robust deviations from the median."""
    sizes: dict[tuple[str, bool], list[tuple[float, int]]] = defaultdict(list)
    for number, found in enumerate(of_rows, start=1):
        for one in found or ():
            if not one.is_ignored:
                key = str(one.label), one.box.is_flat
                sizes[key].append((np.log(one.box.content) / len(one.box.sides), number))
    for (label, _), pairs in sizes.items():
        logs = np.array([size for size, _ in pairs])
        away = np.abs(logs - np.median(logs))
        deviation = _SIGMAS_OF_MAD * np.median(away)
        rows = sorted({pairs[at][1] for at in np.flatnonzero(away > _FAR * deviation)})
        if len(pairs) >= _FEWEST and deviation > 0 and rows:
            low, usual, high = np.exp([logs.min(), np.median(logs), logs.max()])
            yield (
                f"{counted(len(rows), 'row has', 'rows have')} boxes of {label} of quite another "
                f"size than the others (sides of {low:.0f} to {high:.0f} px, {usual:.0f} in the "
                f"middle): {_listed(rows)}"
            )


def _lacking(references: Sequence[Reference], of_rows: Sequence[Boxes | None]) -> Iterator[str]:
    labels: dict[Split, set[str]] = defaultdict(set)
    for row, found in zip(references, of_rows, strict=True):
        if row.split is not None and found is not None:
            labels[row.split] |= {str(one.label) for one in found if not one.is_ignored}
    for label in sorted(set().union(*labels.values())):
        for split, drawn in labels.items():
            if label not in drawn:
                yield f"no box of {label} in the split {split}: nothing of it can be measured there"


def _listed(rows: Iterable[int]) -> str:
    numbers = list(rows)
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    word = "row" if len(numbers) == 1 else "rows"
    return f"{word} {shown}{', ...' if len(numbers) > _SHOWN else ''}"
