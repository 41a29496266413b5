"""YOLO's text files to rows of a manifest and boxes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from medrec.data.imported_boxes import BoxedImage, BoxReader, assemble, mapped
from medrec.domain.counting import counted
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medrec.data.imported_boxes import ImportedBoxes
    from medrec.data.patients import PatientOfPath
    from medrec.domain.box import ImageSize
    from medrec.domain.reference import LabelledBox

IMAGES, LABELS = "images", "labels"
_ENDINGS = (".png", ".jpg", ".jpeg")
_NAMES = ("classes.txt", "data.yaml", "dataset.yaml")
_CELLS_OF_A_BOX = 5
_ABOVE = 4
"""Folders, from that of a text file upwards, in which the names of its classes are looked for."""


def import_yolo(
    root: Path, *, patient: PatientOfPath, as_label: str | None = None
) -> ImportedBoxes:
    """Make one row an image below `images/`; its boxes stand in the same place below `labels/`.

    A line is `class x y width height`, the centre and the size as shares of the image, or
    `class x y x y …`, a polygon. An image without a text file, or with an empty one, is empty.

    Args:
        root: The folder that holds `images`, `labels` and, for the names of classes, `data.yaml`,
            `dataset.yaml` or `classes.txt`.
        patient: Tells the patient from an image's path below `root`.
        as_label: One label for all classes, which become the attribute `type` of boxes.

    Raises:
        ManifestError: No images, text files without an image, lines that are no box of the image,
            unknown classes; all are listed.
    """
    reader = _Reader(BoxReader(root, as_label), _names(root))
    reader.boxes.check_labels(reader.names.values())
    paths = [
        path.relative_to(root).as_posix()
        for path in sorted((root / IMAGES).rglob("*"))
        if path.suffix.lower() in _ENDINGS
    ]
    if not paths:
        reader.boxes.problems.append(f"{IMAGES}/: no PNG or JPEG below it")
    images = [
        BoxedImage(path, reader.boxes.patient(patient, path, path), reader.read(path))
        for path in paths
    ]
    reader.boxes.problems.extend(_orphans(root, paths))
    reader.boxes.problems.extend(_shared(root, paths))
    if reader.boxes.problems:
        raise ManifestError(str(root), reader.boxes.problems)
    empty = sum(not (root / _label_file(path)).exists() for path in paths)
    lacking = counted(empty, "image has", "images have")
    notes = (f"{lacking} no text file: taken as empty",) if empty else ()
    return assemble(images, mapped(reader.names, as_label), notes=(*reader.boxes.notes, *notes))


def read_yolo_boxes(
    file: Path, *, size: ImageSize, names: Mapping[int, str]
) -> tuple[LabelledBox, ...]:
    """The boxes in the text file of one image; an empty file says that nothing is there.

    Raises:
        ManifestError: It can't be read, or lines that are no box of the image; all are listed.
    """
    reader = _Reader(BoxReader(file.parent, opens_images=False), dict(names))
    reader.boxes.sizes[file.name] = size
    found = reader.lines(file.name, file.name, size)
    if reader.boxes.problems:
        raise ManifestError(str(file), reader.boxes.problems)
    return found


def find_class_names(file: Path) -> dict[int, str]:
    """The names of the classes of a text file, from the nearest folder above it that tells them.

    Raises:
        ManifestError: None tells them, or what tells them can't be read.
    """
    for folder in (*file.parents,)[:_ABOVE]:
        if any((folder / name).is_file() for name in _NAMES):
            return _names(folder)
    problem = "nothing names the classes: wanted data.yaml with `names`, or classes.txt, above it"
    raise ManifestError(str(file), [problem])


def _names(root: Path) -> dict[int, str]:
    """Class names by number.

    Raises:
        ManifestError: No file says them.
    """
    plain = root / "classes.txt"
    try:
        if plain.is_file():
            lines = plain.read_text(encoding="utf-8").split("\n")
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
        for name in ("data.yaml", "dataset.yaml"):
            if (root / name).is_file():
                return _of_yaml(yaml.safe_load((root / name).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, TypeError) as error:
        problem = "the names of classes can't be read: wanted `names` in data.yaml, or classes.txt"
        raise ManifestError(str(root), [problem]) from error
    problem = "nothing names the classes: wanted data.yaml with `names`, or classes.txt, beside"
    raise ManifestError(str(root), [f"{problem} {IMAGES}/ and {LABELS}/"])


def _of_yaml(content: Any) -> dict[int, str]:  # noqa: ANN401 (whatever the file holds)
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        message = "no names"
        raise ValueError(message)
    return {int(number): str(name) for number, name in names.items()}


def _label_file(path: str) -> str:
    below = PurePosixPath(path).relative_to(IMAGES).with_suffix(".txt")
    return (PurePosixPath(LABELS) / below).as_posix()


def _shared(root: Path, paths: list[str]) -> list[str]:
    """Images that differ in their ending alone: their boxes stand in one text file."""
    images: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        images[_label_file(path)].append(path)
    return [
        f"{name}: holds boxes of one image, but {' and '.join(own)} have it: rename or remove one"
        for name, own in images.items()
        if len(own) > 1 and (root / name).exists()
    ]


def _orphans(root: Path, paths: list[str]) -> list[str]:
    wanted = {_label_file(path) for path in paths}
    found = (path.relative_to(root).as_posix() for path in sorted((root / LABELS).rglob("*.txt")))
    return [f"{path}: no image of this name below {IMAGES}/" for path in found
            if path not in wanted and PurePosixPath(path).name != "classes.txt"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reader:
    boxes: BoxReader
    names: dict[int, str] = field(default_factory=dict)

    def read(self, path: str) -> tuple[LabelledBox, ...]:
        size = self.boxes.size(path, path)
        name = _label_file(path)
        if size is None or not (self.boxes.root / name).exists():
            return ()
        return self.lines(path, name, size, where=f"{name}, ")

    def lines(
        self, path: str, name: str, size: ImageSize, *, where: str = ""
    ) -> tuple[LabelledBox, ...]:
        """The boxes that the text file `name` holds of the image `path`."""
        try:
            text = (self.boxes.root / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            self.boxes.problems.append(f"{where}can't be read as text")
            return ()
        lines = enumerate(text.split("\n"), start=1)
        found = [
            self._line(path, size, line.split(), f"{where}line {number}")
            for number, line in lines
            if line.strip()
        ]
        return tuple(box for box in found if box is not None)

    def _line(self, path: str, size: ImageSize, cells: list[str], where: str) -> LabelledBox | None:
        try:
            number, shares = int(cells[0]), [float(cell) for cell in cells[1:]]
        except ValueError:
            self.boxes.problems.append(f"{where}: wanted a class number and shares of the image")
            return None
        if number not in self.names:
            self.boxes.problems.append(f"{where}: class {number} has no name")
            return None
        if not all(-1 <= share <= 2 for share in shares):  # noqa: PLR2004 (an overhang is cut later)
            self.boxes.problems.append(
                f"{where}: wanted shares of the image between 0 and 1: are these pixels?"
            )
            return None
        corners = _corners(shares)
        if corners is None:
            problem = "wanted class, x, y, width and height, or a polygon of 3 points or more"
            self.boxes.problems.append(f"{where}: {problem}")
            return None
        scale = (size.columns, size.rows, size.columns, size.rows)
        pixels = [share * side for share, side in zip(corners, scale, strict=True)]
        box = self.boxes.box(path, pixels, where)
        return None if box is None else self.boxes.labelled(box, self.names[number])


def _corners(shares: list[float]) -> tuple[float, float, float, float] | None:
    if len(shares) == _CELLS_OF_A_BOX - 1:
        x, y, width, height = shares
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(shares) >= 6 and len(shares) % 2 == 0:  # noqa: PLR2004 (three points)
        return min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])
    return None
