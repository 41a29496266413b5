"""Pictures of the lesions that a model missed, the most telling ones kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medrec.domain.box import Box
from medrec.domain.finding import Label
from medrec.domain.reference import LabelledBox
from medrec.evaluation.detection_result import JudgedImage, JudgedLesion
from medrec.reporting.orientation import Turn
from medrec.reporting.overlays import draw_image, to_backdrop
from medrec.reporting.pictures import percentile_window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.evaluation.trials import TriedLesion
    from medrec.reporting.overlays import DrawnImage
    from medrec.reporting.pictures import Window

MOST = 24
_AROUND = 2.0
_LEAST_SHARE = 0.2
# What is shown around a lesion: twice its size on each side, a fifth of the picture at least.


@dataclass(frozen=True, eq=False)
class MissedLesion:
    """A lesion that was missed, and its picture."""

    lesion: TriedLesion
    drawn: DrawnImage


class MissedLesions:
    """Keeps the largest and strongest of the lesions that are offered, and what lies around them.

    They are drawn when they are asked for: most of those that are offered are never shown.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: list[tuple[TriedLesion, Surroundings]] = []

    def offer(self, lesion: TriedLesion, picture: NDArray[np.floating[Any]], box: Box) -> None:
        """Keep a lesion, whose box lies in a picture (rows, columns), if it is one of those."""
        if len(self._kept) == self._most and _rank(lesion) <= _rank(self._kept[-1][0]):
            return
        kept = [*self._kept, (lesion, cut_out(picture, box))]
        self._kept = sorted(kept, key=lambda one: -_rank(one[0]))[: self._most]

    def draw(self) -> tuple[MissedLesion, ...]:
        """The most telling first."""
        drawn = ((lesion, draw_lesion(around)) for lesion, around in self._kept)
        return tuple(MissedLesion(lesion, one) for lesion, one in drawn if one is not None)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A part of a picture (rows, columns), the lesion's box in it, and the whole one's window."""

    part: NDArray[np.float32]
    box: Box
    window: Window


def cut_out(picture: NDArray[np.floating[Any]], box: Box) -> Surroundings:
    """The surroundings of a box in a picture (rows, columns)."""
    rows, columns = picture.shape
    x, y = box.centre[:2]
    half = max(_AROUND * max(box.sides[:2]), _LEAST_SHARE / 2 * min(rows, columns))
    left, top = max(0, int(x - half)), max(0, int(y - half))
    right, bottom = min(columns, int(x + half) + 1), min(rows, int(y + half) + 1)
    return Surroundings(
        part=np.array(picture[top:bottom, left:right], dtype=np.float32),
        box=Box(box.x0 - left, box.y0 - top, box.x1 - left, box.y1 - top),
        window=percentile_window(picture[::4, ::4]),
    )


def draw_lesion(around: Surroundings) -> DrawnImage | None:
    """The lesion's box over its surroundings, small."""
    lesion = JudgedLesion(LabelledBox(around.box, Label("lesion")), "missed", 0.0)
    image = JudgedImage(slice=None, source="", path="", lesions=(lesion,), boxes=())
    backdrop = to_backdrop(around.part, window=around.window, turn=Turn())
    drawn = draw_image(image, backdrop)
    return None if drawn is None else drawn.small()


def _rank(lesion: TriedLesion) -> float:
    return lesion.size * lesion.strength
