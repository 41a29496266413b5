"""Lesions and boxes of one image with their verdicts, over its pixels where there are some."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from medrec.domain.finding import Region
from medrec.reporting.pictures import encode, page_size, percentile_window, shrink, to_grey
from medrec.reporting.render import to_data_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from medrec.domain.box import Box
    from medrec.evaluation.detection_result import JudgedBox, JudgedImage
    from medrec.evaluation.result import CaseOutcome
    from medrec.reporting.case_view import Letters
    from medrec.reporting.orientation import Turn
    from medrec.reporting.pictures import Window
    from medrec.reporting.render import Verbatim

_MARGIN = 0.08
_LONGEST_SIDE = 420.0
_PICTURE_BYTES = 40_000
_SMALL_PX, _SMALL_BYTES = 224, 6_000
_TEXT_PX, _LETTER_PX = 13.0, 7.0

LEGEND = (
    ("missed", "lesion, missed"),
    ("found", "lesion, found"),
    ("hit", "box on a lesion"),
    ("false", "box on nothing: false alarm"),
    ("second", "second box on a lesion"),
    ("ignored", "lesion that counts neither way"),
)
"""Kinds of rectangles, each with a colour and a line of its own (`_style.css`), and their words."""


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A slice as PNG or JPEG of `width` x `height`, turned, of stored pixels (rows, columns)."""

    data: bytes = field(repr=False)
    width: float
    height: float
    rows: int
    columns: int
    turn: Turn

    def place(self, box: Box) -> tuple[float, float, float, float]:
        """x, y, width and height of a box in a plane, as shown."""
        shown = self.turn.place(box, self.rows, self.columns)
        columns, rows = self.columns, self.rows
        if self.turn.transpose:
            columns, rows = rows, columns
        across, down = self.width / columns, self.height / rows
        return (
            shown.x0 * across,
            shown.y0 * down,
            (shown.x1 - shown.x0) * across,
            (shown.y1 - shown.y0) * down,
        )


class PictureSource(Protocol):
    """Gives the pixels of judged images."""

    def __call__(
        self, outcome: CaseOutcome, image: JudgedImage, number: int | None
    ) -> Backdrop | None:
        """An image of a case, or slice `number` of a volume; None where it can't be had."""


def to_backdrop(
    picture: NDArray[np.floating[Any]], *, window: Window | None, turn: Turn
) -> Backdrop:
    """Grey values (rows, columns) of a slice as a picture of at most 512 px and 40 kB."""
    shown = turn.apply(picture)
    grey = Image.fromarray(to_grey(shown, window or percentile_window(shown)))
    width, height = page_size(grey.size, turn.aspect)
    data = encode(grey.resize((width, height), Image.Resampling.BICUBIC))
    rows, columns = picture.shape
    return Backdrop(shrink(data, limit=_PICTURE_BYTES), width, height, rows, columns, turn)


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A rectangle in SVG units; `kind` is the verdict on a lesion or on a box."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str
    text: str
    text_x: float
    text_y: float


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """Where lesions and boxes lie: over the pixels, or to scale alone where `data` is None."""

    name: str
    width: float
    height: float
    boxes: tuple[DrawnBox, ...]
    data: bytes | None = field(default=None, repr=False)
    letters: Letters | None = None

    @property
    def uri(self) -> Verbatim | None:
        """The pixels, to be inlined."""
        return None if self.data is None else to_data_uri(self.data)

    def small(self) -> DrawnImage:
        """The same for an overview, its pixels in 6 kB at most."""
        if self.data is None:
            return self
        with Image.open(BytesIO(self.data)) as opened:
            image = opened.convert("L")
        image.thumbnail((_SMALL_PX, _SMALL_PX))
        return replace(self, data=shrink(encode(image), limit=_SMALL_BYTES))

    @property
    def alt(self) -> str:
        """What there is to see, in words."""
        said = ", ".join(box.title for box in self.boxes[:8])
        more = f" and {len(self.boxes) - 8} more" if len(self.boxes) > 8 else ""  # noqa: PLR2004
        return f"{self.name}: {said}{more}" if said else f"{self.name}: nothing marked"


