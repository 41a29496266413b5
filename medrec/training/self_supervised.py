"""What Lightning is told about any pretraining: its optimiser, its history, its random numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from torch.optim.lr_scheduler import LambdaLR

from medrec.training.modules import learning_rate_factor

if TYPE_CHECKING:
    from torch import nn

    from medrec.training.settings import FitSettings

_HISTORY = "medrec_history"
_SEED_STEP = 1_000_003


@dataclass(frozen=True, slots=True)
class PretrainRecord:
    """One epoch: mean loss, and the share of pictures of a batch whose other view lay nearest.

    `matched` is None where nothing is matched, as in masked modelling.
    """

    epoch: int
    loss: float
    matched: float | None = None


class SelfSupervisedModule(pl.LightningModule):
    """Fits `encoder` by the `judge` of a subclass; `history` grows by one record an epoch."""

    def __init__(self, encoder: nn.Module, settings: FitSettings) -> None:
        super().__init__()
        self.encoder = encoder
        self.history: list[PretrainRecord] = []
        self._settings = settings
        self._losses: list[torch.Tensor] = []
        self._matched: list[torch.Tensor] = []

    def judge(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor | None]:  # noqa: ANN401
        """Loss of a batch and, where views are matched, the share that was matched rightly."""
        raise NotImplementedError

    def on_train_epoch_start(self) -> None:
        """Begin the means of the epoch anew."""
        self._losses.clear()
        self._matched.clear()

    def training_step(self, batch: Any, _: int) -> torch.Tensor:  # noqa: ANN401 (as `judge` takes it)
        """Loss of one batch."""
        # What is random in the network depends on the step alone: a resumed run goes on the same.
        torch.manual_seed(self._settings.seed * _SEED_STEP + self.global_step)
        loss, matched = self.judge(batch)
        self._losses.append(loss.detach())
        if matched is not None:
            self._matched.append(matched.detach())
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=False)
        return loss

    def on_train_epoch_end(self) -> None:
        """Close the epoch's record."""
        loss, matched = _mean(self._losses), _mean(self._matched) if self._matched else None
        self.history.append(PretrainRecord(self.current_epoch, loss, matched))

    def configure_optimizers(self) -> Any:  # noqa: ANN401 (Lightning's own type is a union of dicts)
        """AdamW, warm-up and cosine by step; biases and norms don't decay."""
        settings, parameters = self._settings, list(self.parameters())
        optimiser = torch.optim.AdamW(
            [
                {
                    "params": [p for p in parameters if p.ndim > 1],
                    "weight_decay": settings.weight_decay,
                },
                {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(
            optimiser,
            lambda step: learning_rate_factor(step, steps, warmup=settings.warmup_fraction),
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history, so that a resumed run has all of it."""
        checkpoint[_HISTORY] = [asdict(record) for record in self.history]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the history of the epochs before."""
        self.history = [PretrainRecord(**record) for record in checkpoint[_HISTORY]]


def _mean(values: list[torch.Tensor]) -> float:
    return float(torch.stack(values).mean())
