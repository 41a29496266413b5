"""Large pictures and volumes through a window that slides over them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.models.detections import Detections

_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Windows:
    """A window of `size` (D sides) that slides so that neighbours share `overlap` of it.

    A lesion of up to half the shared part is seen whole by a window that answers for it.
    """

    size: tuple[int, ...]
    overlap: float = 0.5

    def starts(self, shape: Sequence[int]) -> list[tuple[int, ...]]:
        """The low corners of the windows that cover a picture of `shape`; (0, ...) if it fits.

        >>> Windows((4,), overlap=0.5).starts((9,))
        [(0,), (2,), (4,), (5,)]
        """
        lines = [
            _starts(side, window, self.overlap)
            for side, window in zip(shape, self.size, strict=True)
        ]
        return list(product(*lines))

    def cut(self, images: torch.Tensor, start: Sequence[int]) -> torch.Tensor:
        """The window (B, C, *size) of images (B, C, *shape); what lies beyond them is 0."""
        part = images
        for axis, (low, side) in enumerate(zip(start, self.size, strict=True), start=2):
            part = part.narrow(axis, low, min(side, part.shape[axis] - low))
        missing = [side - have for side, have in zip(self.size, part.shape[2:], strict=True)]
        padding = [number for side in reversed(missing) for number in (0, side)]
        return torch.nn.functional.pad(part, padding) if any(missing) else part

    def own(self, found: Detections, start: Sequence[int], shape: Sequence[int]) -> Detections:
        """What a window answers for, in the picture's frame; `found` is in the window's."""
        inside = self.answers(found.boxes, start, shape)
        return found.pick(inside).moved(found.boxes.new_tensor(list(start)))

    def answers(
        self, boxes: torch.Tensor, start: Sequence[int], shape: Sequence[int]
    ) -> torch.Tensor:
        """Which boxes (M, 2D) in its frame a window answers for: not what its edges may have cut.

        A quarter of the shared part is left to the neighbour: so the parts that windows answer for
        still share a half of it, and no lesion falls between two.
        """
        half = len(self.size)
        middles = (boxes[:, :half] + boxes[:, half:]) / 2
        inside = torch.ones(len(boxes), dtype=torch.bool, device=middles.device)
        for axis, (low, size, side) in enumerate(zip(start, self.size, shape, strict=True)):
            edge = size * self.overlap * _SHARE
            if low > 0:
                inside &= middles[:, axis] >= edge
            if low + size < side:
                inside &= middles[:, axis] <= size - edge
        return inside


def _starts(side: int, window: int, overlap: float) -> list[int]:
    if side <= window:
        return [0]
    step = max(round(window * (1 - overlap)), 1)
    return [*range(0, side - window, step), side - window]
