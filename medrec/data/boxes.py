"""Boxes that somebody drew, as COCO's JSON or as CSV: `path,x0,y0,x1,y1[,z0,z1],label`, and more.

Paths are relative to the boxes file. A path without a row has nothing in it; a row of the manifest
that names no boxes file is unknown. YOLO's text files hold boxes of one image each: of that whose
row names the file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.data.importers_coco import read_coco_boxes
from medrec.data.importers_yolo import find_class_names, read_yolo_boxes
from medrec.data.table import read_table
from medrec.domain.box import Box, fit
from medrec.domain.finding import Label
from medrec.domain.reference import LabelledBox
from medrec.errors import ManifestError
from medrec.io.image_size import known_image_size
from medrec.io.tables import write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from medrec.data.table import Row
    from medrec.domain.box import ImageSize
    from medrec.domain.reference import Reference

PLANE = ("x0", "y0", "x1", "y1")
DEPTH = ("z0", "z1")
REQUIRED = ("path", *PLANE, "label")
FIXED = ("path", *PLANE, *DEPTH, "label")

Boxes = tuple[LabelledBox, ...]


def read_boxes(
    path: Path,
    *,
    known: Collection[Path] | None = None,
    size_of: Callable[[Path], ImageSize | None] | None = None,
) -> dict[Path, Boxes]:
    """Read a boxes file: the boxes of each image that it names, by its absolute path.

    What hangs over an image's edge is cut off. Columns beside the fixed ones are attributes.

    Args:
        path: The boxes file.
        known: The files that there are, by absolute path. A row of another file is wrong unless
            that file is there; its boxes are left out.
        size_of: Tells the size of an image, or None where it can't be told.

    Raises:
        ManifestError: Every wrong row, by line: corners in the wrong order or outside the image,
            no number, no label, an unknown file; or a file that holds no boxes.
    """
    reader = _RowReader(path.parent, known, size_of)
    if path.suffix.lower() == ".json":
        for name, box in read_coco_boxes(path):
            reader.place(f"a box of {box.label}", name, box)
    else:
        _read_table(path, reader)
    if reader.problems:
        raise ManifestError(str(path), reader.problems)
    return {file: tuple(boxes) for file, boxes in reader.found.items()}


def _read_table(path: Path, reader: _RowReader) -> None:
    """Read a CSV.

    Raises:
        ManifestError: It is none, or lacks a column.
    """
    if is_yolo(path):
        raise ManifestError(str(path), ["is of YOLO, and holds boxes of one image: name that one"])
    table = read_table(path)
    missing = [f"column {name}: missing" for name in REQUIRED if name not in table.columns]
    if len(set(DEPTH) & set(table.columns)) == 1:
        missing.append("columns z0 and z1: wanted both or neither")
    if missing:
        missing.append(f"a boxes file has the columns {','.join(FIXED)}")
        raise ManifestError(str(path), missing)
    reader.problems.extend(table.uneven)
    for row in table.rows:
        reader.read(row)


def boxes_of_rows(
    references: Sequence[Reference],
    *,
    root: Path,
    size_of: Callable[[Path], ImageSize | None] | None = None,
) -> list[Boxes | None]:
    """The boxes of each row of a manifest that lies in `root`; None where they are unknown.

    Of a slice row they are flat: cuts of the solid boxes that hold the slice's middle. A row of a
    whole volume has them solid. An empty tuple says that nothing is there.

    Raises:
        ManifestError: Whatever is wrong with any of the boxes files, all at once.
    """
    tables, problems = read_boxes_files(references, root=root, size_of=size_of)
    if problems:
        where = "boxes"
        raise ManifestError(
            where, [f"{name}: {one}" for name in problems for one in problems[name]]
        )
    return [boxes_of_row(row, tables[row.boxes], root) if row.boxes else None for row in references]


def read_boxes_files(
    references: Sequence[Reference],
    *,
    root: Path,
    size_of: Callable[[Path], ImageSize | None] | None = None,
) -> tuple[dict[str, Mapping[Path, Boxes]], dict[str, list[str]]]:
    """What each boxes file that rows name holds, and what is wrong with the others, by name."""
    images: dict[str, set[Path]] = {}
    for row in references:
        if row.boxes:
            images.setdefault(row.boxes, set()).add(absolute(root / row.path))
    known = {absolute(root / row.path) for row in references}
    names = _ClassNames()
    tables: dict[str, Mapping[Path, Boxes]] = {}
    problems: dict[str, list[str]] = {}
    for name, own in images.items():
        file = root / name
        try:
            if is_yolo(file):
                tables[name] = _read_yolo(file, own, names, size_of or known_image_size)
            else:
                tables[name] = read_boxes(file, known=known, size_of=size_of)
        except ManifestError as error:
            problems[name] = list(error.problems)
    return tables, problems


def is_yolo(path: Path) -> bool:
    """Whether a boxes file is one of YOLO's: by its name."""
    return path.suffix.lower() == ".txt"


@dataclass(frozen=True, slots=True)
class _ClassNames:
    """Names of classes, read once a folder: an archive has a text file for each image."""

    of_folder: dict[Path, dict[int, str]] = field(default_factory=dict)

    def of(self, file: Path) -> dict[int, str]:
        """Those of a text file.

        Raises:
            ManifestError: Nothing tells them.
        """
        if file.parent not in self.of_folder:
            self.of_folder[file.parent] = find_class_names(file)
        return self.of_folder[file.parent]


