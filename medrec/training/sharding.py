"""A network in parts on several GPUs (FSDP): its strategy, its moving average, its clipping.

Lightning's FSDPStrategy does the sharding. What is here are the three things that it leaves out:
checkpoints are read without pickle, averaged weights are sharded as the weights are, and gradients
are clipped by the norm over all devices. A checkpoint holds whole state dicts under the names of a
fit on one device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import CustomPolicy

from medrec.training.ema import Average, growing_average

if TYPE_CHECKING:
    from lightning.pytorch.trainer.trainer import Trainer
    from torch.optim import Optimizer

    from medrec.training.guard import SkipGuard

_SMALLEST = 500_000
"""Weights of a part that is gathered apart: below, gathering takes longer than computing."""


_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class ShardedStrategy(FSDPStrategy):
    """Shard weights, gradients and moments; blocks of a network are gathered one at a time.

    Precision is autocast's, as on one device: weights and batch-norm statistics stay float32.
    """

    def __init__(self) -> None:
        super().__init__(state_dict_type="full")

    @property
    def mixed_precision_config(self) -> None:
        """None: FSDP's own would round weights and statistics to half precision."""

    def _setup_model(self, model: nn.Module) -> nn.Module:
        for weight in model.parameters():
            # FSDP writes moments of channels_last weights in one order and reads them in another.
            weight.data = weight.data.contiguous()
        self.kwargs["auto_wrap_policy"] = CustomPolicy(_blocks_of(model).__contains__)
        return super()._setup_model(model)

    def load_checkpoint(
        self,
        checkpoint_path: Any,  # noqa: ANN401 (Lightning's own union)
        weights_only: bool | None = None,  # noqa: FBT001 (Lightning's own; always so)
    ) -> dict[str, Any]:
        """Load weights and optimisers of a whole checkpoint into the parts of this process."""
        content: dict[str, Any] = torch.load(checkpoint_path, map_location="cpu", weights_only=True)  # noqa: TID251 (our own)
        self.load_weights(content["state_dict"])
        for optimiser, saved in zip(self.optimizers, content["optimizer_states"], strict=True):
            set_optimizer_state_dict(self._parts, optimiser, optim_state_dict=saved, options=_WHOLE)
        return content

    def load_weights(self, state: dict[str, Any]) -> None:
        """Take this process's part of a whole state dict."""
        set_model_state_dict(self._parts, state, options=_WHOLE)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Collect the whole state in the first process; empty in the others."""
        state: dict[str, Any] = get_model_state_dict(self._parts, options=_WHOLE)
        # Buffers may be the live ones, which change.
        return {name: tensor.clone() for name, tensor in state.items()}

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Collect the moments of all weights, by name, in the first process."""
        return get_optimizer_state_dict(self._parts, optimizer, options=_WHOLE)

    @property
    def _parts(self) -> nn.Module:
        assert self.model is not None  # noqa: S101 (Lightning has set it up)
        return self.model


class ShardedEma(pl.Callback):
    """`medrec.training.ema` for parts: each process averages its own; same numbers, same names.

    Lightning's own callback copies the whole network to each device and can't read parts.
    """

    def __init__(self, decay: float, *, guard: SkipGuard) -> None:
        self._update: Average = growing_average(decay)
        self._guard = guard
        self._averages: list[torch.Tensor] = []
        self._count = 0
        self._averaged_step = 0

    def on_fit_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with first weights, now that they are sharded."""
        self._averages = [tensor.detach().clone() for tensor in _parts(pl_module)]

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: pl.LightningModule,
        *_: Any,  # noqa: ANN401 (outputs, batch and number, as Lightning hands them over)
        **__: Any,  # noqa: ANN401
    ) -> None:
        """Average after each step that was taken; batches that only accumulate are none."""
        if trainer.global_step <= self._averaged_step or self._guard.was_skipped:
            return
        count = torch.tensor(self._count)
        for average, current in zip(self._averages, _parts(pl_module), strict=True):
            if self._count:
                self._update([average], [current.detach()], count)
            else:
                average.copy_(current.detach())
        self._count += 1
        self._averaged_step = trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        """What a resumed fit goes on counting from."""
        return {"averaged_step": self._averaged_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the count."""
        self._averaged_step = state_dict["averaged_step"]

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Judge the averaged weights."""
        self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Go on with the others."""
        self._swap(pl_module)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the averaged weights where Lightning's callback does; every process takes part."""
        checkpoint["current_model_state"] = checkpoint["state_dict"]
        self._swap(pl_module)
        checkpoint["state_dict"] = trainer.strategy.lightning_module_state_dict()
        self._swap(pl_module)
        checkpoint["averaging_state"] = {"n_averaged": torch.tensor(self._count)}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """The strategy has loaded the averages: keep them, and load the other weights."""
        strategy = trainer.strategy
        assert isinstance(strategy, ShardedStrategy)  # noqa: S101 (they are made together)
        self._averages = [tensor.detach().clone() for tensor in _parts(pl_module)]
        self._count = int(checkpoint["averaging_state"]["n_averaged"])
        strategy.load_weights(checkpoint["current_model_state"])

    def _swap(self, module: nn.Module) -> None:
        for average, current in zip(self._averages, _parts(module), strict=True):
            kept = average.clone()
            average.copy_(current.detach())
            current.detach().copy_(kept)


class ShardedClip(pl.Callback):
    """Clip by the norm of the whole gradient, which no process has alone."""

    def __init__(self, norm: float, *, guard: SkipGuard) -> None:
        self._norm = norm
        self._guard = guard

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """After the guard, which all processes obey."""
        model = trainer.strategy.model
        assert isinstance(model, FullyShardedDataParallel)  # noqa: S101 (they are made together)
        if not self._guard.was_skipped:
            model.clip_grad_norm_(self._norm)


def _blocks_of(model: nn.Module) -> set[nn.Module]:
    """What is gathered apart: the network, and in it members of sequences that hold many weights.

    Networks call the members of a sequence as a whole, one by one. The network is a block since the
    outermost one, Lightning's module, stays gathered after validation: so it has to be empty.
    """
    return {
        block
        for sequence in model.modules()
        if isinstance(sequence, nn.Sequential | nn.ModuleList)
        for block in sequence
        if sum(weight.numel() for weight in block.parameters()) >= _SMALLEST
    } | set(model.children())


def _parts(module: nn.Module) -> list[torch.Tensor]:
    """This process's parts of the weights, and all buffers."""
    return [*module.parameters(), *module.buffers()]
