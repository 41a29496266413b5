"""Prepared pictures with what lies where in them: what detectors learn from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch.utils.data import Dataset

from medrec.data.boxes import boxes_of_rows, with_negatives
from medrec.data.dataset import SliceDataset, to_targets
from medrec.data.volumes import VolumeDataset
from medrec.domain.finding import Label
from medrec.errors import ManifestError, OutputError
from medrec.io.image_size import known_image_size
from medrec.preprocess.places import from_source_slice, from_source_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from medrec.data.boxes import Boxes
    from medrec.domain.geometry import FloatArray
    from medrec.domain.reference import LabelledBox, Reference

NOTHING, UNKNOWN = -1.0, float("nan")
IGNORED = -2
"""The class of a lesion of class 0 that counts neither way; of class c it is -2 - c."""
_FLAT, _SOLID = 4, 6
_OLD_CACHE = (
    "the cache was filled by an older medrec and doesn't hold where its pictures came from, which "
    "boxes need: name another one (--set cache.folder=FOLDER)"
)


@dataclass(frozen=True, eq=False)
class _Boxed(Dataset[tuple[torch.Tensor, ...]]):
    """What pictures and volumes with `objects` (N, M, 2D + 1) float32 share.

    An object is its box (see `medrec.models.detections`), then the number of its class; a class of
    -1 is no object, one of -2 or less is ignored, NaN says that nobody knows what is there. A label
    of which the manifest says nothing is told by the boxes.
    """

    objects: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 1, 1))

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return (*super().__getitem__(index), self.objects[index])

    def known_rows(self) -> list[int]:
        """Rows of which it is known what lies where, that nothing does among them."""
        known: list[int] = torch.isfinite(self.objects).all(dim=(1, 2)).nonzero()[:, 0].tolist()
        return known

    def sides(self, rows: Sequence[int]) -> FloatArray:
        """Sides (n, D) of the objects of some rows, in pixels or voxels of the inputs."""
        objects = self.objects[list(rows)]
        boxes = objects[objects[..., -1] >= 0][:, :-1].double().numpy()
        half = boxes.shape[1] // 2
        return np.asarray(boxes[:, half:] - boxes[:, :half])

    def _of_rows(self, rows: Sequence[int]) -> torch.Tensor:
        return self.objects[torch.as_tensor(list(rows), dtype=torch.long)]


@dataclass(frozen=True, eq=False)
class DetectionSlices(_Boxed, SliceDataset):
    """Pictures as in SliceDataset, and the `objects` (N, M, 5) in each."""

    def subset(self, rows: Sequence[int]) -> Self:
        """The same for some rows, in their order."""
        return replace(super().subset(rows), objects=self._of_rows(rows))

    def sides(self, rows: Sequence[int]) -> FloatArray:
        """Sides (n, 2) of the objects of some rows in pixels, and of what is planted into them."""
        planted = [self.planting.sides(rows)] if self.planting else []
        return np.concatenate([super().sides(rows), *planted])

    def inputs(self) -> list[torch.Tensor]:
        """The pictures (1, H, W), as a network looks at them one by one."""
        return [self.images[row] for row in range(len(self))]


@dataclass(frozen=True, eq=False)
class DetectionVolumes(_Boxed, VolumeDataset):
    """Volumes as in VolumeDataset, and the `objects` (V, M, 7) in each."""

    def subset(self, rows: Sequence[int]) -> Self:
        """The same for some rows, in their order."""
        return replace(super().subset(rows), objects=self._of_rows(rows))

    def inputs(self) -> list[torch.Tensor]:
        """The volumes (1, D, H, W)."""
        return list(self.items)


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
        OutputError: The slices come from a cache that an older medrec filled.
    """
    if slices.to_source is None:
        raise OutputError(_OLD_CACHE)
    named = _read(slices.references, root, classes)
    told = [_tell(row, own, classes) for row, own in zip(slices.references, named, strict=True)]
    places = slices.to_source
    return DetectionSlices(
        images=slices.images,
        targets=to_targets((row.labels for row in told), slices.labels),
        references=tuple(told),
        labels=slices.labels,
        blank=slices.blank,
        to_source=slices.to_source,
        objects=_to_objects(
            named,
            list(classes),
            lambda row, corners: from_source_slice(corners, places[row]),
            numbers=_FLAT,
        ),
    )


