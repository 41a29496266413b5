"""The slices through a region, side by side: cut out around it, the region framed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from medrec.reporting.case_view import Strip
from medrec.reporting.pictures import BOX_COLOUR, encode, percentile_window, to_grey
from medrec.reporting.regions import lies_in, region_words, shown_lesions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medrec.domain.box import Box
    from medrec.domain.finding import CasePrediction, RawRegion, Region
    from medrec.domain.volume import Volume
    from medrec.reporting.orientation import Turn

MOST_STRIPS = 6
MOST_TILES = 7
_TILE_PX = 112
_GAP_PX = 2
_LETTER_PX = 7
_AROUND = 2.5
"""A tile is so many times as wide as the region, so that one sees what it lies in."""
_LEAST_SHARE = 0.2
"""And never less than this share of the picture: a tile of a few pixels tells nobody anything."""


def draw_strips(
    prediction: CasePrediction, volumes: Sequence[tuple[Volume, Turn]]
) -> tuple[Strip, ...]:
    """A strip for each of the first regions that reports show.

    Args:
        prediction: The case.
        volumes: Its scored series or films, each with how its slices are turned to be shown.
    """
    strips = []
    for number, shown in enumerate(shown_lesions(prediction)[:MOST_STRIPS], start=1):
        found = next((pair for pair in volumes if lies_in(shown.parts[0], pair[0])), None)
        if found is not None:
            strips.append(_draw(number, shown.whole, *found))
    return tuple(strips)


def slices_through(region: Region | RawRegion, count: int) -> list[int]:
    """The slices that a region spans, at most 7 and evenly chosen, the first and last among them.

    Of a region on one slice of a stack these are it and its neighbours.
    """
    middle = region.slice or 0
    first, last = middle - 1, middle + 1
    if region.box_px.z0 is not None and region.box_px.z1 is not None:
        first, last = math.ceil(region.box_px.z0 - 0.5), math.ceil(region.box_px.z1 - 0.5) - 1
    first, last = max(first, 0), min(last, count - 1)
    if first > last:  # thinner than a slice, and between the middles of two
        return [middle]
    chosen = np.linspace(first, last, min(MOST_TILES, last - first + 1)).round().astype(int)
    return [int(number) for number in chosen]


def _draw(number: int, region: Region | RawRegion, volume: Volume, turn: Turn) -> Strip:
    slices = slices_through(region, volume.slice_count)
    pictures = [volume.slice_px(one) for one in slices]
    window = volume.window or percentile_window(volume.slice_px(region.slice or 0))
    rows, columns = pictures[0].shape
    shown = turn.place(region.box_px, rows, columns)
    cut = _around(shown, turn.apply(pictures[0]).shape, turn.aspect)
    strip = Image.new("RGB", (len(slices) * (_TILE_PX + _GAP_PX) - _GAP_PX, _TILE_PX))
    for place, (one, picture) in enumerate(zip(slices, pictures, strict=True)):
        is_on = region.box_px.on_slice(one) is not None
        if region.box_px.is_flat:
            is_on = one == (region.slice or 0)
        tile = _tile(to_grey(turn.apply(picture), window), cut, shown if is_on else None)
        if volume.slice_count > 1:
            _write(tile, str(one))
        strip.paste(tile, (place * (_TILE_PX + _GAP_PX), 0))
    return Strip(
        number=number, what=region_words(region), slices=tuple(slices), picture=encode(strip)
    )


@dataclass(frozen=True, slots=True)
class _Cut:
    """A part of a picture as shown, in its pixels; it may reach over no edge."""

    left: float
    top: float
    width: float
    height: float


def _around(box: Box, shape: tuple[int, ...], aspect: float) -> _Cut:
    """A square around a box, whatever the shape of pixels (height by width: `aspect`)."""
    rows, columns = shape[0], shape[1]
    (width, height), (x, y) = box.sides[:2], box.centre[:2]
    longest = max(width, height * aspect)
    most = min(columns, rows * aspect)
    side = min(max(_AROUND * longest, _LEAST_SHARE * most), most)
    across, down = side, side / aspect
    left = min(max(x - across / 2, 0.0), columns - across)
    top = min(max(y - down / 2, 0.0), rows - down)
    return _Cut(left, top, across, down)


def _tile(grey: NDArray[np.uint8], cut: _Cut, box: Box | None) -> Image.Image:
    ends = (cut.left, cut.top, cut.left + cut.width, cut.top + cut.height)
    tile = Image.fromarray(grey).resize(
        (_TILE_PX, _TILE_PX), Image.Resampling.BICUBIC, box=ends
    ).convert("RGB")  # fmt: skip
    if box is not None:
        across, down = _TILE_PX / cut.width, _TILE_PX / cut.height
        frame = (
            (box.x0 - cut.left) * across - 1,
            (box.y0 - cut.top) * down - 1,
            (box.x1 - cut.left) * across,
            (box.y1 - cut.top) * down,
        )
        ImageDraw.Draw(tile).rectangle(frame, outline=BOX_COLOUR, width=1)
    return tile


def _write(tile: Image.Image, text: str) -> None:
    """Write the slice's number into the corner, on black so that it is read on any picture."""
    pen = ImageDraw.Draw(tile)
    pen.rectangle((0, 0, _LETTER_PX * len(text) + 3, 12), fill=(0, 0, 0))
    pen.text((2, 1), text, fill=(243, 246, 248))


def strip_words(slices: Sequence[int]) -> str:
    """Which slices a strip shows.

    >>> strip_words([3, 4, 5]), strip_words([3, 6, 9]), strip_words([3])
    ('slices 3 to 5', 'slices 3, 6, 9', 'slice 3')
    """
    if len(slices) == 1:
        return f"slice {slices[0]}"
    if slices[-1] - slices[0] == len(slices) - 1:
        return f"slices {slices[0]} to {slices[-1]}"
    return f"slices {', '.join(map(str, slices))}"
