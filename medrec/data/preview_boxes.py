"""Images with their boxes for a person to look at: row numbers, and no names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from medrec.errors import ScanError
from medrec.io.loading import load_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medrec.data.boxes import Boxes
    from medrec.domain.box import Box
    from medrec.domain.reference import LabelledBox, Reference

MOST_IMAGES = 24
_ACROSS = 6
_SIDE_PX = 256
_TEXT_PX = 16
_LINE_PX = 2
_PERCENTILES = (0.5, 99.5)
_COLOURS = ("#ff5a36", "#3ddc97", "#4cc9f0", "#f9c74f", "#c77dff", "#ff8fab")
_IGNORED = "#9aa5b1"


def write_preview(
    path: Path, references: Sequence[Reference], boxes: Sequence[Boxes | None], *, root: Path
) -> int:
    """Draw up to 24 images, three quarters of them with boxes, as PNG; returns how many.

    Of a volume the slice through the middle of its largest box is drawn, and the boxes that it
    cuts. Labels have colours, in the order of their names; boxes that count neither way are grey.
    An image that can't be read is left out.

    Args:
        path: The file to write.
        references: Rows of a manifest.
        boxes: Of each row, None where unknown.
        root: The folder that the rows' paths start from.

    Raises:
        OSError: The folder can't be written.
    """
    labels = sorted({str(one.label) for found in boxes for one in found or ()})
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(labels)}
    tiles = []
    for number in _chosen(boxes):
        row = references[number]
        try:
            tiles.append((_tile(root / row.path, row.slice, boxes[number] or (), colours), number))
        except ScanError:
            continue
    cell = _SIDE_PX + _TEXT_PX
    rows = max(1, -(-len(tiles) // _ACROSS))
    sheet = Image.new("RGB", (_ACROSS * _SIDE_PX, rows * cell), color="white")
    pen = ImageDraw.Draw(sheet)
    for place, (tile, number) in enumerate(tiles):
        left, top = place % _ACROSS * _SIDE_PX, place // _ACROSS * cell
        pen.text((left + 3, top + 2), f"row {number + 1}", fill="black")
        sheet.paste(tile, (left, top + _TEXT_PX))
    part = path.with_name(f"{path.name}.part")
    sheet.save(part, format="PNG")
    part.replace(path)
    return len(tiles)


def _chosen(boxes: Sequence[Boxes | None]) -> list[int]:
    """Row numbers, evenly taken: three quarters with boxes where there are so many."""
    full = [number for number, found in enumerate(boxes) if found]
    empty = [number for number, found in enumerate(boxes) if found == ()]
    few = min(len(empty), max(MOST_IMAGES // 4, MOST_IMAGES - len(full)))
    return sorted([*_evenly(full, MOST_IMAGES - few), *_evenly(empty, few)])


def _evenly(numbers: Sequence[int], most: int) -> list[int]:
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[at] for at in np.linspace(0, len(numbers) - 1, most).round().astype(int)]


def _tile(
    path: Path, number: int | None, boxes: Sequence[LabelledBox], colours: dict[str, str]
) -> Image.Image:
    volume = load_file(path)
    if number is None:
        number = _middle(boxes, volume.slice_count)
    picture = volume.slice_px(min(number, volume.slice_count - 1))
    low, high = np.percentile(picture, _PERCENTILES)
    grey = np.clip((picture - low) / max(high - low, 1e-6), 0, 1)
    image = Image.fromarray((255 * grey).round().astype(np.uint8)).convert("RGB")
    scale = _SIDE_PX / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    pen = ImageDraw.Draw(image)
    for one in boxes:
        cut = one.box.on_slice(number)
        if cut is not None:
            colour = _IGNORED if one.is_ignored else colours[str(one.label)]
            pen.rectangle(_scaled(cut, scale), outline=colour, width=_LINE_PX)
    return image


def _middle(boxes: Sequence[LabelledBox], slices: int) -> int:
    solid = [one.box for one in boxes if not one.box.is_flat]
    if not solid:
        return slices // 2
    return int(max(solid, key=lambda box: box.content).centre[2])


def _scaled(box: Box, scale: float) -> tuple[float, float, float, float]:
    return box.x0 * scale, box.y0 * scale, box.x1 * scale, box.y1 * scale