def lay_solid_boxes(
    volumes: VolumeDataset, *, root: Path, classes: Mapping[str, Label]
) -> DetectionVolumes:
    """Lay the solid boxes of their files over prepared volumes; arguments as for `lay_boxes`.

    Raises:
        ManifestError: Whatever is wrong with boxes files or boxes, each kind at once; flat boxes.
        OutputError: The volumes come from a cache that an older medrec filled.
    """
    known = [place for place in volumes.places if place is not None]
    if len(known) < len(volumes):
        raise OutputError(_OLD_CACHE)
    named = _read(volumes.references, root, classes)
    _refuse_flat(volumes.references, named)
    told = [_tell(row, own, classes) for row, own in zip(volumes.references, named, strict=True)]

    def place(row: int, corners: FloatArray) -> FloatArray:
        *numbers, axis = known[row]
        to_source = np.array(numbers).reshape(4, 4)
        return from_source_volume(corners, to_source, slice_axis=int(axis))

    return DetectionVolumes(
        items=volumes.items,
        targets=to_targets((row.labels for row in told), volumes.labels),
        references=tuple(told),
        labels=volumes.labels,
        places=volumes.places,
        objects=_to_objects(named, list(classes), place, numbers=_SOLID),
    )


def _refuse_flat(references: Sequence[Reference], named: Sequence[Named | None]) -> None:
    flat = [
        f"{row.path}: a box without z0 and z1, which a detector of volumes needs"
        for row, own in zip(references, named, strict=True)
        if own and any(one.box.is_flat for _, one in own)
    ]
    if flat:
        where = "boxes"
        raise ManifestError(where, flat)


Named = tuple[tuple[str, "LabelledBox"], ...]


def _read(
    references: Sequence[Reference], root: Path, classes: Mapping[str, Label]
) -> list[Named | None]:
    """The boxes of each row with their classes; None where nobody knows them."""
    boxes = boxes_of_rows(references, root=root, size_of=known_image_size)
    return _name(references, with_negatives(references, boxes), classes)


def _name(
    references: Sequence[Reference], boxes: Sequence[Boxes | None], classes: Mapping[str, Label]
) -> list[Named | None]:
    """The class of each box.

    Raises:
        ManifestError: A box of none of the classes; each such label once, with the first file.
    """
    problems: dict[str, str] = {}

    def named(row: Reference, one: LabelledBox) -> tuple[str, LabelledBox]:
        for name in one.names:
            if name in classes:
                return name, one
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
    named: Sequence[Named | None],
    names: list[str],
    place: Callable[[int, FloatArray], FloatArray],
    *,
    numbers: int,
) -> torch.Tensor:
    """(N, M, numbers + 1); `place` carries corners of the source of a row into its picture."""
    most = max([1, *(len(own) for own in named if own)])
    objects = torch.zeros(len(named), most, numbers + 1)
    objects[..., -1] = NOTHING
    for row, own in enumerate(named):
        if own is None:
            objects[row] = UNKNOWN
        elif own:
            corners = np.array([[*one.box.low, *one.box.high] for _, one in own])
            objects[row, : len(own), :-1] = torch.from_numpy(place(row, corners)).float()
            objects[row, : len(own), -1] = torch.tensor([_class(names, *each) for each in own])
    return objects


def _class(names: list[str], name: str, one: LabelledBox) -> float:
    number = names.index(name)
    return float(IGNORED - number if one.is_ignored else number)
