"""Prepared pictures with what lies where in them: what detectors learn from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from medrec.data.boxes import boxes_of_rows
from medrec.data.dataset import SliceDataset, to_targets
from medrec.domain.finding import Label
from medrec.errors import ManifestError
from medrec.io.image_size import known_image_size
from medrec.preprocess.places import from_source_slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.data.boxes import Boxes
    from medrec.domain.reference import LabelledBox, Reference

NOTHING, UNKNOWN = -1.0, float("nan")
IGNORED = -2
"""The class of a lesion of class 0 that counts neither way; of class c it is -2 - c."""
TYPE = "type"
"""The attribute of a box that may name its class."""


@dataclass(frozen=True, eq=False)
class DetectionSlices(SliceDataset):
    """Pictures as in SliceDataset, and the `objects` (N, M, 5) float32 in each.

    An object is its box in the picture (y0, x0, y1, x1), then the number of its class; a class of
    -1 is no object, one of -2 or less is ignored, NaN says that nobody knows what is there. A label
    of which the manifest says nothing is told by the boxes.
    """

    objects: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 1, 5))

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return (*super().__getitem__(index), self.objects[index])

    def subset(self, rows: Sequence[int]) -> Self:
        """The same for some rows, in their order."""
        chosen = torch.as_tensor(list(rows), dtype=torch.long)
        return replace(super().subset(rows), objects=self.objects[chosen])

    def known_rows(self) -> list[int]:
        """Rows of which it is known what lies where, that nothing does among them."""
        known: list[int] = torch.isfinite(self.objects).all(dim=(1, 2)).nonzero()[:, 0].tolist()
        return known

    def sides(self) -> NDArray[np.float64]:
        """Sides (n, 2) of all objects, in pixels of the pictures."""
        boxes = self.objects[self.objects[..., -1] >= 0][:, :4].double().numpy()
        return np.asarray(boxes[:, 2:] - boxes[:, :2])


def lay_boxes(slices: SliceDataset, *, root: Path, classes: Mapping[str, Label]) -> DetectionSlices:
    """Lay the boxes of their files over prepared slices.

    Args:
        slices: Rows that name boxes files. A row without one holds nothing where all its labels are
            known to be negative, and is unknown else.
        root: The manifest's folder.
        classes: The classes of boxes, in the order of a detector's, and the label of each. A box
            belongs to that which its label names, or its `type`.

    Raises:
        ManifestError: Whatever is wrong with boxes files or boxes, each kind at once.
        ValueError: The slices come from a cache that doesn't keep places.
    """
    if slices.to_source is None:
        message = "the cache doesn't hold where its pictures came from: ask for one that does"
        raise ValueError(message)
    boxes = boxes_of_rows(slices.references, root=root, size_of=known_image_size)
    known = [
        _nothing_if_negative(row) if own is None else own
        for row, own in zip(slices.references, boxes, strict=True)
    ]
    named = _name(slices.references, known, classes)
    told = [_tell(row, own, classes) for row, own in zip(slices.references, named, strict=True)]
    return DetectionSlices(
        images=slices.images,
        targets=to_targets((row.labels for row in told), slices.labels),
        references=tuple(told),
        labels=slices.labels,
        blank=slices.blank,
        to_source=slices.to_source,
        objects=_to_objects(named, slices.to_source, list(classes)),
    )


Named = tuple[tuple[str, "LabelledBox"], ...]


def _nothing_if_negative(row: Reference) -> Boxes | None:
    known = list(row.labels.values())
    return () if known and all(label is False for label in known) else None


def _name(
    references: Sequence[Reference], boxes: Sequence[Boxes | None], classes: Mapping[str, Label]
) -> list[Named | None]:
    """The class of each box.

    Raises:
        ManifestError: A box of none of the classes; each such label once, with the first file.
    """
    problems: dict[str, str] = {}

    def named(row: Reference, one: LabelledBox) -> tuple[str, LabelledBox]:
        for name in (one.attributes.get(TYPE), one.label):
            if name in classes:
                return str(name), one
        wanted = ", ".join(classes)
        problem = f"{row.path}: a box of {str(one.label)!r}, which is none of {wanted}"
        problems.setdefault(str(one.label), f"{problem}: name it in model.classes")
        return str(one.label), one

    found = [
        None if own is None else tuple(named(row, one) for one in own)
        for row, own in zip(references, boxes, strict=True)
    ]
    if problems:
        where = "boxes"
        raise ManifestError(where, list(problems.values()))
    return found


def _tell(row: Reference, own: Named | None, classes: Mapping[str, Label]) -> Reference:
    """The row, with labels that only its boxes tell."""
    if own is None:
        return row
    present = {classes[name] for name, one in own if not one.is_ignored}
    labels = {
        label: known if known is not None else Label(label) in present
        for label, known in {**dict.fromkeys(classes.values()), **row.labels}.items()
    }
    return replace(row, labels=labels)


def _to_objects(
    named: Sequence[Named | None], to_source: NDArray[np.float64], names: list[str]
) -> torch.Tensor:
    most = max([1, *(len(own) for own in named if own)])
    objects = torch.zeros(len(named), most, 5)
    objects[..., -1] = NOTHING
    for row, own in enumerate(named):
        if own is None:
            objects[row] = UNKNOWN
        elif own:
            corners = np.array([[*one.box.low, *one.box.high] for _, one in own])
            boxes = from_source_slice(corners, to_source[row])
            objects[row, : len(own), :4] = torch.from_numpy(boxes).float()
            objects[row, : len(own), 4] = torch.tensor([_class(names, *each) for each in own])
    return objects


def _class(names: list[str], name: str, one: LabelledBox) -> float:
    number = names.index(name)
    return float(IGNORED - number if one.is_ignored else number)
