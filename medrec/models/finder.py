"""Boxes of pictures and volumes by one detector or several: windows, mirror images, fusion.

The one way from pixels to boxes: validation, calibration and screening all look through it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

import torch

from medrec.models.boxes import BoxRules, choose, clip
from medrec.models.fusion import fuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.models.detections import Detections, DetectorOutput
    from medrec.models.detectors import Detector
    from medrec.models.windows import Windows

_PIXELS_AT_ONCE = 4 * 320 * 320
"""On the CPU. glibc gives blocks above 32 MB back after each use, and the system clears them anew:
eight pictures at once took a quarter longer than twice four (one core, 320 px, 2026-11)."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in one picture: its boxes, and what the image head says of it (K,), if any.

    `is_finite` is False where the network gave anything that is no number: then nothing is found,
    which doesn't mean that nothing is there.
    """

    boxes: Detections
    image_logits: torch.Tensor | None
    is_finite: bool = True

    def to(self, device: str) -> Found:
        """The same on another device."""
        heads = self.image_logits
        moved = None if heads is None else heads.to(device)
        return Found(self.boxes.to(device), moved, self.is_finite)


@dataclass(frozen=True, slots=True)
class Finder:
    """How to look; see `medrec.config.model.BoxesConfig`.

    Args:
        rules: Which boxes are kept.
        windows: The window that slides over pictures larger than it; None looks at the whole.
        mirrors: Axes of the picture along which it is mirrored and looked at once more.
        fusion_overlap: Above this, boxes of several looks are of one lesion.
    """

    rules: BoxRules = field(default_factory=BoxRules)
    windows: Windows | None = None
    mirrors: tuple[int, ...] = ()
    fusion_overlap: float = 0.3

    def __call__(self, detectors: Sequence[Detector], images: torch.Tensor) -> list[Found]:
        """Look at images (B, 1, H, W) or (B, 1, D, H, W) float32 with every detector.

        Several looks vote: see `medrec.models.fusion.fuse`; logits of pictures are their means.
        """
        parts = torch.split(images, self._at_once(images))
        return [found for part in parts for found in self._find(detectors, part)]

    def _at_once(self, images: torch.Tensor) -> int:
        """How many images go through a network together: on a GPU all."""
        if images.device.type != "cpu":
            return len(images)
        seen = self.windows.size if self.windows is not None else images.shape[2:]
        return max(1, _PIXELS_AT_ONCE // prod(seen))

    def _find(self, detectors: Sequence[Detector], images: torch.Tensor) -> list[Found]:
        looks = [
            self._mirrored(detector, images, axis)
            for detector in detectors
            for axis in (None, *self.mirrors)
        ]
        if len(looks) == 1:
            return looks[0]
        return [self._together(of_picture) for of_picture in zip(*looks, strict=True)]

    def _together(self, looks: Sequence[Found]) -> Found:
        boxes = fuse([one.boxes for one in looks], overlap=self.fusion_overlap, is_vote=True)
        kept = boxes.highest(self.rules.most)
        heads = [one.image_logits for one in looks if one.image_logits is not None]
        is_finite = all(one.is_finite for one in looks)
        return Found(kept, torch.stack(heads).mean(dim=0) if heads else None, is_finite)

    def _mirrored(self, detector: Detector, images: torch.Tensor, axis: int | None) -> list[Found]:
        if axis is None:
            return self._look(detector, images)
        found = self._look(detector, images.flip(axis + 2))
        length = images.shape[axis + 2]
        return [replace(one, boxes=one.boxes.flipped(axis, length)) for one in found]

    def _look(self, detector: Detector, images: torch.Tensor) -> list[Found]:
        shape = tuple(images.shape[2:])
        windows = self.windows
        if windows is None:
            return self._choose(detector(images), detector.label_of, shape)
        parts: list[list[_Part]] = [[] for _ in images]
        for start in windows.starts(shape):
            for own, seen in zip(
                parts, self._through(windows, detector, images, start), strict=True
            ):
                own.append(seen)
        return [self._one(own, shape) for own in parts]

    def _through(
        self, windows: Windows, detector: Detector, images: torch.Tensor, start: Sequence[int]
    ) -> list[_Part]:
        """What one window shows of each image."""
        shape = tuple(images.shape[2:])
        sides = zip(windows.size, shape, start, strict=True)
        visible = tuple(min(size, side - low) for size, side, low in sides)
        output = detector(windows.cut(images, start))
        every = self._choose(output, detector.label_of, visible)
        # A box that a window doesn't answer for may have suppressed all that it answers for.
        likeliest = choose(
            output,
            detector.label_of,
            replace(self.rules, lowest_logit=torch.inf),
            visible,
            where=lambda boxes: windows.answers(boxes, start, shape),
        )
        return [
            _Part(
                replace(one, boxes=windows.own(one.boxes, start, shape)),
                spare.moved(spare.boxes.new_tensor(list(start))),
            )
            for one, spare in zip(every, likeliest, strict=True)
        ]

    def _choose(
        self, output: DetectorOutput, label_of: Sequence[int], shape: Sequence[int]
    ) -> list[Found]:
        boxes = choose(output, label_of, self.rules, shape)
        rows = zip(boxes, _heads(output), _are_finite(output), strict=True)
        return [Found(*row) for row in rows]

    def _one(self, parts: Sequence[_Part], shape: Sequence[int]) -> Found:
        """Of one picture, what its windows found; the whole is as likely as the likeliest one."""
        seen = [part.found for part in parts]
        boxes = fuse([one.boxes for one in seen], overlap=self.fusion_overlap, is_vote=False)
        boxes = _and_missing(cut_boxes(boxes, shape), [part.likeliest for part in parts])
        heads = [one.image_logits for one in seen if one.image_logits is not None]
        kept = boxes.highest(self.rules.most)
        is_finite = all(one.is_finite for one in seen)
        return Found(kept, torch.stack(heads).amax(dim=0) if heads else None, is_finite)


@dataclass(frozen=True, eq=False)
class _Part:
    """What a window shows: what it answers for, and of that the likeliest box of each label."""

    found: Found
    likeliest: Detections


def _and_missing(boxes: Detections, likeliest: list[Detections]) -> Detections:
    """The same, and of each label that has no box among them the likeliest one that windows saw."""
    have = set(boxes.labels.tolist())
    spare = type(boxes).joined(likeliest)
    missing = spare.pick(
        torch.tensor([label not in have for label in spare.labels.tolist()], dtype=torch.bool)
    )
    return boxes.joined([boxes, missing.highest(0)]) if len(missing) else boxes


def _heads(output: DetectorOutput) -> list[torch.Tensor | None]:
    if output.image_logits is None:
        return [None] * len(output.boxes)
    return list(output.image_logits)


def _are_finite(output: DetectorOutput) -> list[bool]:
    """Of each picture: a place that is no number is likelier than no other, and would be lost."""
    parts = [output.class_logits, output.boxes, output.logits]
    every = torch.stack([torch.isfinite(part).flatten(1).all(dim=1) for part in parts])
    found: list[bool] = every.all(dim=0).tolist()
    return found


def cut_boxes(found: Detections, shape: Sequence[int]) -> Detections:
    """Cut boxes at the edges of the whole: a window that hangs over them finds some beyond."""
    half = len(shape)
    cut = clip(found.boxes, shape)
    inside = (cut[:, half:] - cut[:, :half] > 0).all(dim=1)
    return type(found)(cut, found.logits, found.labels, found.classes).pick(inside)
