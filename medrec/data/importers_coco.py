"""COCO's JSON to rows of a manifest and boxes."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medrec.data.imported_boxes import BoxedImage, BoxReader, assemble, mapped, spelled
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medrec.data.imported_boxes import ImportedBoxes
    from medrec.data.patients import PatientOfPath
    from medrec.domain.box import ImageSize
    from medrec.domain.reference import LabelledBox

_PARTS = ("images", "annotations", "categories")
_NUMBERS_OF_A_BOX = 4
_MOST_DIGITS = 40
"""Hashes of 128 bit are the longest IDs in use, and no pixel is near that."""


class _LongNumberError(Exception):
    """An integer that can be neither an ID nor a pixel: arithmetic with it would overflow."""


def import_coco(
    file: Path, *, root: Path, patient: PatientOfPath, as_label: str | None = None
) -> ImportedBoxes:
    """Make one row an image of a COCO file; images without an annotation are empty.

    `bbox` is [x, y, width, height]; without it the box is that of the polygons. A crowd's box
    counts neither way.

    Args:
        file: The JSON.
        root: The folder that file names start from.
        patient: Tells the patient from an image's path.
        as_label: One label for all categories, which become the attribute `type` of boxes.

    Raises:
        ManifestError: No COCO file; images that are missing or of another size than it says,
            annotations of unknown images or categories, boxes outside the image; all are listed.
    """
    reader = _Reader(BoxReader(root, as_label), patient)
    images = reader.read(_load(file))
    if not images and not reader.boxes.problems:
        reader.boxes.problems.append("names no images")
    if reader.boxes.problems:
        raise ManifestError(str(file), reader.boxes.problems)
    labels = mapped(reader.categories, as_label)
    return assemble(images, labels, notes=reader.boxes.notes)


def read_coco_boxes(file: Path) -> list[tuple[str, LabelledBox]]:
    """The boxes of a COCO file, by their image's `file_name`; no image is opened.

    Raises:
        ManifestError: No COCO file, or annotations that are wrong; all are listed.
    """
    reader = _Reader(BoxReader(file.parent, opens_images=False), patient=str)
    images = reader.read(_load(file))
    if reader.boxes.problems:
        raise ManifestError(str(file), reader.boxes.problems)
    return [(image.path, box) for image in images for box in image.boxes]


def _load(file: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        content = json.loads(file.read_bytes(), parse_int=_to_integer)
    except OSError as error:
        raise ManifestError(str(file), [f"can't be read: {error.strerror}"]) from error
    except _LongNumberError as error:
        raise ManifestError(str(file), [str(error)]) from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(str(file), ["is no JSON"]) from error
    found = content if isinstance(content, dict) else {}
    problems = [
        f"{part}: wanted a list of objects: is this a COCO file of detections' truth?"
        for part in _PARTS
        if not isinstance(found.get(part), list)
        or not all(isinstance(one, dict) for one in found[part])
    ]
    if problems:
        raise ManifestError(str(file), problems)
    return found


def _to_integer(digits: str) -> int:
    if (count := len(digits.lstrip("-"))) > _MOST_DIGITS:
        message = (
            f"holds a number of {count} digits, {digits[:8]}...: no ID and no pixel is so "
            "long; write the file again"
        )
        raise _LongNumberError(message)
    return int(digits)


@dataclass(frozen=True, slots=True)
class _Reader:
    boxes: BoxReader
    patient: PatientOfPath
    categories: dict[int, str] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)

    def read(self, content: dict[str, list[dict[str, Any]]]) -> list[BoxedImage]:
        for number, one in enumerate(content["categories"]):
            self._category(f"categories[{number}]", one)
        self.boxes.check_labels(self.categories.values())
        for number, one in enumerate(content["images"]):
            self._image(f"images[{number}]", one)
        found: dict[int, list[LabelledBox]] = defaultdict(list)
        for number, one in enumerate(content["annotations"]):
            for key, box in self._annotation(f"annotations[{number}]", one):
                found[key].append(box)
        return [
            BoxedImage(
                path,
                self.boxes.patient(self.patient, path, f"the image {path!r}"),
                tuple(found.get(key, ())),
            )
            for key, path in self.paths.items()
        ]

    def _category(self, where: str, one: dict[str, Any]) -> None:
        key, name = one.get("id"), one.get("name")
        if not isinstance(key, int) or not isinstance(name, str) or key in self.categories:
            self._refuse(where, "wanted an id of its own, a number, and a name")
        else:
            self.categories[key] = name

    def _image(self, where: str, one: dict[str, Any]) -> None:
        key, path = one.get("id"), one.get("file_name")
        if not isinstance(key, int) or not isinstance(path, str) or not path or key in self.paths:
            self._refuse(where, "wanted an id of its own, a number, and a file_name")
            return
        path = spelled(path)
        if path in self.paths.values():
            self._refuse(where, f"the image {path!r} is named twice")
            return
        self.paths[key] = path
        size = self.boxes.size(path, where)
        if size is not None and (said := _said(one)) and said != (size.columns, size.rows):
            self._refuse(
                where,
                f"says {said[0]} x {said[1]}, but the image {path!r} has {_in_words(size)}: its "
                "boxes were drawn in another frame",
            )

    def _annotation(self, where: str, one: dict[str, Any]) -> Iterator[tuple[int, LabelledBox]]:
        path = _at(self.paths, one.get("image_id"))
        name = _at(self.categories, one.get("category_id"))
        if path is None:
            self._refuse(where, f"image_id {one.get('image_id')!r} is no image here")
        if name is None:
            self._refuse(where, f"category_id {one.get('category_id')!r} is no category here")
        corners = self._corners(where, one)
        if path is None or name is None or corners is None:
            return
        box = self.boxes.box(path, corners, where)
        if box is not None:
            is_crowd = one.get("iscrowd") in (1, True)
            yield one["image_id"], self.boxes.labelled(box, name, is_ignored=is_crowd)

    def _corners(self, where: str, one: dict[str, Any]) -> tuple[float, ...] | None:
        numbers = one.get("bbox")
        if (
            isinstance(numbers, list)
            and len(numbers) == _NUMBERS_OF_A_BOX
            and _are_numbers(numbers)
        ):
            x, y, width, height = numbers
            return x, y, x + width, y + height
        outline = one.get("segmentation")
        if numbers is None and isinstance(outline, list) and outline:
            if all(_are_numbers(part) and len(part) >= 6 for part in outline):  # noqa: PLR2004 (3 points)
                xs = [x for part in outline for x in part[::2]]
                ys = [y for part in outline for y in part[1::2]]
                return min(xs), min(ys), max(xs), max(ys)
        elif numbers is None and isinstance(outline, dict):
            self._refuse(where, "has a run-length mask and no bbox: wanted [x, y, width, height]")
            return None
        self._refuse(where, "bbox: wanted four numbers, [x, y, width, height]")
        return None

    def _refuse(self, where: str, why: str) -> None:
        self.boxes.problems.append(f"{where}: {why}")


def _at(names: dict[int, str], key: object) -> str | None:
    """What a number stands for; None for what is no number, or none here."""
    return names.get(key) if isinstance(key, int) else None


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) for one in values
    )


def _said(one: dict[str, Any]) -> tuple[int, int] | None:
    width, height = one.get("width"), one.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _in_words(size: ImageSize) -> str:
    return f"{size.columns} x {size.rows}"
