"""What an archive's boxes are like, in numbers: what the rules for detectors decide by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.box import overlap
from medrec.domain.reference import TYPE, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from medrec.data.boxes import Boxes
    from medrec.data.splits import SplitPlan
    from medrec.domain.box import Box, ImageSize
    from medrec.domain.reference import LabelledBox, Reference

SMALL, MIDDLE, LARGE = 10, 50, 95
"""Percentiles of the sides: nine in ten boxes are larger than the smallest that must be seen."""
_CROWDED_IOU = 0.3
_KEPT = 2000
_FEWEST_OF_A_TYPE = 20
_MOST_TYPES = 20
_ARCHIVES = {
    "archive", "dataset", "source", "origin", "kind", "site", "hospital", "institution", "scanner",
    "center", "centre",
}  # fmt: skip
"""Columns that may tell archives apart; so may the first folder of the paths."""
_FOLDER = "/"
_MOST_FOLDERS = 10


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """Of the patients on whom the final network is fitted, but for `boxes` and `classes`.

    A side is the root of the area in the plane of a slice, as a share of the longer side of the
    whole picture. A picture is a film or a slice; of a 3D network a volume.
    """

    boxes: int
    """Of all patients."""
    learned_boxes: int
    learned_patients: int
    """Patients with a box."""
    pictures: int
    """Pictures of which it is known what lies where."""
    positive_pictures: int
    """Pictures with a box."""
    unknown_rows: int
    """Rows that teach nothing: nobody says what lies where."""
    depth_slices: float | None
    """Slices that half of the solid boxes hold at most; None of flat ones."""
    smallest_side: float
    middle_side: float
    largest_side: float
    long_share: float
    """Share of boxes twice as long as wide, or more."""
    crowded_share: float
    """Share of boxes that overlap another of their picture with an IoU above 0.3."""
    most_a_picture: int
    classes: Mapping[str, str] | None
    """Types of boxes with the label of each; None where labels are all that is known."""
    positive_patients: int
    empty_patients: int
    """Patients with a picture that holds nothing."""
    separated_by: str | None
    """What tells pictures with boxes from those without, such as an archive's name; else None."""
    separating_column: str | None
    """The column that does, where it is one."""
    sides: tuple[tuple[float, ...], ...] = field(default=(), repr=False)
    """Sides along x, y and, of solid boxes, z: shares of the picture's longer side, z in slices."""
    deepest_share: float | None = None
    """Share of their own volume's slices that the deepest solid boxes hold; None of flat ones."""

    @property
    def positive_share(self) -> float:
        """Share of pictures with a box."""
        return self.positive_pictures / max(1, self.pictures)

    @property
    def is_solid(self) -> bool:
        """Whether boxes have a depth of their own, and are not of one slice each."""
        return self.depth_slices is not None and self.depth_slices > 1


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A row of a manifest, the size of its image, and what lies in it; an empty tuple: nothing."""

    row: Reference
    size: ImageSize
    boxes: Boxes

    @property
    def counted(self) -> list[LabelledBox]:
        """Those that are not ignored."""
        return [one for one in self.boxes if not one.is_ignored]

    def pictures(self, *, are_slices: bool) -> list[bool]:
        """Of each picture that the row stands for, whether it holds a box."""
        if self.row.slice is not None or not are_slices:
            return [bool(self.counted)]
        every = range(self.size.slices)
        return [any(one.box.on_slice(k) for one in self.counted) for k in every]


def box_facts(
    references: Sequence[Reference],
    boxes: Sequence[Boxes | None],
    *,
    plan: SplitPlan,
    size_of: Callable[[str], ImageSize],
    are_slices: bool,
) -> BoxFacts:
    """Sum up boxes.

    Args:
        references: Rows of a manifest.
        boxes: Those of each row, as `medrec.data.boxes` cuts them to its slice; None is unknown.
        plan: Who trains.
        size_of: The size of the image of a path.
        are_slices: A network sees slices of volumes one by one.

    Raises:
        ValueError: No box among those who train.
    """
    known = [
        KnownRow(row, size_of(row.path), own)
        for row, own in zip(references, boxes, strict=True)
        if own is not None and plan.place_of(row).split is Split.TRAIN
    ]
    found = [(one, box.box) for one in known for box in one.counted]
    if not found:
        message = "there are no boxes to sum up"
        raise ValueError(message)
    sides = np.array([_shares(box, one.size) for one, box in found])
    small, middle, large = np.percentile(
        np.sqrt(sides[:, 0] * sides[:, 1]), (SMALL, MIDDLE, LARGE)
    ).tolist()
    shown = [(one, one.pictures(are_slices=are_slices)) for one in known]
    longest = np.maximum(sides[:, 0] / sides[:, 1], sides[:, 1] / sides[:, 0])
    chosen = np.unique(np.linspace(0, len(sides) - 1, min(_KEPT, len(sides))).astype(int))
    separating = _separating(shown)
    solid = [box for _, box in found if not box.is_flat]
    learned = [row for row in references if plan.place_of(row).split is Split.TRAIN]
    return BoxFacts(
        boxes=len({(row.path, one.box, row.slice) for row, own in
                   zip(references, boxes, strict=True) for one in own or ()}),
        learned_boxes=len(found),
        learned_patients=len({one.row.patient for one, _ in found}),
        pictures=sum(len(pictures) for _, pictures in shown),
        positive_pictures=sum(sum(pictures) for _, pictures in shown),
        unknown_rows=len(learned) - len(known),
        depth_slices=float(np.median([box.sides[2] for box in solid])) if solid else None,
        smallest_side=small,
        middle_side=middle,
        largest_side=large,
        long_share=float((longest >= 2).mean()),  # noqa: PLR2004 (twice as long as wide)
        crowded_share=_crowded(known) / len(found),
        most_a_picture=max(len(one.counted) for one in known),
        classes=_classes(references, boxes),
        positive_patients=len({one.row.patient for one, own in shown if any(own)}),
        empty_patients=len({one.row.patient for one, own in shown if not all(own)}),
        separated_by=_say_separating(separating),
        separating_column=None if separating == _FOLDER else separating,
        sides=tuple(tuple(row) for row in sides[chosen].tolist()),
        deepest_share=_deepest(found),
    )  # fmt: skip


def _shares(box: Box, size: ImageSize) -> list[float]:
    """X and y as shares of the longer side; z in slices, of a flat box 0."""
    longer = max(size.columns, size.rows)
    x, y, *z = box.sides
    return [x / longer, y / longer, *(z or [0.0])]


def _deepest(found: Sequence[tuple[KnownRow, Box]]) -> float | None:
    shares = [box.sides[2] / row.size.slices for row, box in found if not box.is_flat]
    return float(np.percentile(shares, LARGE)) if shares else None


def _crowded(known: Sequence[KnownRow]) -> int:
    """Boxes that overlap another one of their picture."""
    count = 0
    for one in known:
        own = [box.box for box in one.counted]
        count += sum(
            any(overlap(box, other) > _CROWDED_IOU for other in own if other is not box)
            for box in own
        )
    return count


def _classes(
    references: Sequence[Reference], boxes: Sequence[Boxes | None]
) -> dict[str, str] | None:
    """Types and their labels, where every box has a type, of one label, and boxes are enough."""
    every = [one for own in boxes for one in own or ()]
    labels = {str(label) for row in references for label in row.labels}
    found: dict[str, set[str]] = {}
    for one in every:
        found.setdefault(one.attributes.get(TYPE, ""), set()).add(str(one.label))
    counts = Counter(one.attributes.get(TYPE, "") for one in every)
    is_usable = (
        "" not in found
        and 1 < len(found) <= _MOST_TYPES
        and all(len(own) == 1 for own in found.values())
        and not labels & set(found)
        and min(counts.values()) >= _FEWEST_OF_A_TYPE
    )
    return {name: min(own) for name, own in sorted(found.items())} if is_usable else None


def _separating(shown: Sequence[tuple[KnownRow, list[bool]]]) -> str | None:
    """A column, or the first folder, one of whose values has boxes alone or empties alone."""
    names = dict.fromkeys(name for one, _ in shown for name in one.row.attributes)
    for name in (_FOLDER, *(name for name in names if name.lower() in _ARCHIVES)):
        groups: dict[str, set[bool]] = {}
        for one, pictures in shown:
            groups.setdefault(_value(one.row, name), set()).update(pictures)
        is_telling = len(groups) > 1 and (name != _FOLDER or len(groups) <= _MOST_FOLDERS)
        is_alone = any(len(kinds) == 1 for kinds in groups.values())
        if is_telling and is_alone:
            return name
    return None


def _say_separating(name: str | None) -> str | None:
    if name is None:
        return None
    return "the first folder of their paths" if name == _FOLDER else f"the column {name}"


def _value(row: Reference, name: str) -> str:
    if name != _FOLDER:
        return row.attributes.get(name, "")
    return row.path.removeprefix("./").partition("/")[0] if "/" in row.path else ""
