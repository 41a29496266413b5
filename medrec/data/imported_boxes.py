"""What importers of boxes share: images that are there, boxes that lie in them, rows of both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medrec.data.importers_table import outside
from medrec.data.manifest import wrong_label
from medrec.domain.box import Box, fit
from medrec.domain.counting import counted
from medrec.domain.finding import Label
from medrec.domain.reference import IGNORE, TYPE, LabelledBox, Reference
from medrec.errors import ScanError
from medrec.io.image_size import read_image_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from medrec.domain.box import ImageSize
    from medrec.domain.reference import Split


@dataclass(frozen=True, slots=True)
class BoxedImage:
    """An image, whose it is, and its boxes; an empty tuple says that nothing is there."""

    path: str
    patient: str = field(repr=False)
    boxes: tuple[LabelledBox, ...]
    split: Split | None = None
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedBoxes:
    """Rows of a manifest, the boxes of each path, and what their owner should know."""

    references: tuple[Reference, ...]
    boxes: tuple[tuple[str, LabelledBox], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BoxReader:
    """Checks images and boxes, noting all that is wrong in `problems`.

    `as_label` makes one label of all classes; the class becomes the attribute `type` of the box.
    `clipped` holds the paths of images over whose edge a box hung. Without `opens_images`, images
    need not be there, and boxes are not held against their size.
    """

    root: Path
    as_label: str | None = None
    opens_images: bool = True
    problems: list[str] = field(default_factory=list)
    sizes: dict[str, ImageSize | None] = field(default_factory=dict)
    clipped: list[str] = field(default_factory=list)

    def size(self, path: str, where: str) -> ImageSize | None:
        """The size of an image; None, and a problem once, where it can't be used."""
        if not self.opens_images:
            return None
        if path not in self.sizes:
            self.sizes[path] = self._read(path, where)
        return self.sizes[path]

    def _read(self, path: str, where: str) -> ImageSize | None:
        if wrong := outside(path):
            self.problems.append(f"{where}: {wrong}")
            return None
        try:
            if not (self.root / path).exists():
                self.problems.append(f"{where}: the image {path!r} is not there")
                return None
            return read_image_size(self.root / path)
        except (ScanError, OSError, ValueError) as error:
            detail = error.detail if isinstance(error, ScanError) else "its name can't be used"
            self.problems.append(f"{where}: the image {path!r}: {detail}")
            return None

    def box(self, path: str, corners: Sequence[float], where: str) -> Box | None:
        """A box (x0, y0, x1, y1[, z0, z1]) cut to its image; None, and a problem, if it is none."""
        try:
            box = Box(*corners)
            size = self.sizes.get(path)
            fitted = fit(box, size) if size is not None else box
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None
        axes = len(fitted.sides)  # a box that became flat was not cut
        if (fitted.low, fitted.high) != (box.low[:axes], box.high[:axes]):
            self.clipped.append(path)
        return fitted

    def labelled(
        self,
        box: Box,
        name: str,
        *,
        is_ignored: bool = False,
        attributes: Mapping[str, str] | None = None,
    ) -> LabelledBox:
        """Name a box, by its class or by the one label."""
        known = {key: value for key, value in (attributes or {}).items() if value}
        if self.as_label is not None and name != self.as_label:
            known = {TYPE: name, **known}
        if is_ignored:
            known[IGNORE] = "1"
        return LabelledBox(box, Label(self.as_label or name), known)

    def patient(self, tell: Callable[[str], str], path: str, where: str) -> str:
        """Whose an image is; a problem where nothing tells."""
        try:
            return tell(path)
        except (ValueError, ScanError) as error:
            self.problems.append(f"{where}: {error}")
            return ""

    def check_labels(self, names: Iterable[str]) -> None:
        """See that labels can be columns of a manifest."""
        for name in dict.fromkeys([self.as_label] if self.as_label else names):
            if wrong := wrong_label(name):
                self.problems.append(f"label {name}: {wrong}")

    @property
    def notes(self) -> tuple[str, ...]:
        """What was set right."""
        if not self.clipped:
            return ()
        images = len(set(self.clipped))
        boxes = counted(len(self.clipped), "box", "boxes")
        edges = counted(images, "image", "images")
        return (f"{boxes} hung over the edge of {edges}: cut off there",)


def assemble(
    images: Sequence[BoxedImage], labels: Sequence[str], *, notes: Sequence[str] = ()
) -> ImportedBoxes:
    """Rows of images: a label is 1 where a box has it, unknown where only ignored ones do, else 0.

    `labels` are all that there may be, so that a label without a box has its column too.
    """
    return ImportedBoxes(
        references=tuple(
            Reference(
                path=image.path,
                patient=image.patient,
                labels={Label(name): _truth(image, name) for name in labels},
                split=image.split,
                mask=image.mask,
            )
            for image in images
        ),
        boxes=tuple((image.path, box) for image in images for box in image.boxes),
        notes=(*notes, *_repeats(images)),
    )


def _truth(image: BoxedImage, name: str) -> bool | None:
    ignored = {box.is_ignored for box in image.boxes if box.label == name}
    return True if False in ignored else None if ignored else False


def _repeats(images: Sequence[BoxedImage]) -> tuple[str, ...]:
    counts = [Counter((one.box, one.label) for one in image.boxes) for image in images]
    repeated = sum(times - 1 for count in counts for times in count.values())
    boxes = counted(repeated, "box is", "boxes are")
    return (f"{boxes} there twice or more",) if repeated else ()


def spelled(path: str) -> str:
    """One spelling of a path: two of one image would make two rows, one of them without its boxes.

    >>> spelled("./images//a.png")
    'images/a.png'
    """
    return PurePosixPath(path).as_posix()


def mapped(names: Mapping[int, str], as_label: str | None) -> tuple[str, ...]:
    """The labels that classes become, in order."""
    return (as_label,) if as_label is not None else tuple(dict.fromkeys(names.values()))
