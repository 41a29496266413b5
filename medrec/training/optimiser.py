"""Which weights learn how fast: decay by kind, learning rate by depth, a backbone that waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from lightning.pytorch.trainer.trainer import Trainer
    from torch import nn

    from medrec.training.settings import FitSettings


def parameter_groups(network: nn.Module, settings: FitSettings) -> list[dict[str, Any]]:
    """Groups for an optimiser; biases and norms don't decay.

    With `layer_decay` each layer below the head learns that many times slower than the one above
    it, as timm groups them (a network whose `backbone` is none of timm's is grouped by timm's
    default, one weight a layer).
    """
    if settings.layer_decay is None:
        parameters = list(network.parameters())
        return [
            {
                "params": [p for p in parameters if p.ndim > 1],
                "weight_decay": settings.weight_decay,
            },
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
    found = _backbone(network)
    backbone = network if found is None else found
    groups: list[dict[str, Any]] = param_groups_layer_decay(
        backbone, weight_decay=settings.weight_decay, layer_decay=settings.layer_decay
    )
    own = {id(p) for p in backbone.parameters()}
    if rest := [p for p in network.parameters() if id(p) not in own]:
        groups.append({"params": rest, "weight_decay": settings.weight_decay, "lr_scale": 1.0})
    # timm's own schedules know lr_scale; torch's schedules start from each group's lr.
    return [
        {
            "params": group["params"],
            "weight_decay": group["weight_decay"],
            "lr": settings.learning_rate * group["lr_scale"],
        }
        for group in groups
    ]


def _backbone(network: Any) -> Any:  # noqa: ANN401 (any network; None without timm's)
    """The timm network inside a classifier, or inside the encoder of one of whole volumes."""
    own = getattr(network, "backbone", None)
    return own if own is not None else getattr(getattr(network, "encoder", None), "backbone", None)


class FrozenBackbone(pl.Callback):
    """Let the head alone learn for the first epochs; batch-norm statistics wait as well.

    Frozen weights stay in the optimiser and simply have no gradient, so that a resumed fit finds
    the same groups. A network without timm's `get_classifier` on its `backbone` learns as a whole.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_train_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Freeze or free what belongs to the backbone, as the epoch says."""
        backbone: Any = _backbone(pl_module.network)
        if not hasattr(backbone, "get_classifier"):
            return
        is_frozen = trainer.current_epoch < self._epochs
        last = backbone.get_classifier()
        heads = last if isinstance(last, tuple) else (last,)
        for parameter in backbone.parameters():
            parameter.requires_grad = not is_frozen
        backbone.train(not is_frozen)
        for head in heads:
            head.train()
            for parameter in head.parameters():
                parameter.requires_grad = True