def draw_image(
    image: JudgedImage, backdrop: Backdrop | None = None, *, number: int | None = None
) -> DrawnImage | None:
    """One image's lesions and boxes; of a volume those on slice `number`, or all seen along z.

    None where there is nothing to draw.
    """
    marks = [
        (cut, kind, words, text)
        for box, kind, words, text in _marks(image)
        if (cut := box if number is None else box.on_slice(number)) is not None
    ]
    if not marks:
        return None
    shown = image.slice if number is None else number
    name = "The whole image" if shown is None else f"Slice {shown}"
    if backdrop is None:
        place, width, height = _to_scale([box for box, *_ in marks])
    else:
        place, width, height = backdrop.place, backdrop.width, backdrop.height
    return DrawnImage(
        name=name,
        width=round(width, 1),
        height=round(height, 1),
        boxes=tuple(
            _drawn(place(box), kind, words, text, width) for box, kind, words, text in marks
        ),
        data=None if backdrop is None else backdrop.data,
        letters=None if backdrop is None else backdrop.turn.letters,
    )


def slices_to_draw(image: JudgedImage, *, most: int) -> list[int]:
    """Slices of a volume that show its lesions and boxes, missed lesions first; none twice.

    What lies on a slice that was chosen before needs none of its own.
    """
    order = ("missed", "false", "hit", "found", "second", "ignored")
    marks = sorted(_marks(image), key=lambda mark: order.index(mark[1]))
    chosen: list[int] = []
    for box, *_ in marks:
        if box.is_flat or any(box.on_slice(number) for number in chosen):
            continue
        chosen.append(int(box.centre[2]))
    return chosen[:most]


def _marks(image: JudgedImage) -> Iterator[tuple[Box, str, str, str]]:
    """Each lesion and box: where it is, its kind, what is said of it, and what is written on it."""
    words = dict(LEGEND)
    for lesion in image.lesions:
        text = "missed" if lesion.verdict == "missed" else ""
        yield lesion.truth.box, lesion.verdict, words[lesion.verdict], text
    for one in image.boxes:
        yield one.box, one.verdict, f"{words[one.verdict]}, {_value_words(one)}", _value(one)


def _value(one: JudgedBox) -> str:
    region = one.region
    return f"{region.probability if isinstance(region, Region) else region.score:.2f}"


def _value_words(one: JudgedBox) -> str:
    return f"{'probability' if isinstance(one.region, Region) else 'score'} {_value(one)}"


def _to_scale(
    boxes: list[Box],
) -> tuple[Callable[[Box], tuple[float, float, float, float]], float, float]:
    """How to place boxes without pixels: as stored, with a margin around all of them."""
    low = [min(box.low[axis] for box in boxes) for axis in (0, 1)]
    high = [max(box.high[axis] for box in boxes) for axis in (0, 1)]
    longest = max(high[0] - low[0], high[1] - low[1])
    margin = _MARGIN * longest
    scale = _LONGEST_SIDE / (longest + 2 * margin)

    def place(box: Box) -> tuple[float, float, float, float]:
        x, y = ((box.low[axis] - low[axis] + margin) * scale for axis in (0, 1))
        return x, y, box.sides[0] * scale, box.sides[1] * scale

    width, height = ((high[axis] - low[axis] + 2 * margin) * scale for axis in (0, 1))
    return place, width, height


def _drawn(
    at: tuple[float, float, float, float], kind: str, words: str, text: str, across: float
) -> DrawnBox:
    """A rectangle; words of missed lesions and second boxes stand below it, others above."""
    x, y, width, height = at
    above = y - 4 if y > _TEXT_PX + 4 else y + _TEXT_PX + 2
    text_y = y + height + _TEXT_PX if kind in ("missed", "second") else above
    text_x = max(0.0, min(x, across - _LETTER_PX * len(text)))
    return DrawnBox(
        x=round(x, 1),
        y=round(y, 1),
        width=round(width, 1),
        height=round(height, 1),
        kind=kind,
        title=words,
        text=text,
        text_x=round(text_x, 1),
        text_y=round(text_y, 1),
    )
