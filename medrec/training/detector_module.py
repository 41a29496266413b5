"""What Lightning is told about a detector: its loss, and what is watched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from medrec.evaluation.froc import precision_rounds, rank
from medrec.evaluation.matching import ImageBoxes
from medrec.preprocess.augment_boxes import objects_of_part
from medrec.training.modules import ClassifierModule
from medrec.training.trainer import WATCHED_LOSS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.models.detections import Detections
    from medrec.models.detectors import Detector
    from medrec.models.finder import Finder
    from medrec.training.detection import DetectionLoss
    from medrec.training.sampling import Batch
    from medrec.training.settings import FitSettings

_FLAT, _FLAT_IOU, _SOLID_IOU = 4, 0.5, 0.1


@dataclass(frozen=True, eq=False)
class Detection:
    """How a detector learns, and how its boxes are looked for where it is watched."""

    loss: DetectionLoss
    finder: Finder


class DetectorModule(ClassifierModule):
    """Fit a detector by its places; watch the same loss, and the average precision of its boxes."""

    def __init__(self, network: Detector, settings: FitSettings, detection: Detection) -> None:
        super().__init__(network, settings, positive_weight=torch.ones(1))
        self._detection = detection
        self._watched_losses: list[torch.Tensor] = []
        self._images: list[ImageBoxes] = []

    def on_after_batch_transfer(self, batch: Batch, _: int) -> Batch:
        """Leave a batch as it is: its boxes moved with its images where both were loaded."""
        return batch

    def loss_of(self, batch: Batch, seed: int) -> torch.Tensor:
        """The loss of a batch of training."""
        images, targets, objects = batch
        return self._detection.loss(self.network(images), objects, targets)

    def on_validation_epoch_start(self) -> None:
        """Forget what was watched before."""
        self._watched_losses.clear()
        self._images.clear()

    def validation_step(self, batch: Batch, _: int) -> None:
        """Judge watched rows, as screening would look at them; weights are the averaged ones."""
        images, objects = batch[0], batch[2]
        network = cast("Detector", self.network)
        self._watched_losses.append(self._watched_loss(network, batch))
        for found, truth in zip(
            self._detection.finder([network], images), objects.cpu(), strict=True
        ):
            if torch.isfinite(truth).all():
                self._images.append(_to_image(found.boxes, truth))

    def _watched_loss(self, network: Detector, batch: Batch) -> torch.Tensor:
        """Of whole images; where it learns from parts, the mean of parts that cover them.

        So no more is held at once than a batch of training holds.
        """
        images, targets, objects = batch
        windows = self._detection.finder.windows
        if windows is None:
            return self._detection.loss(network(images), objects, targets).cpu()
        losses = [
            self._detection.loss(
                network(windows.cut(images, low)),
                *_in_window(objects, targets, low, windows.size, network.label_of),
            )
            for low in replace(windows, overlap=0.0).starts(tuple(images.shape[2:]))
        ]
        return torch.stack(losses).mean().cpu()

    def on_validation_epoch_end(self) -> None:
        """Tell Lightning the loss, by which the best epoch may be chosen."""
        # Batch-norm statistics differ between processes: the first one's choose, and are kept.
        loss = self.trainer.strategy.broadcast(torch.stack(self._watched_losses).mean())
        self.log(WATCHED_LOSS, loss, prog_bar=True)

    def watched_figures(self) -> dict[str, float | None]:
        """The loss, and the average precision; None where no lesion is watched."""
        if not self._watched_losses:
            return {}
        loss = float(torch.stack(self._watched_losses).mean())
        return {"watched_loss": loss, "watched_ap": average_precision(self._images)}


def _in_window(
    objects: torch.Tensor,
    targets: torch.Tensor,
    low: Sequence[int],
    window: tuple[int, ...],
    label_of: Sequence[int],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Objects (B, M, 2D + 1) and labels (B, K) of the parts of a batch from a corner on."""
    parts = [
        objects_of_part(own, known, low, window=window, label_of=label_of)
        for own, known in zip(objects.cpu(), targets.cpu(), strict=True)
    ]
    here, labels = (torch.stack(each) for each in zip(*parts, strict=True))
    return here.to(objects.device), labels.to(targets.device)


def average_precision(images: list[ImageBoxes]) -> float | None:
    """At an IoU of 0.5 in pictures and of 0.1 in volumes, over all images, whatever the label."""
    if not any((~image.is_ignored).any() for image in images):
        return None
    is_flat = images[0].truth.shape[1] == _FLAT
    ranked = rank(images, iou=_FLAT_IOU if is_flat else _SOLID_IOU)
    return float(precision_rounds(ranked)(np.ones((1, len(images))))[0, 0])


def _to_image(found: Detections, truth: torch.Tensor) -> ImageBoxes:
    there = truth[truth[:, -1] != -1].double().numpy()
    return ImageBoxes(
        unit="",
        truth=there[:, :-1],
        is_ignored=there[:, -1] < 0,
        boxes=found.boxes.cpu().double().numpy(),
        score=found.logits.cpu().double().numpy(),
    )
