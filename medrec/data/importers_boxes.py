"""A table with one line a box, whatever its columns are called, to rows of a manifest and boxes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medrec.data.boxes import FIXED
from medrec.data.expressions import parse_expression
from medrec.data.imported_boxes import BoxedImage, BoxReader, assemble, spelled
from medrec.data.table import read_table
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from medrec.data.expressions import Expression
    from medrec.data.imported_boxes import ImportedBoxes
    from medrec.data.patients import PatientOfPath
    from medrec.data.table import Row
    from medrec.domain.reference import LabelledBox

_SIZES_OF_A_BOX = (4, 6)


@dataclass(frozen=True, slots=True)
class BoxColumns:
    """Which column says what.

    `box` are the columns of x0, y0, x1, y1[, z0, z1], or of x, y, width, height[, z, depth] where
    `is_size`; or one column of polygons, `[[x, y], …]`. `label` is what all boxes show, or
    `label_column` says it. `counts` is an expression: a box for which it is false counts neither
    way. `patient` is a column; without it, paths tell.
    """

    path: str
    box: tuple[str, ...]
    label: str | None = None
    label_column: str | None = None
    is_size: bool = False
    patient: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    counts: str | None = None


def import_boxes(
    table: Path,
    columns: BoxColumns,
    *,
    root: Path,
    patient: PatientOfPath | None = None,
    further: Iterable[str] = (),
) -> ImportedBoxes:
    """Make one row an image of a table of boxes.

    A line whose box is empty names an image in which nothing is.

    Args:
        table: CSV or TSV.
        columns: Which column says what.
        root: The folder that paths start from.
        patient: Tells the patient from a path, where no column does.
        further: Paths of images without a line: nothing is in them.

    Raises:
        ManifestError: Columns that aren't there, images that are missing, lines whose box is none
            or lies outside, images of two patients; all are listed.
    """
    read = read_table(table, delimiters=",;\t")
    reader = _Reader(BoxReader(root, columns.label if columns.label_column else None), columns)
    problems = reader.boxes.problems
    problems += reader.wrong_columns(read.columns)
    if problems:
        raise ManifestError(str(table), problems)
    for row in read.rows:
        reader.read(row)
    problems += read.uneven
    for path in further:
        reader.found.setdefault(path, [])
        reader.boxes.size(path, path)
    images = [
        BoxedImage(path, reader.patient_of(path, patient), tuple(boxes))
        for path, boxes in reader.found.items()
    ]
    labels = [columns.label] if columns.label is not None else reader.labels()
    reader.boxes.check_labels(labels)
    if not images and not problems:
        problems.append("holds no rows")
    if problems:
        raise ManifestError(str(table), problems)
    return assemble(images, labels, notes=reader.boxes.notes)


@dataclass(frozen=True, slots=True)
class _Reader:
    boxes: BoxReader
    columns: BoxColumns
    found: dict[str, list[LabelledBox]] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)

    def wrong_columns(self, present: Sequence[str]) -> list[str]:
        asked = self.columns
        named = [asked.path, *asked.box, asked.label_column, asked.patient]
        try:
            counted = [self._counts().column] if asked.counts else []
        except ValueError as error:
            return [f"what counts: {error}"]
        wanted = [name for name in (*named, *asked.attributes.values(), *counted) if name]
        problems = [
            f"column {name}: not there; the table has {', '.join(present)}"
            for name in dict.fromkeys(wanted)
            if name not in present
        ]
        if len(asked.box) not in (1, *_SIZES_OF_A_BOX):
            problems.append(f"a box has 4 or 6 columns, or 1 of polygons, not {len(asked.box)}")
        problems += [
            f"attribute {name}: a column of boxes files is called so; name it otherwise"
            for name in asked.attributes
            if name in FIXED
        ]
        if len(asked.box) == 1 and asked.is_size:
            problems.append("polygons have points and no width and height: leave out --size")
        return problems

    def _counts(self) -> Expression:
        return parse_expression(self.columns.counts or "")

    def labels(self) -> list[str]:
        return sorted({str(box.label) for boxes in self.found.values() for box in boxes})

    def patient_of(self, path: str, tell: Callable[[str], str] | None) -> str:
        if path in self.patients:
            return self.patients[path]
        if tell is None:
            self.boxes.problems.append(f"the image {path!r}: nothing tells its patient")
            return ""
        return self.boxes.patient(tell, path, f"the image {path!r}")

    def read(self, row: Row) -> None:
        asked, where = self.columns, f"line {row.line}"
        path = row.cells[asked.path]
        if not path:
            self.boxes.problems.append(f"{where}, column {asked.path}: empty; wanted a path")
            return
        path = spelled(path)
        self.found.setdefault(path, [])
        self.boxes.size(path, where)
        self._note_patient(row, path)
        cells = [row.cells[name] for name in asked.box]
        if not any(cells):
            return
        corners = self._corners(row, cells)
        box = self.boxes.box(path, corners, where) if corners is not None else None
        name = row.cells[asked.label_column] if asked.label_column else asked.label
        if not name:
            self.boxes.problems.append(f"{where}: says no label")
        elif box is not None:
            others = {key: row.cells[column] for key, column in asked.attributes.items()}
            ignored = self._is_ignored(row)
            self.found[path].append(
                self.boxes.labelled(box, name, is_ignored=ignored, attributes=others)
            )

    def _note_patient(self, row: Row, path: str) -> None:
        column = self.columns.patient
        if column is None:
            return
        patient = row.cells[column]
        if not patient:
            self.boxes.problems.append(f"line {row.line}, column {column}: empty; wanted whose "
                                       "scan it is")  # fmt: skip
        elif self.patients.setdefault(path, patient) != patient:
            self.boxes.problems.append(f"line {row.line}: the image {path!r} has another patient "
                                       "in a line before")  # fmt: skip

    def _is_ignored(self, row: Row) -> bool:
        if self.columns.counts is None:
            return False
        expression = self._counts()
        try:
            return expression(row.cells[expression.column]) is False
        except ValueError as error:
            self.boxes.problems.append(f"line {row.line}, column {expression.column}: {error}")
            return False

    def _corners(self, row: Row, cells: list[str]) -> list[float] | None:
        where = f"line {row.line}, column"
        if len(cells) == 1:
            return self._polygon(cells[0], f"{where} {self.columns.box[0]}")
        numbers = []
        for name, cell in zip(self.columns.box, cells, strict=True):
            try:
                numbers.append(float(cell))
            except ValueError:
                self.boxes.problems.append(f"{where} {name}: {cell!r}; wanted a number")
                return None
        if self.columns.is_size:
            plane = [*numbers[:2], numbers[0] + numbers[2], numbers[1] + numbers[3]]
            depth = [numbers[4], numbers[4] + numbers[5]] if numbers[4:] else []
            return [*plane, *depth]
        return numbers

    def _polygon(self, cell: str, where: str) -> list[float] | None:
        try:
            points = [(float(x), float(y)) for x, y in json.loads(cell)]
        except (ValueError, TypeError, RecursionError):
            points = []
        if len(points) < 3:  # noqa: PLR2004 (a polygon)
            self.boxes.problems.append(f"{where}: wanted a polygon, [[x, y], [x, y], [x, y], …]")
            return None
        xs, ys = zip(*points, strict=True)
        return [min(xs), min(ys), max(xs), max(ys)]
