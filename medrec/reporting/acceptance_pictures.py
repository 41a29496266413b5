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

    from medrec.evaluation.trials import TestedLesion
    from medrec.reporting.overlays import DrawnImage

MOST = 24
_AROUND = 2.0
_LEAST_SHARE = 0.2
# What is shown around a lesion: twice its size on each side, a fifth of the picture at least.


@dataclass(frozen=True, eq=False)
class MissedLesion:
    """A lesion that was missed, and its picture."""

    lesion: TestedLesion
    drawn: DrawnImage


class MissedLesions:
    """Keeps pictures of the largest and strongest of the lesions that are offered."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: list[MissedLesion] = []

    def offer(self, lesion: TestedLesion, picture: NDArray[np.floating[Any]], box: Box) -> None:
        """Draw a lesion's surroundings of a picture (rows, columns), if it is one to be kept."""
        if len(self._kept) == self._most and _rank(lesion) <= _rank(self._kept[-1].lesion):
            return
        drawn = draw_lesion(picture, box)
        if drawn is not None:
            kept = sorted(
                [*self._kept, MissedLesion(lesion, drawn)], key=lambda m: -_rank(m.lesion)
            )
            self._kept = kept[: self._most]

    @property
    def kept(self) -> tuple[MissedLesion, ...]:
        """The most telling first."""
        return tuple(self._kept)


def draw_lesion(picture: NDArray[np.floating[Any]], box: Box) -> DrawnImage | None:
    """The surroundings of a box in a picture (rows, columns), the box drawn over them, small."""
    rows, columns = picture.shape
    x, y = box.centre[:2]
    half = max(_AROUND * max(box.sides[:2]), _LEAST_SHARE / 2 * min(rows, columns))
    left, top = max(0, int(x - half)), max(0, int(y - half))
    right, bottom = min(columns, int(x + half) + 1), min(rows, int(y + half) + 1)
    part = np.ascontiguousarray(picture[top:bottom, left:right], dtype=np.float32)
    own = Box(box.x0 - left, box.y0 - top, box.x1 - left, box.y1 - top)
    lesion = JudgedLesion(LabelledBox(own, Label("lesion")), "missed", 0.0)
    image = JudgedImage(slice=None, source="", path="", lesions=(lesion,), boxes=())
    window = percentile_window(np.asarray(picture))
    drawn = draw_image(image, to_backdrop(part, window=window, turn=Turn()))
    return None if drawn is None else drawn.small()


def _rank(lesion: TestedLesion) -> float:
    return lesion.size * lesion.strength
