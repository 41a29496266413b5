"""Pictures of slices: grey values through a window, heat maps laid over them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw

from medrec.reporting.case_view import CasePictures, Place
from medrec.reporting.orientation import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medrec.domain.box import Box

Window = tuple[float, float]

LONGEST_SIDE_PX = 512
COLORMAP = "inferno"  # perceptually uniform, and still ordered in grey
_UNIMPORTANT = 0.15
_OPAQUE = 0.62
_CONTOUR = 0.5
_QUALITIES = (88, 78, 66, 52, 38)
BOX_COLOUR = (255, 176, 0)  # told from grey, and from the other colours, with any kind of sight
_LETTER_PX = 12


def to_grey(picture: NDArray[np.floating[Any]], window: Window) -> NDArray[np.uint8]:
    """Map a picture (rows, columns) through a window (centre, width) to 0..255.

    DICOM's linear function, PS3.3 C.11.2.1.2.1.
    """
    centre, width = window
    if width <= 1.0:  # the formula divides by width - 1; narrow windows occur in scaled data
        share = (picture - centre) / max(width, 1e-6) + 0.5
    else:
        share = (picture - (centre - 0.5)) / (width - 1.0) + 0.5
    finite = np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0)
    return _to_bytes(np.clip(finite, 0.0, 1.0))


def percentile_window(
    values: NDArray[np.floating[Any]], *, lower: float = 0.5, upper: float = 99.5
) -> Window:
    """A window (centre, width) between two percentiles of the finite values."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, [lower, upper]))
    if high - low < 1e-6:  # noqa: PLR2004 (one grey value alone)
        high = low + 1.0
    return (low + high) / 2.0, high - low


def overlay_heat(
    grey: NDArray[np.uint8], heat: NDArray[np.floating[Any]], *, contour: bool = True
) -> NDArray[np.uint8]:
    """Lay a heat map (rows, columns) in [0, 1] over a grey picture of the same shape: RGB.

    What is unimportant stays as it is; the contour runs where importance is 0.5.
    """
    share = np.clip(np.nan_to_num(heat), 0.0, 1.0)
    colour = colormaps[COLORMAP](share)[..., :3]
    alpha = _OPAQUE * np.clip((share - _UNIMPORTANT) / (_CONTOUR - _UNIMPORTANT), 0.0, 1.0)
    mixed = (1.0 - alpha[..., None]) * (grey[..., None] / 255.0) + alpha[..., None] * colour
    if contour:
        mixed[_edge(share >= _CONTOUR)] = 1.0
    return _to_bytes(mixed)


def _to_bytes(share: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.round(255.0 * share).astype(np.uint8)
    return levels


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(inside, 1, mode="edge")
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def draw_pictures(
    slice_index: int,
    picture: NDArray[np.floating[Any]],
    heat: NDArray[np.floating[Any]] | None = None,
    *,
    window: Window | None = None,
    turn: Turn | None = None,
    boxes: Sequence[tuple[Box, float]] = (),
) -> CasePictures:
    """Draw the key slice, number `slice_index` (0-based), plain and with where the model looked.

    Args:
        slice_index: Which slice it is.
        picture: Grey values (rows, columns) after rescale, as `Volume.slice_px` gives them.
        heat: Importance in [0, 1], on the same pixels.
        window: (centre, width) as acquired; None takes percentiles of the slice.
        turn: How to show it the usual way, from `usual_turn`.
        boxes: Regions on the slice, in its stored pixels, and what is written beside each.
    """
    turn = turn or Turn()
    shown = turn.apply(picture)
    chosen = window or percentile_window(shown)
    grey = Image.fromarray(to_grey(shown, chosen))
    size = page_size(grey.size, turn.aspect)
    grey = grey.resize(size, Image.Resampling.BICUBIC)
    heatmap = None
    if heat is not None:
        large = Image.fromarray(turn.apply(heat).astype(np.float32))
        large = large.resize(size, Image.Resampling.BILINEAR)
        heatmap = encode(Image.fromarray(overlay_heat(np.asarray(grey), np.asarray(large))))
    placed = [(turn.place(box, *picture.shape), value) for box, value in boxes]
    return CasePictures(
        slice=slice_index,
        key=encode(grey),
        heatmap=heatmap,
        boxes=encode(draw_boxes(grey, placed, shown.shape)) if placed else None,
        window=_window_words(chosen, acquired=window is not None),
        letters=turn.letters,
        place=Place(
            image=None,
            rows=picture.shape[0],
            columns=picture.shape[1],
            transpose=turn.transpose,
            flip_columns=turn.flip_columns,
            flip_rows=turn.flip_rows,
            aspect=turn.aspect,
        ),
    )


def draw_boxes(
    grey: Image.Image, boxes: Sequence[tuple[Box, float]], shape: tuple[int, ...]
) -> Image.Image:
    """Frame boxes of a picture of `shape` (rows, columns) that `grey` shows enlarged; RGB."""
    image = grey.convert("RGB")
    pen = ImageDraw.Draw(image)
    across, down = image.width / shape[1], image.height / shape[0]
    for box, value in boxes:
        x0, x1, y0, y1 = box.x0 * across, box.x1 * across, box.y0 * down, box.y1 * down
        pen.rectangle((x0 - 1, y0 - 1, x1, y1), outline=BOX_COLOUR, width=2)
        text = f"{value:.2f}"
        top = y0 - _LETTER_PX if y0 >= _LETTER_PX else y1 + 1
        pen.text((max(min(x0, image.width - 3 * _LETTER_PX), 0), top), text, fill=BOX_COLOUR)
    return image


def to_png(picture: NDArray[np.floating[Any]], window: Window) -> bytes:
    """Encode a picture (rows, columns) through a window, at most 512 px on its longest side."""
    image = Image.fromarray(to_grey(picture, window))
    return encode(image.resize(page_size(image.size, 1.0), Image.Resampling.BICUBIC))


def shrink(data: bytes, *, limit: int) -> bytes:
    """Encode a picture again, as JPEG and smaller in steps, until it has at most `limit` bytes."""
    if len(data) <= limit:
        return data
    with Image.open(BytesIO(data)) as opened:
        image = opened.convert("L" if opened.mode == "L" else "RGB")
    while True:
        for quality in _QUALITIES:
            encoded = encode(image, quality=quality)
            if len(encoded) <= limit:
                return encoded
        smaller = (max(1, image.width * 3 // 4), max(1, image.height * 3 // 4))
        if smaller == image.size:
            return encoded
        image = image.resize(smaller, Image.Resampling.LANCZOS)


def page_size(size: tuple[int, int], aspect: float) -> tuple[int, int]:
    """Square pixels, and 512 px on the longest side: small slices are enlarged, large ones cut."""
    width, height = float(size[0]), size[1] * aspect
    factor = LONGEST_SIDE_PX / max(width, height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def encode(image: Image.Image, *, quality: int | None = None) -> bytes:
    """As PNG, or as JPEG of a quality."""
    stream = BytesIO()
    if quality is None:
        image.save(stream, format="PNG")
    else:
        image.save(stream, format="JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def _window_words(window: Window, *, acquired: bool) -> str:
    centre, width = window
    if acquired:
        return f"window as acquired: centre {centre:g}, width {width:g}"
    return (
        f"no window in the file; 0.5th to 99.5th percentile: centre {centre:.4g}, width {width:.4g}"
    )
