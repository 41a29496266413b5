"""What detectors return: boxes at every place of a picture, and what is kept of them.

A box is its low corner, then its high one, in the order of the picture's axes: (y0, x0, y1, x1) of
a picture (H, W), (z0, y0, x0, z1, y1, x1) of a volume (D, H, W). Corners are edges of pixels,
half-open: pixel n spans n to n + 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from medrec.models.outputs import ClassifierOutput


@dataclass(frozen=True, eq=False)
class DetectorOutput(ClassifierOutput):
    """A detector's opinion of B pictures of D axes at each of its A places, before any choice.

    `logits` (B, K) are those of whole pictures, never below that of a place; `class_logits` is
    (B, A, C), `boxes` (B, A, 2D), `anchors` (A, 2D) what a place looks for, `level_sizes` how many
    places each level of the pyramid has. `image_logits` (B, K) are those of the image head alone,
    None without one. All float32.
    """

    class_logits: torch.Tensor
    boxes: torch.Tensor
    anchors: torch.Tensor
    level_sizes: tuple[int, ...]
    image_logits: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class Detections:
    """M boxes of one picture, highest score first.

    `boxes` is (M, 2D) float32, `logits` (M,) float32 the log-odds that something is there,
    `labels` (M,) int64 the column of the label, `classes` (M,) int64 the most likely class of it.
    """

    boxes: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor
    classes: torch.Tensor

    def __len__(self) -> int:
        return len(self.logits)

    def pick(self, rows: torch.Tensor) -> Detections:
        """Some of them: row numbers, or (M,) bool."""
        return Detections(
            self.boxes[rows], self.logits[rows], self.labels[rows], self.classes[rows]
        )

    def highest(self, most: int) -> Detections:
        """The first `most`, and the first of each label that has none among them."""
        kept = torch.arange(len(self), device=self.labels.device) < most
        for label in set(self.labels.tolist()):
            kept[(self.labels == label).nonzero()[0]] = True
        return self.pick(kept)

    def to(self, device: str) -> Detections:
        """The same on another device."""
        parts = (self.boxes, self.logits, self.labels, self.classes)
        return Detections(*(part.to(device) for part in parts))

    def moved(self, offset: torch.Tensor) -> Detections:
        """The same, moved by `offset` (D,)."""
        return Detections(self.boxes + offset.repeat(2), self.logits, self.labels, self.classes)

    def flipped(self, axis: int, length: int) -> Detections:
        """The same in the picture mirrored along one of its axes, which is `length` long."""
        boxes, high = self.boxes.clone(), axis + self.boxes.shape[1] // 2
        boxes[:, axis], boxes[:, high] = length - self.boxes[:, high], length - self.boxes[:, axis]
        return Detections(boxes, self.logits, self.labels, self.classes)

    @staticmethod
    def joined(parts: list[Detections]) -> Detections:
        """All boxes of several, highest score first."""
        names = ("boxes", "logits", "labels", "classes")
        every = Detections(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
        return every.pick(every.logits.argsort(descending=True, stable=True))
