"""What Lightning is told about a classifier: its loss, its optimiser, what is watched."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import cos, pi
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR

from medrec.evaluation.discrimination import auroc
from medrec.training.losses import classifier_loss
from medrec.training.mixing import mix_batch, smooth_targets
from medrec.training.optimiser import parameter_groups
from medrec.training.sampling import augment_batch
from medrec.training.trainer import WATCHED_LOSS

if TYPE_CHECKING:
    from torch import nn

    from medrec.models.exclusive import Columns
    from medrec.training.sampling import AugmentBatch, Batch
    from medrec.training.settings import FitSettings

_HISTORY = "medrec_history"
_SEED_STEP = 1_000_003
_RANK_STEP = 500_000_003


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch: mean loss, and log-loss and AUROC (mean of the labels) of the watched rows.

    The watched figures are those of the averaged weights; None without watched rows, or where one
    class is missing.
    """

    epoch: int
    loss: float
    watched_loss: float | None = None
    watched_auroc: float | None = None
    watched_ap: float | None = None
    """Average precision of a detector's boxes: at an IoU of 0.5, in volumes of 0.1."""


class ClassifierModule(pl.LightningModule):
    """Fit a classifier by cross-entropy of what is known; `history` has one record an epoch.

    `augment_batch` changes batches of training once they are on the device.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: FitSettings,
        *,
        positive_weight: torch.Tensor,
        augment_batch: AugmentBatch | None = None,
        exclusive: Columns = (),
    ) -> None:
        super().__init__()
        self._exclusive = exclusive
        self.network = network
        if settings.compile:
            network.compile()  # in place: names in the state stay
        self.history: list[EpochRecord] = []
        self._settings = settings
        self._augment_batch = augment_batch
        self.register_buffer("_positive_weight", positive_weight, persistent=False)
        self._losses: list[torch.Tensor] = []
        self._watched: list[Batch] = []
        self._groups: list[dict[str, Any]] = []

    def on_after_batch_transfer(self, batch: Batch, _: int) -> Batch:
        """Change the images of a batch that brings seeds; batches that are watched bring none."""
        return augment_batch(batch, self._augment_batch)

    def setup(self, stage: str) -> None:
        """Group the weights while they are whole: of shards neither names nor shapes are left."""
        if stage == "fit":
            self._groups = parameter_groups(self.network, self._settings)

    def on_train_epoch_start(self) -> None:
        """Begin the mean loss of the epoch anew."""
        self._losses.clear()

    def training_step(self, batch: Batch, number: int) -> torch.Tensor:
        """Loss of one batch."""
        # Dropout's numbers depend on the step alone: a resumed fit goes on as if it was never cut.
        # Several processes draw apart.
        own = self.global_rank * _RANK_STEP
        seed = self._settings.seed * _SEED_STEP + self._drawn(number) + own
        torch.manual_seed(seed)
        loss = self.loss_of(batch, seed)
        self._losses.append(loss.detach())
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=False)
        return loss

    def loss_of(self, batch: Batch, seed: int) -> torch.Tensor:
        """The loss of a batch of training; `seed` is for what it draws."""
        images, targets = self._mixed(batch, seed)
        weight = self._positive_weight
        assert isinstance(weight, torch.Tensor)  # noqa: S101 (a buffer, which nn.Module types as either)
        logits = self.network(images).logits
        return classifier_loss(logits, targets, weight=weight, exclusive=self._exclusive)

    def _drawn(self, number: int) -> int:
        """Steps so far; with accumulation, batches, each of which needs numbers of its own."""
        if (self._settings.accumulate or 1) == 1:
            return self.global_step
        return self.current_epoch * int(self.trainer.num_training_batches) + number

    def _mixed(self, batch: Batch, seed: int) -> Batch:
        images, targets = batch
        if self._settings.label_smoothing:
            targets = smooth_targets(targets, self._settings.label_smoothing)
        if self._settings.mixup:
            images, targets = mix_batch(images, targets, alpha=self._settings.mixup, seed=seed)
        return images, targets

    def on_validation_epoch_start(self) -> None:
        """Forget what was watched before."""
        self._watched.clear()

    def validation_step(self, batch: Batch, _: int) -> None:
        """Judge watched rows; the weights are the averaged ones here."""
        images, targets = batch
        self._watched.append((self.network(images).logits.float().cpu(), targets.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Tell Lightning the log-loss, by which the best epoch may be chosen."""
        logits, targets = self._all_watched()
        loss = classifier_loss(logits, targets, exclusive=self._exclusive)
        # Batch-norm statistics differ between processes: the first one's choose, and are kept.
        loss = self.trainer.strategy.broadcast(loss)
        self.log(WATCHED_LOSS, loss, prog_bar=True)

    def on_train_epoch_end(self) -> None:
        """Close the epoch's record."""
        record = EpochRecord(epoch=self.current_epoch, loss=_finite_mean(self._losses))
        for name, value in self.watched_figures().items():
            record = replace(record, **{name: value})  # type: ignore[arg-type]
        self.history.append(record)
        self.log("epoch_loss", record.loss)
        for name in ("watched_auroc", "watched_ap"):
            if getattr(record, name) is not None:
                self.log(name, getattr(record, name))

    def watched_figures(self) -> dict[str, float | None]:
        """What the watched rows say of the epoch, by the names of EpochRecord."""
        if not self._watched:
            return {}
        logits, targets = self._all_watched()
        return {
            "watched_loss": float(classifier_loss(logits, targets, exclusive=self._exclusive)),
            "watched_auroc": _mean_auroc(logits.numpy(), targets.numpy()),
        }

    def configure_optimizers(self) -> Any:  # noqa: ANN401 (Lightning's own type is a union of dicts)
        """AdamW, warm-up and cosine by step."""
        optimiser = torch.optim.AdamW(self._groups, lr=self._settings.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = self._settings.warmup_fraction
        schedule = LambdaLR(
            optimiser, lambda step: learning_rate_factor(step, steps, warmup=warmup)
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history, so that a resumed fit has all of it."""
        checkpoint[_HISTORY] = [asdict(record) for record in self.history]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the history of the epochs before."""
        self.history = [EpochRecord(**record) for record in checkpoint[_HISTORY]]

    def _all_watched(self) -> tuple[torch.Tensor, torch.Tensor]:
        logits, targets = zip(*self._watched, strict=True)
        return torch.cat(logits), torch.cat(targets)


def learning_rate_factor(step: int, steps: int, *, warmup: float) -> float:
    """Share of the full learning rate: linear up over the first part, then half a cosine to 0.

    >>> [round(learning_rate_factor(step, 10, warmup=0.2), 2) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rise = round(steps * warmup)
    if step < rise:
        return (step + 1) / rise
    return (1 + cos(pi * min((step - rise) / max(steps - rise, 1), 1))) / 2


def _finite_mean(losses: list[torch.Tensor]) -> float:
    """Mean of the losses of steps that were not skipped; NaN if all were."""
    all_losses = torch.stack(losses)
    return float(all_losses[torch.isfinite(all_losses)].mean())


def _mean_auroc(logits: np.ndarray, targets: np.ndarray) -> float | None:
    known = np.isfinite(targets)
    areas = [
        auroc(targets[rows, label] == 1, logits[rows, label].astype(np.float64))
        for label, rows in enumerate(known.T)
    ]
    found = [area for area in areas if np.isfinite(area)]
    return float(np.mean(found)) if found else None
