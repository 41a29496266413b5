"""Steps whose gradient is not a number: skipped, counted, and the end of a fit if they go on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch

from medrec.errors import TrainingError

if TYPE_CHECKING:
    from lightning.pytorch.trainer.trainer import Trainer
    from torch.optim import Optimizer

MOST_IN_A_ROW = 20
MOST_OF_AN_EPOCH = 0.05
FEW = 5
"""So many steps of an epoch may always be skipped: in a short one, each is more than 5 %."""
_LOG = logging.getLogger(__name__)


class SkipGuard(pl.Callback):
    """Leave out each step whose gradient holds NaN or Inf, as if its batches had never come.

    Weights, moments, the moving average and batch-norm statistics stay; the learning rate's
    schedule goes on. Where one of several processes has to skip a step, all of them do. Works with
    any LightningModule.

    Raises:
        TrainingError: 20 steps in a row, or more than 5 % of an epoch (and more than 5 steps).
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.was_skipped = False
        self._in_a_row = 0
        self._of_epoch = 0
        self._kept: list[torch.Tensor] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Count the epoch's skipped steps anew."""
        self._of_epoch = 0
        self._kept = []

    def on_train_batch_start(
        self,
        trainer: Trainer,
        pl_module: pl.LightningModule,
        batch: Any,  # noqa: ANN401 (whatever the module takes)
        batch_idx: int,
    ) -> None:
        """Keep the buffers: a batch with NaN spoils batch-norm's statistics on its way."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._kept = [buffer.detach().clone() for buffer in pl_module.buffers()]

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Take the gradients away if one is no number: optimisers pass over weights without one."""
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
        # A process that holds a part of the network may hold no gradient.
        is_finite = not norms or bool(torch.isfinite(torch.stack(norms)).all())
        self.was_skipped = not trainer.strategy.reduce_boolean_decision(is_finite, all=True)
        if not self.was_skipped:
            self._in_a_row = 0
            return
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, kept in zip(pl_module.buffers(), self._kept, strict=True):
                buffer.copy_(kept)
        self._count(trainer)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed fit goes on counting from."""
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the counts."""
        self.skipped, self._in_a_row = state_dict["skipped"], state_dict["in_a_row"]

    def _count(self, trainer: Trainer) -> None:
        self.skipped += 1
        self._in_a_row += 1
        self._of_epoch += 1
        epoch = trainer.current_epoch + 1
        _LOG.warning("epoch %d: a step without finite gradient, skipped (%d)", epoch, self.skipped)
        steps = int(trainer.num_training_batches) / trainer.accumulate_grad_batches
        is_lasting = self._in_a_row >= MOST_IN_A_ROW
        if is_lasting or self._of_epoch > max(FEW, MOST_OF_AN_EPOCH * steps):
            message = (
                f"epoch {epoch}: the loss or its gradient was NaN or infinite in {self._of_epoch} "
                f"steps of the epoch, {self._in_a_row} in a row: look for pictures that hold NaN, "
                "lower fit.optimiser.learning_rate, or set fit.precision to bf16 or 32"
            )
            raise TrainingError(message)