def _read_yolo(
    file: Path,
    images: Collection[Path],
    names: _ClassNames,
    size_of: Callable[[Path], ImageSize | None],
) -> dict[Path, Boxes]:
    """The boxes of the one image whose row names a text file of YOLO.

    Raises:
        ManifestError: Several images name it, the image can't be measured, or wrong lines.
    """
    if len(images) > 1:
        problem = f"is of YOLO, and holds boxes of one image, but {len(images)} images name it"
        raise ManifestError(str(file), [problem])
    (image,) = images
    classes, size = names.of(absolute(file)), size_of(image)
    if size is None:
        raise ManifestError(str(file), ["holds shares of an image whose size can't be read"])
    return {image: read_yolo_boxes(file, size=size, names=classes)}


def with_negatives(
    references: Sequence[Reference], boxes: Sequence[Boxes | None]
) -> list[Boxes | None]:
    """The boxes of rows as `boxes_of_rows` gives them, and of negative rows without a file none."""
    return [
        nothing_if_negative(row) if own is None else own
        for row, own in zip(references, boxes, strict=True)
    ]


def nothing_if_negative(row: Reference) -> Boxes | None:
    """The boxes of a row that names no boxes file: none where all its labels are negative."""
    known = list(row.labels.values())
    return () if known and all(label is False for label in known) else None


def write_boxes(path: Path, boxes: Iterable[tuple[str, LabelledBox]]) -> None:
    """Write a boxes CSV of (path relative to the file, box); z only where a box has one.

    Raises:
        OSError: The folder can't be written.
    """
    rows = [_to_cells(name, box) for name, box in boxes]
    depth = DEPTH if any("z0" in row for row in rows) else ()
    attributes = dict.fromkeys(name for row in rows for name in row if name not in FIXED)
    write_rows(path, ("path", *PLANE, *depth, "label", *attributes), rows)


def absolute(path: Path) -> Path:
    """An absolute path without `..`; links stay, so that two names of one file stay two."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path.resolve would follow links)


def boxes_of_row(row: Reference, table: Mapping[Path, Boxes], root: Path) -> Boxes:
    """The boxes of a row by the table of its boxes file; of a slice row their cuts, flat."""
    found = table.get(absolute(root / row.path), ())
    if row.slice is None:
        return found
    cuts = [(one, one.box.on_slice(row.slice)) for one in found]
    return tuple(LabelledBox(cut, one.label, one.attributes) for one, cut in cuts if cut)


def _to_cells(name: str, one: LabelledBox) -> dict[str, object]:
    corners = {key: getattr(one.box, key) for key in (*PLANE, *DEPTH)}
    cells: dict[str, object] = {key: f"{at:.10g}" for key, at in corners.items() if at is not None}
    return {"path": name, **cells, "label": str(one.label), **one.attributes}


@dataclass(frozen=True, slots=True)
class _RowReader:
    """Reads rows, noting all that is wrong with them in `problems`."""

    folder: Path
    known: Collection[Path] | None
    size_of: Callable[[Path], ImageSize | None] | None
    problems: list[str] = field(default_factory=list)
    sizes: dict[Path, ImageSize | None] = field(default_factory=dict)
    found: dict[Path, list[LabelledBox]] = field(default_factory=dict)

    def read(self, row: Row) -> None:
        """Read a row of a CSV."""
        cells = row.cells
        empty = [name for name in ("path", "label") if not cells[name]]
        self.problems.extend(f"line {row.line}, column {name}: empty" for name in empty)
        box = self._box(row)
        if not empty and box is not None:
            others = {name: cells[name] for name in cells if name not in FIXED and cells[name]}
            one = LabelledBox(box, Label(cells["label"]), others)
            self.place(f"line {row.line}", cells["path"], one)

    def place(self, where: str, path: str, one: LabelledBox) -> None:
        """Hold a box against its image, whose path is as written; note what is wrong."""
        file = absolute(self.folder / path)
        if self.known is not None and file not in self.known:
            if not file.exists():
                # Paths may hold names, and problems may be written into reports.
                self._refuse(where, "its file is neither in the manifest nor there at all")
            return
        try:
            size = self._size(file)
            fitted = fit(one.box, size) if size is not None else one.box
        except ValueError as error:
            self._refuse(where, str(error))
            return
        self.found.setdefault(file, []).append(replace(one, box=fitted))

    def _box(self, row: Row) -> Box | None:
        numbers: dict[str, float] = {}
        for name in (*PLANE, *DEPTH):
            text = row.cells.get(name, "")
            if not text and name in DEPTH:
                continue
            try:
                numbers[name] = float(text)
            except ValueError:
                self.problems.append(f"line {row.line}, column {name}: {text!r}; wanted a number")
                return None
        try:
            return Box(**numbers)
        except ValueError as error:
            self._refuse(f"line {row.line}", str(error))
            return None

    def _size(self, file: Path) -> ImageSize | None:
        if file not in self.sizes:
            self.sizes[file] = self.size_of(file) if self.size_of else None
        return self.sizes[file]

    def _refuse(self, where: str, why: str) -> None:
        self.problems.append(f"{where}: {why}")
