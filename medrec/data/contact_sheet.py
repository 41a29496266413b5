"""Pairs of pictures for a person to look at: row numbers, and no names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from medrec.data.duplicates import CONFIRMED
from medrec.data.thumbnails import SIZE_PX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.data.duplicates import Near

MOST_PAIRS = 60

_ACROSS = 3
_ENLARGED = 2
_TEXT_PX = 18
_GAP_PX = 16
_BETWEEN_PX = 3


def write_contact_sheet(
    path: Path, thumbnails: NDArray[np.uint8], pairs: Sequence[Near], names: Sequence[str]
) -> None:
    """Draw up to 60 pairs, side by side, each with its rows, correlation and verdict, as PNG.

    Args:
        path: The file to write.
        thumbnails: (N, 2, 96, 96), of which the whole frame is shown.
        pairs: The most alike first.
        names: What to call each row: numbers, never paths or patients.

    Raises:
        OSError: The folder can't be written.
    """
    side = SIZE_PX * _ENLARGED
    width, height = 2 * side + _BETWEEN_PX + _GAP_PX, side + _TEXT_PX + _GAP_PX
    shown = pairs[:MOST_PAIRS]
    rows = -(-len(shown) // _ACROSS)
    sheet = Image.new("L", (_ACROSS * width, max(1, rows) * height), color=255)
    pen = ImageDraw.Draw(sheet)
    for number, pair in enumerate(shown):
        left, top = number % _ACROSS * width, number // _ACROSS * height
        verdict = "one picture" if pair.correlation >= CONFIRMED else "look"
        rows_of_it = f"rows {names[pair.first]} and {names[pair.second]}"
        text = f"{rows_of_it}: {pair.correlation:.3f}, {verdict}"
        pen.text((left + 2, top + 2), text, fill=0)
        for place, row in enumerate((pair.first, pair.second)):
            picture = Image.fromarray(np.ascontiguousarray(thumbnails[row, 0]))
            corner = (left + place * (side + _BETWEEN_PX), top + _TEXT_PX)
            sheet.paste(picture.resize((side, side)), corner)
    part = path.with_name(f"{path.name}.part")
    sheet.save(part, format="PNG")
    part.replace(path)
